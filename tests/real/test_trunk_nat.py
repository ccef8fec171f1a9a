"""A registered trunk behind a NAT that forgets quickly: the log says how we are seen, and keepalives let calls in."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from .lab.net import Lab, lab
from .trunkrun import example, kamailio

pytestmark = [
    pytest.mark.peer("kamailio", "sipp", "ip", "iptables"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

FORGETS_S = 2


def until(log: Path, words: str, patience_s: float = 20.0) -> str:
    """Wait for a line that has these words."""
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        for line in log.read_text().splitlines():
            if words in line:
                return line
        time.sleep(0.05)
    raise AssertionError(f"no {words!r} in {log.read_text()!r}")


def rings(net: Lab) -> bool:
    """Whether a call from the desk over the provider reaches us."""
    words = ["sipp", "-sn", "uac", "-s", "+49301234", "-m", "1", "-nostdin", "-recv_timeout", "5000", "-timeout", "10"]
    caller = net.start("desk", *words, "-i", net.address("desk"), f"{net.address('proxy')}:5060")
    return caller.wait(40) == 0


@pytest.mark.parametrize("keepalive_s", [1, 0])
def test_calls_come_through_a_nat_as_long_as_it_is_kept_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keepalive_s: int
) -> None:
    monkeypatch.setenv("ACME_PASSWORD", "secret")
    folder = tmp_path / "trunks"
    folder.mkdir()
    with lab() as net:
        for name in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
            net.run("router", "sysctl", "-qw", f"net.netfilter.{name}={FORGETS_S}")
        changes = {
            "    - sip-backup.example.net\n": "",
            "- sip.example.net": f"- {net.address('proxy')}",
            "domain: example.net": f"domain: {net.address('proxy')}",
            "keepalive_s: 25": f"keepalive_s: {keepalive_s}",
        }
        example("provider", folder, changes)
        net.start("proxy", *kamailio(tmp_path, net.address("proxy"), 5060), log=tmp_path / "kamailio.log")
        log = tmp_path / "bot.log"
        words = [sys.executable, "-m", "tests.real.natbot", str(folder), net.address("phone")]
        net.start("phone", *words, log=log, cwd=Path(__file__).parents[2])
        until(log, "state registered")
        assert f"sees us at {net.nat_address('proxy')}:" in until(log, "sees us")
        time.sleep(2 * FORGETS_S)
        assert rings(net) is (keepalive_s > 0)
        if keepalive_s:
            assert until(log, "call ").endswith(" provider")
