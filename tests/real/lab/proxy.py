"""Kamailio, with rtpengine beside it if wanted, on the lab's proxy host."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.real.lab.net import Lab

CONFIG = Path(__file__).with_name("kamailio.cfg")
START_S = 30.0


def start(lab: Lab, folder: Path, port: int, *, rtpengine: bool = False) -> str:
    """Start a proxy; returns its URI when it answers. Its logs are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    address = lab.address("proxy")
    options: list[str] = []
    if rtpengine:
        lab.start(
            "proxy", "rtpengine", f"--interface={address}", "--listen-ng=127.0.0.1:2223", "--table=-1", "--foreground",
            "--log-stderr", "--port-min=40000", "--port-max=40400", f"--pidfile={folder}/rtpengine.pid",
            log=folder / "rtpengine.log",
        )  # fmt: skip
        _until(lambda: "2223" in lab.run("proxy", "ss", "-Huln"), "rtpengine")
        options = ["-A", "WITH_RTPENGINE"]
    text = (
        CONFIG.read_text()
        .replace("LAB_ADDRESS", address)
        .replace("LAB_BOT", lab.address("bot"))
        .replace("LAB_PORT", str(port))
    )
    (folder / "kamailio.cfg").write_text(text)
    kamailio = shutil.which("kamailio") or "/usr/sbin/kamailio"
    lab.start(
        "proxy", kamailio, "-DD", "-E", "-f", str(folder / "kamailio.cfg"), "-m", "32", "-M", "4", "-w", str(folder),
        "-Y", str(folder), *options, log=folder / "kamailio.log",
    )  # fmt: skip
    _until(lambda: f"{address}:{port}" in lab.run("proxy", "ss", "-Hltn"), "kamailio")
    return f"sip:demo@{address}:{port}"


def _until(ready: Callable[[], bool], what: str) -> None:
    ends_s = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > ends_s:
            raise AssertionError(f"{what} does not start")
        time.sleep(0.1)
