"""We as a carrier's customer: Kamailio with TLS, found by SRV, wants our certificate and answers keepalives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from string import Template

import pytest

from telephony.sip import connection, transport
from telephony.sip.endpoint import Endpoint, TlsClient
from telephony.sip.hop import Hop
from telephony.sip.message import parse_uri
from tests.certificates import Authority

from .answering import answering, ask
from .programs import free_port, until
from .siprun import listening as is_listening
from .test_sip_dns import dnsmasq, listening

pytestmark = pytest.mark.peer("kamailio", "dnsmasq")


def modules() -> Path:
    """Where Debian has Kamailio's modules."""
    return next(Path("/usr/lib").glob("*/kamailio/modules"))


@contextlib.asynccontextmanager
async def kamailio(folder: Path) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """Kamailio as `tls_server.cfg` says, with the certificates in `folder`. Yields its port and process group."""
    port = free_port()
    text = Template((Path(__file__).parent / "tls_server.cfg").read_text())
    config = folder / "kamailio.cfg"
    config.write_text(text.substitute(HERE=folder, PORT=port, MODULES=modules()))
    program = shutil.which("kamailio") or "kamailio"
    arguments = ["-DD", "-E", "-f", str(config), "-w", str(folder), "-Y", str(folder), "-m", "32", "-M", "8"]
    with (folder / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdout=log, stderr=log, start_new_session=True
        )
    try:
        await is_listening(port, "tcp", process)
        yield port, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def carrier(folder: Path) -> AsyncIterator[tuple[Endpoint, Hop, asyncio.subprocess.Process]]:
    """Kamailio as carrier.test, and an endpoint whose profile ``carrier`` has what it wants."""
    authority = Authority(folder)
    authority.issue("server", uris=["sip:carrier.test"], dns=["sbc1.carrier.test"])
    ours = authority.issue("ours", dns=["bot.example"])
    async with kamailio(folder) as (port, process):
        records = [
            f"--srv-host=_sips._tcp.carrier.test,sbc1.carrier.test,{port},10,10",
            "--host-record=sbc1.carrier.test,127.0.0.1",
        ]
        async with dnsmasq(*records) as dns, answering(listening(dns)) as (endpoint, _):
            endpoint.profiles["carrier"] = TlsClient(authority.ca, *ours)
            endpoint.profiles["bare"] = TlsClient(authority.ca)
            (hop,) = await endpoint.resolve(parse_uri("sips:carrier.test"), "carrier")
            yield endpoint, hop, process


async def test_kamailio_lets_us_in_with_our_certificate_and_says_why_without(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (endpoint, hop, _):
        assert await ask(endpoint, hop, "sips:bot@carrier.test") == 200
        secured = endpoint.secured(hop)
        assert secured is not None
        assert (secured.version, secured.verified, secured.names[-1]) == ("TLSv1.3", True, "carrier.test")
        (bare,) = await endpoint.resolve(parse_uri("sips:carrier.test"), "bare")
        assert await ask(endpoint, bare) == 503
        assert endpoint.why(bare) == "the peer wants a certificate of ours (`cert` and `key`)"
        (other,) = await endpoint.resolve(parse_uri("sips:carrier.test"), "carrier", "another.test")
        assert await ask(endpoint, other) == 503
        assert endpoint.why(other) == "its certificate is for sbc1.carrier.test, carrier.test, not for another.test"
        assert await ask(endpoint, hop) == 200


async def test_a_kamailio_that_hangs_is_found_out_by_its_keepalives_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PONG_S", 0.5)
    monkeypatch.setattr(transport, "SWEEP_S", 0.05)
    deaths: list[str] = []
    async with carrier(tmp_path) as (endpoint, hop, process):
        endpoint.keep_alive(hop, 0.1, deaths.append)
        await until(lambda: any(one._pongs for one in endpoint._transport._pool.up.values()))
        os.killpg(process.pid, signal.SIGSTOP)
        await until(lambda: bool(deaths))
        assert deaths == ["keepalives are not answered any more"]
        os.killpg(process.pid, signal.SIGCONT)
        assert await ask(endpoint, hop) == 200
