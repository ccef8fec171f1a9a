"""How the server is installed: its systemd unit, its Containerfile, and what it tells whoever runs it as a service."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.real.plain_phone import phone, placed
from tests.real.server import START_S
from voicebot.commands.serve import DRAIN_S, LEAVE_S
from voicebot.paths import ROOT

DEPLOY = ROOT / "docs" / "deploy"
UNIT = DEPLOY / "voicebot.service"
INSTALLED = "/opt/voicebot/.venv/bin/voicebot"
MAX_EXPOSURE = 2.0
"""Of 10, by `systemd-analyze security`."""
HANGING = """
import asyncio, sys, time
from voicebot import cli
from voicebot.app import App
start = App.start
async def start_and_hang(self):
    await start(self)
    asyncio.get_running_loop().call_later(4, time.sleep, 60)
App.start = start_and_hang
sys.exit(cli.main(sys.argv[1:]))
"""
"""A server whose event loop hangs four seconds after it is ready."""


# ── the files ──


@pytest.mark.peer("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_could_do(tmp_path: Path) -> None:
    unit = tmp_path / "voicebot.service"
    unit.write_text(UNIT.read_text().replace(INSTALLED, "/bin/true"))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit]
    security = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    exposure = re.search(r"exposure level for voicebot.service: ([\d.]+)", security)
    assert exposure and float(exposure[1]) <= MAX_EXPOSURE


def test_the_unit_waits_longer_than_the_server_gives_its_calls() -> None:
    text = UNIT.read_text()
    (stop_min,) = re.findall(r"^TimeoutStopSec=(\d+)min$", text, re.MULTILINE)
    assert int(stop_min) * 60 >= DRAIN_S + 30
    assert {"Type=notify", "WatchdogSec=30", "Restart=on-failure", "NoNewPrivileges=yes"} <= set(text.splitlines())


@pytest.mark.peer("hadolint")
def test_the_linter_finds_nothing_wrong_with_the_containerfile() -> None:
    linted = subprocess.run(["hadolint", DEPLOY / "Containerfile"], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_container_runs_as_nobody_and_leaves_out_what_git_does() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    user = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert user and user[-1][0] != "0"
    assert "/readyz" in text and "models pull" in text and "VOLUME /data" in text
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("*")}
    left_out = (DEPLOY / "Containerfile.containerignore").read_text().replace("**/", "").split()
    assert ignored - {line.strip("/") for line in left_out} == set()


# ── the running server ──


class Systemd:
    """The socket that systemd has for a service, and what came by it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.messages: list[tuple[float, str]] = []

    def close(self) -> None:
        self._socket.close()

    def listen(self, until: str, limit_s: float) -> bool:
        """Until a message matches; False when none did in time."""
        ends_s = time.monotonic() + limit_s
        while (left_s := ends_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                return False
            self.messages.append((time.monotonic(), message))
            if re.fullmatch(until, message):
                return True
        return False

    @property
    def said(self) -> list[str]:
        return [message for _, message in self.messages]


@contextlib.contextmanager
def service(
    tmp_path: Path, *program: str, options: Sequence[str] = (), watchdog_s: float = 3.0
) -> Iterator[tuple[Systemd, subprocess.Popen[str]]]:
    """The demo as systemd starts it, with its log in ``log``."""
    systemd = Systemd(tmp_path)
    environ = {**os.environ, "NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
    command = [sys.executable, *program, "demo", "--sip-port", "0", "--http-port", "0", "--data", str(tmp_path / "d")]
    command += options
    with (tmp_path / "log").open("w") as log, (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=log, env=environ, text=True)
        try:
            yield systemd, process
        finally:
            process.kill()
            process.wait()
            systemd.close()


def ports(tmp_path: Path) -> tuple[int, int]:
    """SIP and HTTP, from the banner."""
    banner = (tmp_path / "out").read_text()
    sip, http = re.search(r"sip:127\.0\.0\.1:(\d+)", banner), re.search(r"http://127\.0\.0\.1:(\d+)/", banner)
    assert sip and http
    return int(sip[1]), int(http[1])


@pytest.mark.models
def test_systemd_hears_of_readiness_calls_life_and_the_end(tmp_path: Path) -> None:
    with service(tmp_path, "-m", "voicebot") as (systemd, process):
        assert systemd.listen("STATUS=ready: 0 calls", START_S)
        assert systemd.said.index("STATUS=loading dialogs and models") < systemd.said.index("READY=1")
        sip, http = ports(tmp_path)
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz") as answer:
            assert json.load(answer)["ready"]

        async def call() -> None:
            async with phone(23_000) as agent:
                leg = await placed(agent, f"sip:demo@127.0.0.1:{sip}")
                assert await asyncio.to_thread(systemd.listen, "STATUS=ready: 1 call", 20)
                await leg.hang_up()

        asyncio.run(call())
        assert systemd.listen("STATUS=ready: 0 calls", 20)
        beats = [at_s for at_s, message in systemd.messages if message == "WATCHDOG=1"]
        assert max(b - a for a, b in itertools.pairwise(beats)) < 3.0
        process.send_signal(signal.SIGTERM)
        assert systemd.listen("STOPPING=1", 20)
        assert process.wait(30) == 0


@pytest.mark.models
def test_a_hung_event_loop_gives_no_sign_of_life_and_its_abortion_leaves_its_stack_in_the_log(tmp_path: Path) -> None:
    with service(tmp_path, "-c", HANGING) as (systemd, process):
        assert systemd.listen("READY=1", START_S)
        while systemd.listen("WATCHDOG=1", 3.0):  # as systemd does with WatchdogSec=3
            pass
        assert process.poll() is None
        process.send_signal(signal.SIGABRT)  # WatchdogSignal=
        assert process.wait(20) == -signal.SIGABRT
        log = (tmp_path / "log").read_text()
    assert "Fatal Python error: Aborted" in log
    assert "asyncio/events.py" in log  # the main thread was in a callback of the loop


@pytest.mark.models
def test_a_disk_that_hangs_while_routes_are_read_again_delays_no_stop(tmp_path: Path) -> None:
    """A pipe that nobody writes to is read as a disk that does not answer."""
    text = (ROOT / "voicebot.yaml").read_text().replace("dialogs/", f"{ROOT}/dialogs/")
    routes = tmp_path / "routes.yaml"
    routes.write_text((ROOT / "dialogs" / "northwind.routes.yaml").read_text())
    (tmp_path / "voicebot.yaml").write_text(re.sub(r"# routes: \S+", f"routes: {routes}", text))
    options = ("--config", str(tmp_path / "voicebot.yaml"))
    with service(tmp_path, "-m", "voicebot", options=options) as (systemd, process):
        assert systemd.listen("READY=1", START_S)
        routes.unlink()
        os.mkfifo(routes)
        process.send_signal(signal.SIGHUP)
        time.sleep(3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LEAVE_S + 20) == 0
        routes.unlink()
        assert "Traceback" not in (tmp_path / "log").read_text()
