"""A user agent with trunks, and a provider to register with: Kamailio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from telephony.agent import AgentConfig, UserAgent
from telephony.events import SourceRefused, TelephonyEvent, TrunkStateChanged
from telephony.media.engine import MediaEngine
from telephony.trunk import load as loading
from telephony.trunk.registry import TrunkRegistry

from .programs import PATIENCE_S
from .siprun import OnCall, listening

EXAMPLES = Path(loading.__file__).parent.parent / "trunks"
FIRST_RTP, LAST_RTP = 23000, 23199


class Site:
    """A running agent, its trunks, and what it told."""

    def __init__(self) -> None:
        self.events: list[TelephonyEvent] = []
        self._changed = asyncio.Event()

    agent: UserAgent
    book: TrunkRegistry

    def on_event(self, event: TelephonyEvent) -> None:
        self.events.append(event)
        self._changed.set()

    @property
    def states(self) -> list[str]:
        """Of the trunks, as they came."""
        return [one.state for one in self.events if isinstance(one, TrunkStateChanged)]

    @property
    def refusals(self) -> list[str]:
        """Why callers were turned away."""
        return [one.why for one in self.events if isinstance(one, SourceRefused)]

    async def until(self, *states: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until the trunk's states were these and no others."""
        await self.wait(lambda: self.states == list(states), patience_s)

    async def wait(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait until what was told makes it true."""
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"was told {self.events}") from None


@contextlib.asynccontextmanager
async def site(folder: Path, on_call: OnCall | None = None, config: AgentConfig | None = None) -> AsyncIterator[Site]:
    """An agent on a free port with the trunks of a folder."""
    engine = MediaEngine("127.0.0.1", FIRST_RTP, LAST_RTP)
    engine.start()
    place = Site()
    place.book = TrunkRegistry(folder, on_event=place.on_event, poll_s=0.1)
    place.agent = UserAgent(
        config or AgentConfig(port=0, open=False), engine, on_call, trunks=place.book, on_event=place.on_event
    )
    await place.agent.start()
    try:
        yield place
    finally:
        await place.agent.stop()
        engine.stop()


def example(name: str, folder: Path, changes: Mapping[str, str]) -> Path:
    """One of the example files with other addresses; each has to be there. Returns the new file."""
    path = folder / f"{name}.yaml"
    shutil.copy(EXAMPLES / path.name, path)
    edit(path, *changes.items())
    return path


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace words in a file; each has to be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is not in {path}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def kamailio(folder: Path, address: str, port: int) -> list[str]:
    """The command that runs `provider.cfg` in the foreground."""
    config = folder / "kamailio.cfg"
    shutil.copy(Path(__file__).with_name("provider.cfg"), config)
    edit(config, ("ADDRESS", address), ("PORT", str(port)))
    return ["kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(folder), "-f", str(config)]


@contextlib.asynccontextmanager
async def provider(
    folder: Path, port: int, tls: tuple[int, Path, Path] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Kamailio as `provider.cfg` describes it.

    Args:
        folder: for its files.
        port: has to be free for UDP and TCP.
        tls: another port, certificate and key.
    """
    words = [*kamailio(folder, "127.0.0.1", port), "-A", "WITH_IPV6"]
    if tls is not None:
        edit(folder / "kamailio.cfg", *zip(("TLSP", "CERTIFICATE", "KEYFILE"), map(str, tls), strict=True))
        words += ["-A", "WITH_TLS"]
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,
    )
    try:
        for transport in ("udp", "tcp"):
            await listening(port, transport, process)
        yield process
    finally:
        await crash(process)


async def crash(process: asyncio.subprocess.Process) -> None:
    """End it and its children without a farewell."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
