"""Hosts in network namespaces around one router; one of them behind a NAT, over a line that can be made bad.

            bot 10.77.1.2                 the server under test
             │
  proxy ── router ── desk 10.77.3.2       desk: a phone with an address of its own
10.77.2.2    │ NAT
            line (TUN, `lab.line`)        loses and delays as `Line` says
             │
           phone 192.168.77.2             sees the others, is seen as 10.77.1.1, 10.77.2.1, 10.77.3.1

Needs root, ip, and iptables. Namespaces carry the process number, so that two runs do not meet.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOSTS = {"bot": "10.77.1", "proxy": "10.77.2", "desk": "10.77.3"}
PHONE = "192.168.77.2"


@dataclass(frozen=True)
class Line:
    """What the line to the phone does to each packet, in either direction."""

    loss_percent: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Uniform, plus or minus, so packets may overtake one another (what netem's ``delay D J`` does)."""


class Lab:
    """The running network. Made by `lab`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack = contextlib.ExitStack()

    def address(self, host: str) -> str:
        """Of a host; the phone's is private."""
        return PHONE if host == "phone" else f"{HOSTS[host]}.2"

    def nat_address(self, towards: str) -> str:
        """How `towards` sees the phone."""
        return f"{HOSTS[towards]}.1"

    def namespace(self, host: str) -> str:
        """As ``ip netns`` knows it."""
        return f"{self._name}-{host}"

    def command(self, host: str, *words: str) -> list[str]:
        """The command line that runs `words` on a host."""
        return ["ip", "netns", "exec", self.namespace(host), *words]

    def run(self, host: str, *words: str, timeout_s: float = 30) -> str:
        """Run to the end on a host. Returns what it printed; raises CalledProcessError."""
        done = subprocess.run(self.command(host, *words), check=True, capture_output=True, text=True, timeout=timeout_s)
        return done.stdout

    def start(self, host: str, *words: str, log: Path | None = None, **more: object) -> subprocess.Popen[bytes]:
        """Start on a host; ended with the lab, its output in `log`."""
        out = self._stack.enter_context(log.open("wb")) if log is not None else subprocess.DEVNULL
        process = subprocess.Popen(
            self.command(host, *words), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more
        )  # type: ignore[call-overload]
        self._stack.callback(end, process)
        return process

    def build(self, line: Line) -> None:
        """Lay all cables."""
        for host in ("router", "phone", *HOSTS):
            _ip("netns", "add", self.namespace(host))
            self._stack.callback(_ip, "netns", "del", self.namespace(host))
            self.run(host, "ip", "link", "set", "lo", "up")
        for number, (host, net) in enumerate(HOSTS.items()):
            inside, outside = f"vb{os.getpid() % 100000}i{number}", f"vb{os.getpid() % 100000}o{number}"
            _ip("link", "add", inside, "netns", self.namespace(host), "type", "veth",
                "peer", "name", outside, "netns", self.namespace("router"))  # fmt: skip
            self._plug(host, inside, f"{net}.2/24")
            self._plug("router", outside, f"{net}.1/24")
            self.run(host, "ip", "route", "add", "default", "via", f"{net}.1")
        words = [str(value) for value in (line.loss_percent, line.delay_ms, line.jitter_ms)]
        names = [self.namespace("phone"), self.namespace("router")]
        wire = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("line.py")), *names, *words], stdout=subprocess.PIPE
        )
        self._stack.callback(end, wire)
        assert wire.stdout is not None and wire.stdout.readline() == b"up\n"
        wire.stdout.close()
        self._plug("phone", "line", "192.168.77.2/24")
        self._plug("router", "line", "192.168.77.1/24")
        self.run("phone", "ip", "route", "add", "default", "via", "192.168.77.1")
        self.run("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.run("router", "iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.77.0/24", "!", "-o", "line",
                 "-j", "MASQUERADE", "--random")  # fmt: skip
        # What nobody behind the NAT asked for does not come in.
        self.run("router", "iptables", "-A", "FORWARD", "-o", "line", "-m", "conntrack", "!", "--ctstate",
                 "ESTABLISHED,RELATED", "-j", "DROP")  # fmt: skip

    def _plug(self, host: str, device: str, address: str) -> None:
        self.run(host, "ip", "address", "add", address, "dev", device)
        self.run(host, "ip", "link", "set", device, "up")

    def close(self) -> None:
        """End what was started, last first, and take the network down."""
        self._stack.close()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def end(process: subprocess.Popen[bytes], patience_s: float = 8.0) -> None:
    """SIGTERM, then SIGKILL."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


@contextlib.contextmanager
def lab(line: Line | None = None) -> Iterator[Lab]:
    """The network, for as long as the block runs."""
    net = Lab(f"vb{os.getpid()}")
    try:
        net.build(line or Line())
        yield net
    finally:
        net.close()
