"""The direction of imports: telephony knows nothing of voicebot, rooms not of one another, the mind of no I/O."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicebot.paths import ROOT

TELEPHONY = ("sip", "sdp", "media", "trunk", "call", "webrtc", "routing", "doctor", "pipecat")
"""Each may import those before it; sdp and media each other's types, too."""
ROOMS = ("ears", "mind", "mouth", "actions", "handoff", "record", "web")
COMMON = {"events", "config", "errors", "log", "markup", "metrics", "paths", "pipecat_service", "standby"}
"""Files of voicebot that any room may use."""
IO = {
    "aiohttp", "aiortc", "asyncio", "ftplib", "http", "httpx", "multiprocessing", "requests", "select", "selectors",
    "smtplib", "socket", "socketserver", "sqlalchemy", "sqlite3", "ssl", "subprocess", "urllib", "websockets",
}  # fmt: skip
SANS_IO = {"socket", "asyncio", "select", "selectors", "threading", "time"}
SIP_CORE = ("framing", "grammar", "message", "dialog", "digest", "table")
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
def test_a_room_imports_itself_and_common_files_only(room: str) -> None:
    allowed = {room} | COMMON

    def bad(name: str) -> bool:
        parts = name.split(".")
        return parts[0] == "voicebot" and (len(parts) < 2 or parts[1] not in allowed)

    assert wrong(f"voicebot/{room}", bad) == []


@pytest.mark.parametrize("name", sorted(COMMON))
def test_common_files_know_no_room(name: str) -> None:
    found = [imported for imported, _ in imports(ROOT / "voicebot" / f"{name}.py")]
    assert [i for i in found if i.startswith("voicebot.") and i.split(".")[1] not in COMMON] == []


def test_the_mind_does_no_io() -> None:
    assert wrong("voicebot/mind", lambda name: name.split(".")[0] in IO) == []


def test_the_core_of_sip_takes_bytes_and_time_as_arguments() -> None:
    for name in SIP_CORE:
        path = ROOT / "telephony" / "sip" / f"{name}.py"
        assert [i for i, _ in imports(path) if i.split(".")[0] in SANS_IO] == [], path


def test_the_check_sees_each_form_of_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    source = tmp_path / "voicebot" / "ears" / "x.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import socket as s\nfrom voicebot import mind\nfrom ..mouth import voice\ndef f():\n  import ssl\n"
    )
    assert {name for name, _ in imports(source)} == {"socket", "voicebot.mind", "voicebot.mouth.voice", "ssl"}
