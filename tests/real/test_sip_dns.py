"""Finding servers with a real DNS: dnsmasq with NAPTR, SRV and both families, dead nameservers, dead servers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import cast

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from telephony.sip import dns_client, resolve
from telephony.sip.endpoint import Endpoint, ListenConfig
from telephony.sip.message import parse_uri

from .answering import answering, ask
from .programs import free_port
from .siprun import listening as is_listening

pytestmark = pytest.mark.peer("dnsmasq")

RECORDS = [
    "--naptr-record=carrier.test,10,10,s,SIPS+D2T,,_sips._tcp.carrier.test",
    "--naptr-record=carrier.test,20,10,s,SIP+D2U,,_sip._udp.carrier.test",
    "--srv-host=_sips._tcp.carrier.test,one.carrier.test,5081,10,10",
    "--srv-host=_sip._udp.carrier.test,two.carrier.test,5082,20,10",
    "--srv-host=_sip._udp.carrier.test,one.carrier.test,5080,10,10",
    "--host-record=one.carrier.test,127.0.0.1,::1",
    "--host-record=two.carrier.test,127.0.0.2",
    "--host-record=plain.test,127.0.0.3",
]


@contextlib.asynccontextmanager
async def dnsmasq(*records: str, ttl_s: int = 60) -> AsyncIterator[str]:
    """A name server for the zone ``test``. Yields ``host:port``."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
        f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/", "--user=root",
        f"--local-ttl={ttl_s}", *records,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await is_listening(port, "tcp", process)
        yield f"127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def listening(*nameservers: str, hosts: tuple[str, ...] = ("127.0.0.1", "::1")) -> ListenConfig:
    return ListenConfig(hosts, 0, nameservers=nameservers)


async def hops(endpoint: Endpoint, uri: str) -> list[str]:
    return [str(hop) for hop in await endpoint.resolve(parse_uri(uri))]


async def test_naptr_srv_and_both_families_lead_to_hops_in_order() -> None:
    async with dnsmasq(*RECORDS) as server, answering(listening(server)) as (endpoint, _):
        assert await hops(endpoint, "sip:bot@carrier.test") == [
            "tls:127.0.0.1:5081",
            "tls:[::1]:5081",
            "udp:127.0.0.1:5080",
            "udp:[::1]:5080",
            "udp:127.0.0.2:5082",
        ]
        assert await hops(endpoint, "sips:bot@carrier.test") == ["tls:127.0.0.1:5081", "tls:[::1]:5081"]
        assert await hops(endpoint, "sip:plain.test") == ["udp:127.0.0.3:5060"]
        (hop, _) = await endpoint.resolve(parse_uri("sips:bot@carrier.test"), "trunk")
        assert (hop.name, hop.profile) == ("carrier.test", "trunk")
        with pytest.raises(OSError, match=r"nobody\.test has no address"):
            await endpoint.resolve(parse_uri("sip:nobody.test"))


async def test_ipv6_comes_first_where_we_listen_on_it_first_and_not_at_all_where_we_do_not() -> None:
    async with dnsmasq(*RECORDS) as server:
        async with answering(listening(server, hosts=("::1", "127.0.0.1"))) as (endpoint, _):
            assert (await hops(endpoint, "sips:carrier.test"))[0] == "tls:[::1]:5081"
        async with answering(listening(server, hosts=("127.0.0.1",))) as (endpoint, _):
            assert await hops(endpoint, "sips:carrier.test") == ["tls:127.0.0.1:5081"]


async def test_the_second_server_of_srv_is_asked_when_the_first_is_dead_and_first_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telephony.sip.transaction_state_tables.TIMEOUT_S", 1000)  # so silence would not be enough
    async with answering(ListenConfig(("127.0.0.1",), 0)) as (alive, _):
        dead = free_port()
        records = [
            f"--srv-host=_sip._udp.pair.test,a.pair.test,{dead},10,10",
            f"--srv-host=_sip._udp.pair.test,a.pair.test,{alive.port},20,10",
            "--host-record=a.pair.test,127.0.0.1",
        ]
        async with dnsmasq(*records) as server, answering(listening(server)) as (endpoint, _):
            first, second = await endpoint.resolve(parse_uri("sip:pair.test;transport=udp"))
            assert (first.port, second.port) == (dead, alive.port)
            assert [await ask(endpoint, hop) for hop in (first, second)] == [503, 200]
            assert await hops(endpoint, "sip:pair.test") == [str(second), str(first)]


async def test_answers_are_kept_as_long_as_their_ttl_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "QUESTION_S", 0.4)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(dnsmasq(*RECORDS, ttl_s=60))
        async with answering(listening(server)) as (endpoint, _):
            before = await hops(endpoint, "sip:carrier.test")
            await stack.aclose()
            assert await hops(endpoint, "sip:carrier.test") == before
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(dnsmasq(*RECORDS, ttl_s=0))
        async with answering(listening(server)) as (endpoint, _):
            await hops(endpoint, "sip:carrier.test")
            await stack.aclose()
            with pytest.raises(OSError, match=r"no nameserver|within"):
                await hops(endpoint, "sip:carrier.test")


async def test_a_dead_nameserver_is_passed_over_and_a_silent_one_ends_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "QUESTION_S", 0.6)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        mute = f"127.0.0.1:{silent.getsockname()[1]}"
        async with dnsmasq(*RECORDS) as server:
            async with answering(listening(f"127.0.0.1:{free_port()}", server)) as (endpoint, _):
                assert await hops(endpoint, "sip:plain.test:5070") == ["udp:127.0.0.3:5070"]
            async with answering(listening(mute, server)) as (endpoint, _):
                assert await hops(endpoint, "sip:plain.test:5070") == ["udp:127.0.0.3:5070"]
        async with answering(listening(mute)) as (endpoint, _):
            with pytest.raises(OSError, match=r"no nameserver answered for .*plain\.test .* within 0.6 s"):
                await endpoint.resolve(parse_uri("sip:plain.test"))


class NoNaptr(asyncio.DatagramProtocol):
    """A forwarder that drops NAPTR questions, and knows one address for everything."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.dropped = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        kind = query.question[0].rdtype
        if kind == dns.rdatatype.NAPTR:
            self.dropped += 1
            return
        answer = dns.message.make_response(query)
        if kind == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 0, "IN", "A", "127.0.0.5"))
        self.transport.sendto(answer.to_wire(), addr)


async def test_a_forwarder_that_drops_naptr_costs_time_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "QUESTION_S", 0.3)
    loop = asyncio.get_running_loop()
    transport, forwarder = await loop.create_datagram_endpoint(NoNaptr, local_addr=("127.0.0.1", 0))
    async with answering(listening(f"127.0.0.1:{transport.get_extra_info('sockname')[1]}")) as (endpoint, _):
        assert await hops(endpoint, "sip:plain.test") == ["udp:127.0.0.5:5060"]
        asked = forwarder.dropped
        assert asked
        assert await hops(endpoint, "sip:plain.test") == ["udp:127.0.0.5:5060"]
        assert forwarder.dropped == asked, "nothing is asked that has to be waited for"
    transport.close()


async def test_the_limit_holds_for_all_questions_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "TOTAL_S", 0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with answering(listening(f"127.0.0.1:{silent.getsockname()[1]}")) as (endpoint, _):
            started_s = time.monotonic()
            with pytest.raises(OSError, match=r"the DNS gave no answer for plain.test within 0.5 s"):
                await endpoint.resolve(parse_uri("sip:plain.test"))
            assert time.monotonic() - started_s < 1
