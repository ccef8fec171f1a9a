"""The direction of imports: telephony knows nothing of voicebot, a room those of its table, the dialog no I/O."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicebot.paths import ROOT

TELEPHONY = ("sip", "sdp", "media", "trunk", "call", "webrtc", "routing", "doctor", "pipecat")
"""Each may import those before it; sdp and media each other's types, too."""
LOOSE = {"app", "cli", "config", "messages", "errors", "log", "paths", "__init__", "__main__"}
"""The only files beside the rooms of voicebot."""
COMMON = {"config", "errors", "log", "messages", "paths", "journal.metrics"}
"""What any room may use."""
ROOMS: dict[str, tuple[str, ...]] = {
    "languages": (),
    "cache": (),
    "journal": ("languages",),
    "engines": (),
    "demo": (),
    "asr": ("languages", "engines", "cache"),
    "listening": ("asr", "languages", "engines"),
    "tts": ("languages", "engines", "cache"),
    "nlu": ("languages", "cache", "asr.decoding_graph", "asr.grammars"),
    "flows": ("nlu", "tts.markup"),
    "conversation": ("nlu", "flows", "languages", "tts.markup"),
    "actions": (),
    "handoff": ("journal",),
    "record": ("journal",),
    "web": ("journal",),
    "gateway": ("journal",),
    "models": (),
    "calls": (
        "journal", "engines", "cache", "asr", "listening", "tts", "conversation", "flows", "nlu", "actions", "handoff",
        "record", "web", "gateway",
    ),
}  # fmt: skip
"""Room → the rooms, or files of one, that it may import, beside itself and `COMMON`. ``app``, ``commands`` and
``bench`` put rooms together and may import all."""
TRAINING = "asr/learn"
"""Makes weights on the designer's machine, never in a call: it speaks with tts to teach asr."""
IO = {
    "aiohttp", "aiortc", "asyncio", "ftplib", "http", "httpx", "multiprocessing", "requests", "select", "selectors",
    "smtplib", "socket", "socketserver", "sqlalchemy", "sqlite3", "ssl", "subprocess", "urllib", "websockets",
}  # fmt: skip
SANS_IO = {"socket", "asyncio", "select", "selectors", "threading", "time"}
SIP_CORE = ("framing", "grammar", "message", "dialog", "digest", "transaction_state_tables")
CODE = ("telephony", "voicebot")
INTERFACES = {"Encoder", "Decoder"}
"""Of telephony/media/encoders.py, which each codec implements."""
"""Files of telephony/sip where bytes and time go in and come out."""


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Each imported name in full, with its line; imports inside functions and under TYPE_CHECKING too."""
    package = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join((*package[: -node.level], *filter(None, [node.module]))) if node.level else node.module
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"{folder} holds no code"
    return found


def wrong(folder: str, bad: Callable[[str], bool]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in files(folder)
        for name, line in imports(path)
        if bad(name)
    ]


def test_telephony_imports_nothing_of_voicebot() -> None:
    assert wrong("telephony", lambda name: name.split(".")[0] == "voicebot") == []


@pytest.mark.parametrize("room", TELEPHONY)
def test_a_room_of_telephony_imports_those_before_it_only(room: str) -> None:
    forbidden = {*TELEPHONY[TELEPHONY.index(room) + 1 :], "server", "examples"}
    forbidden -= {"media"} if room == "sdp" else set()
    forbidden |= {"agent"} if room not in ("doctor", "pipecat") else set()

    def bad(name: str) -> bool:
        parts = name.split(".")
        return parts[0] == "telephony" and len(parts) > 1 and parts[1] in forbidden

    assert wrong(f"telephony/{room}", bad) == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_says(room: str) -> None:
    allowed = {room, *ROOMS[room], *COMMON}

    def bad(name: str) -> bool:
        first, *rest = name.split(".")
        return first == "voicebot" and not any(".".join(rest[: n + 1]) in allowed for n in range(len(rest)))

    found = [line for line in wrong(f"voicebot/{room}", bad) if not line.startswith(f"voicebot/{TRAINING}/")]
    assert found == []


def test_the_table_has_every_room_and_no_file_lies_beside_them() -> None:
    folders = {path.parent.name for path in (ROOT / "voicebot").glob("*/__init__.py")}
    assert folders == {*ROOMS, "bench", "commands"}
    assert {path.stem for path in (ROOT / "voicebot").glob("*.py")} == LOOSE


def test_rooms_do_not_import_one_another_in_circles() -> None:
    below = {room: {name.split(".")[0] for name in names} - {room} for room, names in ROOMS.items()}
    below["flows"] -= {"tts"}  # its markup is a language of its own and imports nothing
    below["conversation"] -= {"tts"}
    while free := [room for room, names in below.items() if not names & below.keys()]:
        for room in free:
            del below[room]
    assert below == {}


def test_files_do_not_import_one_another_in_circles() -> None:
    known = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for f in CODE for path in files(f)}
    names = {name.removesuffix(".__init__"): path for path, name in known.items()}
    below = {
        path: {names[p] for name, _ in imports(path) for p in (name, name.rpartition(".")[0]) if p in names} - {path}
        for path in known
    }
    below = {path: {p for p in found if p.name != "__init__.py"} for path, found in below.items()}
    while free := [path for path, found in below.items() if not found & below.keys()]:
        for path in free:
            del below[path]
    assert sorted(str(path.relative_to(ROOT)) for path in below) == []


def test_the_common_files_and_the_markup_know_no_room() -> None:
    for name in (*COMMON, "tts.markup"):
        found = [imported for imported, _ in imports(ROOT / "voicebot" / f"{name.replace('.', '/')}.py")]
        assert [i for i in found if i.startswith("voicebot.") and i.split(".")[1] not in COMMON] == [], name


def test_a_public_class_name_has_one_meaning_in_the_whole_house() -> None:
    """One interface implemented by several files, as a codec's encoder is, is one meaning."""
    homes: dict[str, list[str]] = {}
    for path in [path for folder in CODE for path in files(folder)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in homes.items() if len(found) > 1 and name not in INTERFACES} == {}


@pytest.mark.parametrize("room", ["conversation", "flows", "nlu"])
def test_what_decides_does_no_io(room: str) -> None:
    assert wrong(f"voicebot/{room}", lambda name: name.split(".")[0] in IO) == []


def test_the_core_of_sip_takes_bytes_and_time_as_arguments() -> None:
    for name in SIP_CORE:
        path = ROOT / "telephony" / "sip" / f"{name}.py"
        assert [i for i, _ in imports(path) if i.split(".")[0] in SANS_IO] == [], path


def test_the_check_sees_each_form_of_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    source = tmp_path / "voicebot" / "asr" / "x.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import socket as s\nfrom voicebot import nlu\nfrom ..tts import voices\ndef f():\n  import ssl\n"
    )
    assert {name for name, _ in imports(source)} == {"socket", "voicebot.nlu", "voicebot.tts.voices", "ssl"}
