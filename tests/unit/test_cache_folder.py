"""Files that may be lost at any time: whole or not there, bounded, and nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from voicebot.cache.cache_folder import OVERHEAD, CacheFolder, code_version, file_name, file_version, open_cache
from voicebot.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> CacheFolder:
    return CacheFolder(tmp_path / "kept", 10_000)


def again(folder: CacheFolder) -> CacheFolder:
    """What the next process finds."""
    return CacheFolder(folder.folder, 10_000)


def test_what_was_written_is_read_by_the_next_process_byte_by_byte(folder: CacheFolder) -> None:
    assert folder.write("a", b"\0audio")
    assert again(folder).read("a") == b"\0audio"
    assert again(folder).read("b") is None


def test_only_its_owner_can_read_it(folder: CacheFolder) -> None:
    folder.write("a", b"audio")
    assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.folder / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize("keep", [0, 5, OVERHEAD - 1, OVERHEAD, OVERHEAD + 2])
def test_a_torn_file_is_not_read_and_is_removed(folder: CacheFolder, keep: int) -> None:
    folder.write("a", b"audio")
    os.truncate(folder.folder / "a", keep)
    after = again(folder)
    assert after.read("a") is None
    assert "a" not in after
    assert not (folder.folder / "a").exists()


def test_a_changed_a_longer_and_a_foreign_file_are_not_read_and_are_removed(folder: CacheFolder) -> None:
    for name in ("changed", "longer", "renamed"):
        folder.write(name, b"audio")
    place = folder.folder
    whole = (place / "changed").read_bytes()
    (place / "changed").write_bytes(whole[:-1] + b"O")
    (place / "longer").write_bytes((place / "longer").read_bytes() + b"more")
    (place / "renamed").rename(place / "other")
    (place / "foreign").write_bytes(b"#!/bin/sh\n")
    after = again(folder)
    assert [after.read(name) for name in ("changed", "longer", "other", "foreign")] == [None] * 4
    assert list(place.iterdir()) == []


def test_a_link_and_a_folder_are_never_followed(folder: CacheFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (folder.folder / "link").symlink_to(secret)
    (folder.folder / "sub").mkdir()
    after = again(folder)
    assert len(after) == 0
    assert after.read("link") is None
    assert secret.read_bytes() == b"secret"


def test_a_link_that_takes_a_files_place_meanwhile_is_not_followed(folder: CacheFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    folder.write("a", b"audio")
    secret.write_bytes((folder.folder / "a").read_bytes())
    (folder.folder / "a").unlink()
    (folder.folder / "a").symlink_to(secret)
    assert folder.read("a") is None
    assert secret.exists()


def test_what_a_crash_has_left_half_written_is_removed_at_the_next_start(folder: CacheFolder) -> None:
    (folder.folder / ".begun-x").write_bytes(b"half")
    assert len(again(folder)) == 0
    assert list(folder.folder.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(folder: CacheFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not folder.write("a", b"audio")
    assert list(folder.folder.iterdir()) == []


def test_what_has_no_room_is_not_kept_and_what_was_there_stays(folder: CacheFolder) -> None:
    assert folder.write("a", bytes(6000))
    assert not folder.write("b", bytes(6000))
    assert folder.write("a", bytes(7000))  # in its own place
    assert folder.size == 7000 + OVERHEAD
    assert again(folder).read("a") == bytes(7000)


def test_the_oldest_of_what_nobody_asked_for_makes_room(folder: CacheFolder) -> None:
    for age, name in enumerate(("new", "older", "oldest", "asked for")):
        folder.write(name, bytes(2000))
        os.utime(folder.folder / name, (1e9 - age, 1e9 - age))
    after = again(folder)
    after.read("asked for")
    assert after.write("a", bytes(3000))
    assert {path.name for path in folder.folder.iterdir()} == {"new", "older", "asked for", "a"}
    assert after.write("b", bytes(2500))
    assert {path.name for path in folder.folder.iterdir()} == {"new", "asked for", "a", "b"}
    assert not after.write("c", bytes(5000))
    assert {path.name for path in folder.folder.iterdir()} == {"asked for", "a", "b"}


def test_all_but_what_is_named_can_be_removed(folder: CacheFolder) -> None:
    for name in "abc":
        folder.write(name, b"audio")
    assert folder.keep_only({"b", "d"}) == 2
    assert [path.name for path in folder.folder.iterdir()] == ["b"]


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PermissionError, match="chmod 700"):
        CacheFolder(tmp_path / "open", 1000)
    assert open_cache(tmp_path / "open", 1000) is None
    (tmp_path / "file").write_text("in the way")
    assert open_cache(tmp_path / "file", 1000) is None
    assert caplog.text.count("nothing is kept on disk") == 2
    assert open_cache(tmp_path / "none", 0) is None
    assert not (tmp_path / "none").exists()


def test_names_and_versions_differ_with_what_they_are_of(tmp_path: Path) -> None:
    assert file_name("a", "b") == file_name("a", "b") != file_name("ab", "") != file_name("a", "b", "")
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    (tmp_path / "x" / "a.py").write_text("1")
    (tmp_path / "y" / "a.py").write_text("2")
    assert code_version(tmp_path / "x") != code_version(tmp_path / "y")
    before = file_version(tmp_path / "x" / "a.py")
    (tmp_path / "x" / "a.py").write_text("11")
    assert file_version(tmp_path / "x" / "a.py") != before


def test_the_command_shows_and_clears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CacheFolder(tmp_path / "prompts", 1000).write("a", b"audio")
    (tmp_path / "other").mkdir()
    assert main(["cache", "--folder", str(tmp_path)]) == 0
    assert "prompts        1 files" in capsys.readouterr().out
    assert main(["cache", "clear", "--folder", str(tmp_path)]) == 0
    assert "removed" in capsys.readouterr().out
    assert list((tmp_path / "prompts").iterdir()) == []
    assert (tmp_path / "other").is_dir()
