"""Ports that cannot be opened are named before anything is loaded, all of them in one line."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from voicebot import cli
from voicebot.config import Config, load
from voicebot.errors import VoicebotError
from voicebot.gateway.ports import check_ports
from voicebot.paths import ROOT

KIND = {"UDP": socket.SOCK_DGRAM, "TCP": socket.SOCK_STREAM}


@contextlib.contextmanager
def held(kind: str, port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    """Somebody has a port; a free one when none is named."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, KIND[kind]) as one:
        one.bind((host, port))
        if kind == "TCP":
            one.listen()
        yield one.getsockname()[1]


def configured(**sections: dict[str, Any]) -> Config:
    base = load(ROOT / "voicebot.yaml").model_dump()
    base["sip"]["port"] = base["http"]["port"] = 0
    for name, values in sections.items():
        base[name] |= values
    return Config.model_validate(base)


def told(config: Config) -> str:
    with pytest.raises(VoicebotError) as refused:
        check_ports(config)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_free_ports_and_those_that_may_be_any_are_in_order() -> None:
    check_ports(configured())


@pytest.mark.parametrize("kind", ["UDP", "TCP"])
def test_a_sip_port_that_is_taken_is_named_with_its_kind_and_the_key_of_the_configuration(kind: str) -> None:
    with held(kind) as port:
        assert told(configured(sip={"port": port})) == (
            f"cannot listen: SIP port {port} ({kind}) on 127.0.0.1 is taken by another program — "
            "stop what uses it (ss -lunpt shows it), or choose another port (sip: port)"
        )


def test_the_tls_port_is_looked_at_too() -> None:
    with held("TCP") as port:
        words = told(configured(sip={"tls": {"port": port, "cert": "/no.pem", "key": "/no.pem"}}))
    assert f"SIP port {port} (TLS) on 127.0.0.1 is taken" in words and "(sip: tls: port)" in words


def test_all_that_are_taken_stand_in_one_line() -> None:
    with held("UDP") as sip, held("TCP") as http, held("UDP") as rtp:
        first = rtp - rtp % 2
        words = told(
            configured(
                sip={"port": sip}, http={"port": http}, rtp={"first_port": first, "last_port": first + 1}
            )
        )  # fmt: skip
    assert f"SIP port {sip} (UDP) on 127.0.0.1 is taken by another program; " in words
    assert f"no two neighbouring RTP ports from {first} to {first + 1} (UDP) are free on 127.0.0.1; " in words
    assert f"HTTP port {http} on 127.0.0.1 is taken by another program — " in words
    assert words.endswith("(sip: port, rtp: first_port, last_port, http: port)")


def test_one_rtp_port_of_many_that_is_taken_is_no_fault() -> None:
    with held("UDP") as port:
        first = min(port - port % 2, 65_000)
        check_ports(configured(rtp={"first_port": first, "last_port": first + 41}))


@pytest.mark.parametrize(
    ("sections", "key"),
    [({"sip": {"listen": "192.0.2.1"}}, "sip: listen"), ({"http": {"listen": "192.0.2.1"}}, "http: listen")],
)
def test_an_address_that_is_not_ours_has_a_remedy_of_its_own(sections: dict[str, Any], key: str) -> None:
    if key == "http: listen":
        sections["http"]["port"] = 8080
    else:
        sections["sip"]["port"] = 5060
    words = told(configured(**sections))
    assert "on 192.0.2.1 cannot be opened (Cannot assign requested address)" in words
    assert words.endswith(f"listen on an address of this machine (ip address shows them; {key})")
    assert "RTP" not in words


def test_each_of_several_addresses_is_looked_at() -> None:
    with held("UDP", host="127.0.0.2") as port:
        config = configured(sip={"listen": ["127.0.0.1", "::1"], "port": port})
        check_ports(config)
    with held("TCP", host="::1") as port:
        assert f"SIP port {port} (TCP) on ::1 is taken" in told(
            configured(sip={"listen": ["127.0.0.1", "::1"], "port": port})
        )


def test_serve_prints_one_line_and_no_traceback_and_does_not_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with held("UDP") as sip, held("TCP") as http:
        path = tmp_path / "voicebot.yaml"
        flow = f"{ROOT}/dialogs/northwind"
        path.write_text(
            f"flow: {flow}.yaml\nactions: {flow}.actions.yaml\nsip: {{port: {sip}}}\nhttp: {{port: {http}}}\n"
            f"record: {{database: 'sqlite:///{tmp_path}/calls.db'}}\n"
        )
        assert cli.main(["serve", "-c", str(path)]) == 2
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"voicebot: cannot listen: SIP port {sip} (UDP) on 127.0.0.1 is taken") and not out
    assert not (tmp_path / "calls.db").exists()
