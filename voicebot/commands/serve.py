"""``voicebot serve``: the server, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from telephony import descriptors
from telephony.sip.hop import bracketed
from voicebot import config as configuration
from voicebot import log
from voicebot.app import App
from voicebot.commands.service_manager import ServiceManager, notifier, watchdog_s
from voicebot.config import Config
from voicebot.gateway.ports import cannot_listen, check_ports
from voicebot.journal.redaction import protect_logs

_log = log.get(__name__)
DRAIN_S = 60.0
"""SIGTERM: live calls get this long before they are hung up (acceptance.md, 24)."""
LEAVE_S = 5.0
"""After an ordered stop: a thread that still waits for a disk (Python would wait for it, too) is left behind then."""
SWITCH_S = 0.001
"""Threads change places this often, so that the media thread is never long without the interpreter."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("serve", help="answer calls", description="Answer calls until SIGTERM or Ctrl-C.")
    cmd.add_argument("-c", "--config", type=Path, required=True, help="configuration file (voicebot.yaml)")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the server. Returns 0 after an ordered stop."""
    return run(configuration.load(args.config))


def run(config: Config, hints: list[str] | None = None) -> int:
    """Load, start, say what is running, and serve until a signal."""
    log.setup(config.log.level, config.log.format)
    protect_logs()
    sys.setswitchinterval(SWITCH_S)
    descriptors.raise_limit()
    faulthandler.enable()  # systemd aborts a server whose loop hangs: then its log says where
    begun = time.monotonic()
    check_ports(config)
    tell = notifier()
    tell("STATUS=loading dialogs and models")
    app = App(config, hints)
    manager = ServiceManager(tell, app.web.parts, lambda: app.active_calls, watchdog_s(os.environ))
    leave = threading.Timer(LEAVE_S, os._exit, (0,))
    leave.daemon = True
    try:
        return asyncio.run(_serve(app, manager, begun, leave.start))
    finally:
        leave.cancel()


async def _serve(app: App, manager: ServiceManager, begun: float, on_end: Callable[[], None]) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(_on_fault, app))
    told: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.put_nowait, number)
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(app))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        await app.start()
    except OSError as error:  # somebody has taken a port while we loaded
        await app.stop()
        raise cannot_listen([error]) from error
    manager.start()
    print(banner(app, time.monotonic() - begun), flush=True)
    first = await told.get()
    manager.stopping()
    grace_s = DRAIN_S if first is signal.SIGTERM else 0.0
    stopping = asyncio.create_task(app.stop(grace_s))
    again = asyncio.create_task(told.get())
    await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if not stopping.done():  # a second signal: no more waiting
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await app.stop(0.0)
    await manager.stop()
    on_end()
    return 0


def _on_fault(app: App, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Faults that no task has: the web server cannot accept a connection, among others."""
    if descriptors.is_exhaustion(context.get("exception")):
        descriptors.tell()
        app.web.make_room()
    else:
        loop.default_exception_handler(context)


async def _reload(app: App) -> None:
    """SIGHUP: trunks and routes anew, without touching live calls."""
    problems = await app.gateway.reload()
    for problem in problems:
        _log.error("not reloaded", extra={"problem": str(problem)})
    if not problems:
        _log.info("trunks and routes were read again")


def banner(app: App, seconds: float) -> str:
    """The lines that say what is listening, with which engines, and what to try."""
    config, services = app.config, app.services
    phones = ", ".join(f"sip:{bracketed(host)}:{app.agent.port}" for host in config.sip.addresses) + " (UDP and TCP)"
    if config.sip.tls is not None:
        phones += f" and port {app.agent.tls_port} (TLS)"
    lines = [
        f"voicebot is ready after {seconds:.1f} s: flow {app.flow.flow.name!r} from {config.flow.name}",
        f"  phone    {phones}, audio from port {config.rtp.first_port}",
        f"  browser  http://{config.http.from_here}:{app.web.port}/",
        f"  engines  hears with {services.speech_input.engine_name}, speaks with {services.synthesizer.voice_name}",
    ]
    if services.synthesizer.advice:
        lines.append(f"           {services.synthesizer.advice}")
    trunks = [trunk.name for trunk in app.gateway.trunks.all()]
    if trunks:
        others = "others may call too" if config.sip.takes_strangers else "nobody else may call"
        lines.insert(2, f"  trunks   {', '.join(trunks)}; {others}")
    if app.hints:
        lines.append("  try      " + "; ".join(app.hints))
    return "\n".join(lines)
