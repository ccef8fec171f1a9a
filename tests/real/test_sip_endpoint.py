"""The sockets under SIP: several addresses, ICMP, keepalives, the gate and the trace, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest

from telephony.sip import connection, connection_pool, transport
from telephony.sip.endpoint import Endpoint, ListenConfig
from telephony.sip.hop import Hop

from .answering import Polite, answering, ask, assert_answers, options
from .programs import PATIENCE_S, free_port, until
from .siprun import wire
from .test_sip_wire import assert_alive

DUAL = ListenConfig(("127.0.0.1", "::1"), 0)


class Notes:
    """A trace that remembers, and a gate that turns 127.0.0.66 away."""

    def __init__(self) -> None:
        self.lines: list[tuple[bool, str, str, bytes]] = []
        self.asked: list[str] = []

    def note(self, outgoing: bool, hop: Hop, local: str, data: bytes) -> None:
        self.lines.append((outgoing, str(hop), local, data[:7]))

    def refused(self, hop: Hop, local: str, data: bytes, why: str) -> None:
        self.lines.append((False, str(hop), local, why.encode()))

    def admits(self, host: str, now_s: float, data: bytes = b"") -> bool:
        self.asked.append(host)
        return host != "127.0.0.66"


async def silent_tcp_server(port: int = 0) -> tuple[asyncio.Server, list[asyncio.StreamWriter], list[bytes]]:
    """Takes everything, says nothing."""
    writers: list[asyncio.StreamWriter] = []
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                heard.append(data)
                if data == b"\r\n\r\n" and len(heard) == 1:
                    writer.write(b"\r\n")  # one pong, and never again
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", port)
    return server, writers, heard


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def test_one_number_serves_udp_and_tcp_on_ipv4_and_ipv6() -> None:
    async with answering(DUAL) as (server, user), answering(DUAL) as (endpoint, _):
        for host in ("127.0.0.1", "::1"):
            for protocol in ("udp", "tcp"):
                hop = Hop("udp" if protocol == "udp" else "tcp", host, server.port)
                assert await ask(endpoint, hop) == 200
                request, source = user.requests[-1]
                assert (source.protocol, source.host) == (protocol, host)
                shown = f"[{host}]" if ":" in host else host
                assert request.headers["Via"].startswith(f"SIP/2.0/{protocol.upper()} {shown}:{endpoint.port};")
                tail = "" if protocol == "udp" else ";transport=tcp"
                assert server.contact(source) == f"<sip:{shown}:{server.port}{tail}>"


async def test_a_port_that_is_taken_for_one_of_them_is_said_and_leaves_nothing_open() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.bind(("::1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        endpoint = Endpoint(ListenConfig(DUAL.hosts, port), "voicebot", Polite())
        with pytest.raises(OSError, match=rf"SIP port {port} \(TCP\) on ::1 is taken by another program"):
            await endpoint.start()
        await endpoint.close()
        async with answering(ListenConfig(("127.0.0.1",), port)):
            pass
    with pytest.raises(OSError, match="'localhost' is no address to listen on"):
        await Endpoint(ListenConfig(("localhost",), 0), "voicebot", Polite()).start()


async def test_with_two_addresses_of_a_family_the_one_that_was_asked_answers() -> None:
    async with answering(ListenConfig(("127.0.0.1", "127.0.0.2"), 0)) as (server, _):
        for n, host in enumerate(("127.0.0.2", "127.0.0.1")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                phone.bind(("127.0.0.9", 0))
                phone.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_sendto(phone, options(n, "UDP").replace(b"1:9;", b"1:9;rport;"), (host, server.port))
                data, address = await asyncio.wait_for(loop.sock_recvfrom(phone, 4096), PATIENCE_S)
            assert address == (host, server.port)
            assert f"Contact: <sip:{host}:{server.port}>".encode() in data


async def test_we_are_known_by_the_address_that_is_advertised_in_its_family_and_a_hop_has_its_own() -> None:
    listening = ListenConfig(DUAL.hosts, 0, advertise="198.51.100.7")
    async with answering(listening) as (endpoint, _):
        assert endpoint.local_host(Hop("udp", "127.0.0.1", 5060)) == "198.51.100.7"
        assert endpoint.local_host(Hop("udp", "::1", 5060)) == "::1"
        own = Hop("tcp", "127.0.0.1", 5060, advertise="203.0.113.1")
        assert endpoint.contact(own, "bot") == f"<sip:bot@203.0.113.1:{endpoint.port};transport=tcp>"
        assert endpoint.via(own) == f"TCP 203.0.113.1:{endpoint.port}"


# ── what cannot be reached ──


async def test_a_closed_udp_port_is_known_at_once_and_takes_no_other_request_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ICMP on the SIP socket (RFC 3261 section 18.4) fails the request that it quotes, and no other is lost by it."""
    monkeypatch.setattr("telephony.sip.transaction_state_tables.T1_S", 1000)  # so nothing is sent twice
    monkeypatch.setattr("telephony.sip.transaction_state_tables.TIMEOUT_S", 1000)
    async with answering(DUAL) as (server, _), answering(DUAL) as (endpoint, _):
        closed = free_port()
        for host in ("127.0.0.1", "::1"):
            dead, alive = Hop("udp", host, closed), Hop("udp", host, server.port)
            statuses = await asyncio.gather(*(ask(endpoint, hop) for _ in range(30) for hop in (dead, alive)))
            assert statuses == [503, 200] * 30
            assert endpoint.why(dead) == "nobody listens there (UDP)"
            assert endpoint.why(alive) == ""


async def test_an_icmp_message_that_quotes_nothing_of_ours_is_not_believed() -> None:
    async with answering() as (endpoint, _), wire(endpoint.port) as quiet:
        hop = Hop("udp", "127.0.0.1", quiet.port)
        asking = asyncio.create_task(ask(endpoint, hop))
        sent = (await quiet.receive("OPTIONS")).encode()
        branch = sent.split(b"branch=")[1].split(b"\r\n")[0]
        for quoted in (b"", b"\x80\x00", sent.replace(branch, b"z9hG4bKforged0000"), sent.replace(b"OPTIONS", b"BYE")):
            endpoint._transport._unreachable(hop, quoted, "forged")
        await asyncio.sleep(0.05)
        assert not asking.done()
        endpoint._transport._unreachable(hop, sent[:200], "true")
        assert await asking == 503


async def test_an_address_of_a_family_that_we_do_not_have_fails_in_words() -> None:
    async with answering() as (endpoint, _):
        hop = Hop("udp", "::1", 5060)
        assert await ask(endpoint, hop) == 503
        assert endpoint.why(hop) == "we have no IPv6 address to send from"
        refused = Hop("tcp", "127.0.0.1", 1)
        assert await ask(endpoint, refused) == 503
        assert "refused" in endpoint.why(refused) or "Connect call failed" in endpoint.why(refused)


@pytest.mark.parametrize(
    ("retry_after", "still_s"), [("Retry-After: 300 (maintenance)\r\n", 299), ("", 59), ("Retry-After: x\r\n", 59)]
)
async def test_a_server_that_says_503_is_tried_last_for_as_long_as_it_asks(retry_after: str, still_s: int) -> None:
    async with answering() as (endpoint, _), wire(endpoint.port) as busy:
        hop, other = Hop("udp", "127.0.0.1", busy.port), Hop("udp", "127.0.0.1", 9)
        for status, order in ((503, [other, hop]), (200, [hop, other])):
            asking = asyncio.create_task(ask(endpoint, hop))
            request = await busy.receive("OPTIONS")
            response = request.replace(request.split("\r\n")[0], f"SIP/2.0 {status} Words").replace("User-Agent", "X")
            busy.send(response.replace("Max-Forwards: 70\r\n", retry_after).encode())
            assert await asking == status
            now_s = asyncio.get_running_loop().time()
            assert endpoint._failed_hops.order([hop, other], now_s) == order
            assert endpoint._failed_hops.order([hop, other], now_s + still_s) == order
            assert endpoint._failed_hops.order([hop, other], now_s + still_s + 2) == [hop, other]


# ── connections ──


async def test_one_connection_carries_all_requests_of_a_route_both_ways() -> None:
    async with answering() as (server, user), answering() as (endpoint, other):
        hop = Hop("tcp", "127.0.0.1", server.port)
        assert await asyncio.gather(*(ask(endpoint, hop) for _ in range(10))) == [200] * 10
        assert len({source.connection for _, source in user.requests}) == 1
        back = user.requests[0][1]
        assert await ask(server, back) == 200  # down the connection that the peer opened
        assert other.requests[0][1].connection
        assert len(endpoint._transport._pool.up) == len(server._transport._pool.up) == 1


async def test_too_many_connections_push_out_the_quietest_that_never_said_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_pool, "MAX_CONNECTIONS", 10)
    async with answering() as (endpoint, _):
        useful = [await asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(5)]
        for n, (reader, writer) in enumerate(useful):
            writer.write(options(n, "TCP"))
            await assert_answers(reader, range(n, n + 1))
        idle = [await asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(50)]
        await until(lambda: len(endpoint._transport._pool.up) == 10)
        for n, (reader, writer) in enumerate(useful, 100):
            writer.write(options(n, "TCP"))
            await assert_answers(reader, range(n, n + 1))
        for _, writer in [*useful, *idle]:
            writer.close()


async def test_one_source_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "MAX_PER_SOURCE", 5)
    async with answering(ListenConfig(("127.0.0.1",), 0)) as (endpoint, _):
        other = await asyncio.open_connection("127.0.0.1", endpoint.port, local_addr=("127.0.0.7", 0))
        many = [await asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(20)]
        await until(lambda: len(endpoint._transport._pool.up) == 6)
        other[1].write(options(1, "TCP"))
        await assert_answers(other[0], range(1, 2))
        for _, writer in [other, *many]:
            writer.close()


# ── keepalives ──


async def test_keepalives_go_out_by_udp_until_they_are_cancelled() -> None:
    async with answering() as (endpoint, _), wire(endpoint.port) as peer:
        handle = endpoint.keep_alive(Hop("udp", "127.0.0.1", peer.port), 0.05)
        for _ in range(3):
            assert await asyncio.wait_for(peer.inbox.get(), PATIENCE_S) == b"\r\n\r\n"
        handle.cancel()
        await asyncio.sleep(0.01)
        while not peer.inbox.empty():
            peer.inbox.get_nowait()
        await asyncio.sleep(0.15)
        assert peer.inbox.empty()


async def test_a_flow_whose_peer_has_stopped_answering_keepalives_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5626 section 4.4.1, with a tenth of its times; what waits on the flow fails, the next keepalive opens it."""
    monkeypatch.setattr(connection, "PONG_S", 1.0)
    monkeypatch.setattr(transport, "SWEEP_S", 0.05)
    server, writers, heard = await silent_tcp_server()
    deaths: list[str] = []
    async with answering() as (endpoint, _):
        hop = Hop("tcp", "127.0.0.1", port_of(server))
        handle = endpoint.keep_alive(hop, 1.0, deaths.append)
        await until(lambda: bool(heard))  # and its one pong is on its way
        assert await ask(endpoint, hop) == 503
        assert deaths == ["keepalives are not answered any more"]
        assert endpoint.why(hop) == deaths[0]
        await until(lambda: len(writers) == 2)
        handle.cancel()
    server.close()


async def test_a_server_that_never_answers_keepalives_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many do not know RFC 5626; TCP itself finds out when they are gone."""
    monkeypatch.setattr(connection, "PONG_S", 0.1)
    monkeypatch.setattr(transport, "SWEEP_S", 0.02)
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            heard.append(data)
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    deaths: list[str] = []
    async with answering() as (endpoint, _):
        endpoint.keep_alive(Hop("tcp", "127.0.0.1", port_of(server)), 0.05, deaths.append)
        await until(lambda: len(b"".join(heard)) >= 4 * 8)
        assert not deaths
    server.close()


async def test_two_of_us_keep_a_flow_alive_with_pongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PONG_S", 0.8)
    monkeypatch.setattr(transport, "SWEEP_S", 0.02)
    deaths: list[str] = []
    async with answering() as (server, _), answering() as (endpoint, _):
        hop = Hop("tcp", "127.0.0.1", server.port)
        endpoint.keep_alive(hop, 0.05, deaths.append)
        await until(lambda: bool(endpoint._transport._pool.up))
        (mine,) = endpoint._transport._pool.up.values()
        await until(lambda: mine._pongs)
        await asyncio.sleep(2 * connection.PONG_S)
        assert not deaths
        assert list(endpoint._transport._pool.up.values()) == [mine]
        assert await ask(endpoint, hop) == 200


# ── gate, trace, end ──


async def test_the_gate_is_asked_before_anything_is_read_and_whom_it_refuses_gets_nothing() -> None:
    notes = Notes()
    async with answering(guard=notes, trace=notes) as (endpoint, user), wire(endpoint.port) as peer:
        await assert_alive(peer)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.66", 0))
            stranger.setblocking(False)
            await loop.sock_sendto(stranger, options(1, "UDP"), ("127.0.0.1", endpoint.port))
            reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, local_addr=("127.0.0.66", 0))
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
            writer.close()
        assert notes.asked.count("127.0.0.66") == 2
        assert len(user.requests) == 1
        here = f"127.0.0.1:{endpoint.port}"
        assert notes.lines == [
            (False, f"udp:127.0.0.1:{peer.port}", here, b"OPTIONS"),
            (True, f"udp:127.0.0.1:{peer.port}", here, b"SIP/2.0"),
        ]


async def test_closing_leaves_no_socket_no_task_and_no_timer() -> None:
    before = set(os.listdir("/proc/self/fd"))
    tasks = len(asyncio.all_tasks())
    server, writers, _ = await silent_tcp_server()
    async with answering(DUAL) as (other, _), answering(DUAL) as (endpoint, _):
        assert await ask(endpoint, Hop("tcp", "::1", other.port)) == 200
        pending = asyncio.create_task(ask(endpoint, Hop("tcp", "127.0.0.1", port_of(server)), patience_s=0.3))
        endpoint.keep_alive(Hop("udp", "127.0.0.1", other.port), 0.01)
        endpoint.keep_alive(Hop("tcp", "127.0.0.1", other.port), 0.01)
        await until(lambda: bool(writers))
    endpoint._transport.send(options(1, "TCP"), Hop("tcp", "127.0.0.1", port_of(server)))
    endpoint._transport.send(options(1, "UDP"), Hop("udp", "127.0.0.1", port_of(server)))
    with pytest.raises(TimeoutError):
        await pending
    server.close()
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    assert set(os.listdir("/proc/self/fd")) == before
    assert endpoint._timer is None or endpoint._timer.cancelled()
