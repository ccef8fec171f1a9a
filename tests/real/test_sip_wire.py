"""What a peer sees on the wire when it misbehaves: bare datagrams and connections against a running agent."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re

import pytest

from telephony.agent import AgentConfig, IncomingCall, SipLeg, UserAgent
from telephony.call.dialog import offer_answer
from telephony.leg import LegError
from telephony.media.engine import MediaEngine
from telephony.sip import connection, transport

from .programs import PATIENCE_S, until
from .siprun import OFFER, Wire, running_agent, to_tag, wire


async def ring_for_ever(incoming: IncomingCall) -> None:
    incoming.ring()
    await incoming.cancelled


async def answer(incoming: IncomingCall) -> None:
    leg = await incoming.answer()
    await leg.closed


async def assert_alive(peer: Wire) -> None:
    """An OPTIONS ping is answered."""
    branch = f"z9hG4bK{random.random()}"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            peer.send(peer.request("OPTIONS", branch=branch, call=branch))  # as every client does over UDP
            with contextlib.suppress(TimeoutError):
                while branch not in await peer.receive("SIP/2.0 200", 1):
                    pass
                return


async def test_a_retransmitted_invite_makes_one_call() -> None:
    calls: list[str] = []

    async def count(incoming: IncomingCall) -> None:
        calls.append(incoming.id)
        await ring_for_ever(incoming)

    async with running_agent(count) as agent, wire(agent.port) as peer:
        for _ in range(5):
            peer.send(peer.request("INVITE", body=OFFER))
        for _ in range(4):
            await peer.receive("SIP/2.0 1")
        assert calls == ["call-1"]
        peer.send(peer.request("CANCEL"))
        await peer.receive("SIP/2.0 487")


async def test_the_same_invite_by_a_second_way_gets_482() -> None:
    async with running_agent(ring_for_ever) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        peer.send(peer.request("INVITE", body=OFFER, branch="z9hG4bK2"))
        await peer.receive("SIP/2.0 482")


@pytest.mark.parametrize(
    ("method", "more", "status", "header"),
    [
        ("REFER", {}, 403, ""),
        ("BYE", {}, 481, ""),
        ("BYE", {"to": ";tag=nobody"}, 481, ""),
        ("CANCEL", {"branch": "z9hG4bKnone"}, 481, ""),
        ("SUBSCRIBE", {}, 405, "Allow: INVITE"),
        ("FROBNICATE", {}, 405, "Allow: INVITE"),
        ("INVITE", {"extra": "Require: 100rel, x\n", "body": OFFER}, 420, "Unsupported: x"),
        ("INVITE", {"body": "not SDP"}, 400, ""),
        ("INVITE", {"body": OFFER.replace("AVP 0", "AVP 3")}, 488, ""),
        ("INVITE", {"body": OFFER, "uri": "sips:bot@127.0.0.1"}, 416, ""),
        ("INVITE", {"body": OFFER, "extra": "Content-Encoding: gzip\n"}, 415, "Accept-Encoding: identity"),
        ("INVITE", {"body": OFFER, "extra": "Record-Route: <sip:a\n"}, 400, ""),
        ("INVITE", {"body": OFFER, "extra": "Contact: <sip:b@c>\n"}, 400, ""),
        ("INVITE", {"body": OFFER, "uri": "soap:bot"}, 416, ""),
    ],
)
async def test_what_we_do_not_do_is_refused_with_the_right_words(
    method: str, more: dict[str, str], status: int, header: str
) -> None:
    async with running_agent(answer) as agent, wire(agent.port) as peer:
        peer.send(peer.request(method, **more))
        response = await peer.receive("SIP/2.0")
        while response.startswith("SIP/2.0 100"):
            response = await peer.receive("SIP/2.0")
        assert response.startswith(f"SIP/2.0 {status} "), response
        assert header in response
        await assert_alive(peer)


async def test_an_out_of_order_request_in_a_call_gets_500_and_an_old_bye_too() -> None:
    async with running_agent(answer) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", seq="5", body=OFFER))
        tag = to_tag(await peer.receive("SIP/2.0 200"))
        peer.send(peer.request("ACK", branch="z9hG4bKa", seq="5", to=tag))
        peer.send(peer.request("OPTIONS", branch="z9hG4bKb", seq="5", to=tag))
        await peer.receive("SIP/2.0 500")
        peer.send(peer.request("BYE", branch="z9hG4bKc", seq="4", to=tag))
        await peer.receive("SIP/2.0 500")
        assert agent.active_calls == 1
        peer.send(peer.request("BYE", branch="z9hG4bKd", seq="6", to=tag))
        await peer.receive("SIP/2.0 200")
        assert agent.active_calls == 0


async def test_a_200_is_repeated_until_the_ack_and_the_call_ends_with_bye_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 3261 section 13.3.1.4, with a tenth of its times."""
    monkeypatch.setattr(offer_answer, "T1_S", 0.02)
    monkeypatch.setattr(offer_answer, "T2_S", 0.16)
    monkeypatch.setattr(offer_answer, "TIMEOUT_S", 1.28)
    legs: list[SipLeg] = []

    async def keep(incoming: IncomingCall) -> None:
        legs.append(await incoming.answer())
        await legs[-1].closed

    async with running_agent(keep) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        for _ in range(8):
            await peer.receive("SIP/2.0 200")
        bye = await peer.receive("BYE ")
        assert await legs[0].closed == "failed: no ACK"
        peer.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))
        await until(lambda: not len(agent._dialogs))


async def test_a_bye_waits_for_the_ack() -> None:
    """RFC 3261 section 15: a called party that has had no ACK must not send BYE."""

    async def hang_up_at_once(incoming: IncomingCall) -> None:
        await (await incoming.answer()).hang_up()

    async with running_agent(hang_up_at_once) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        tag = to_tag(await peer.receive("SIP/2.0 200"))
        with pytest.raises(TimeoutError):
            await peer.receive("BYE ", 0.2)
        peer.send(peer.request("ACK", branch="z9hG4bKa", to=tag))
        bye = await peer.receive("BYE ")
        peer.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))


async def test_a_call_that_nobody_handles_is_refused() -> None:
    async def forget(incoming: IncomingCall) -> None:
        incoming.ring()

    async with running_agent(forget) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        await peer.receive("SIP/2.0 480")


async def test_a_handler_that_breaks_costs_one_call_only() -> None:
    async def break_down(incoming: IncomingCall) -> None:
        raise RuntimeError(incoming.id)

    async with running_agent(break_down) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        await peer.receive("SIP/2.0 500")
        await assert_alive(peer)


async def test_a_caller_sees_where_he_came_from() -> None:
    """RFC 3581: the response goes to the source, and says so."""
    async with running_agent(answer) as agent, wire(agent.port) as peer:
        peer.send(peer.request("OPTIONS").replace(f"127.0.0.1:{peer.port};branch", "198.51.100.7:9;branch"))
        response = await peer.receive("SIP/2.0 200")
        assert f"rport={peer.port}" in response
        assert "received=127.0.0.1" in response


async def test_a_caller_behind_nat_gets_our_bye_where_he_really_is() -> None:
    async def hang_up(incoming: IncomingCall) -> None:
        await (await incoming.answer()).hang_up()

    async with running_agent(hang_up) as agent, wire(agent.port) as peer:
        invite = peer.request("INVITE", body=OFFER)
        private = f"198.51.100.7:{peer.port}"
        peer.send(
            invite.replace(f"127.0.0.1:{peer.port};branch", f"{private};branch").replace(
                "ann@127.0.0.1", "ann@198.51.100.7"
            )
        )
        tag = to_tag(await peer.receive("SIP/2.0 200"))
        peer.send(peer.request("ACK", branch="z9hG4bKa", to=tag))
        bye = await peer.receive("BYE ")
        assert bye.startswith(f"BYE sip:ann@{private} ")
        peer.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))


async def test_stopping_refuses_new_calls_and_hangs_up_the_live_ones() -> None:
    async with running_agent(answer) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        tag = to_tag(await peer.receive("SIP/2.0 200"))
        peer.send(peer.request("ACK", branch="z9hG4bKa", to=tag))
        stopping = asyncio.create_task(agent.stop(grace_s=0.3))
        await asyncio.sleep(0.05)
        peer.send(peer.request("INVITE", branch="z9hG4bKn", call="new", body=OFFER))
        assert "Retry-After: " in await peer.receive("SIP/2.0 503")
        bye = await peer.receive("BYE ")
        peer.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))
        await asyncio.wait_for(stopping, 1)


async def test_a_taken_port_is_named() -> None:
    async with running_agent(answer) as agent:
        engine = MediaEngine("127.0.0.1", 21000, 21499)
        with pytest.raises(OSError, match=f"SIP port {agent.port} .UDP. on 127.0.0.1 is taken"):
            await UserAgent(AgentConfig(port=agent.port), engine, None).start()
        engine.stop()


async def test_cr_lf_in_a_name_makes_no_header() -> None:
    async with running_agent(None) as agent, wire(agent.port) as peer:
        calling = asyncio.create_task(
            agent.call(
                f"sip:human@127.0.0.1:{peer.port}",
                from_name='Ann"\r\nX-Evil: 1\r\n\r\nBYE',
                headers={"X-Summary": "one\r\nX-Evil: 2"},
            )
        )
        invite = await peer.receive("INVITE ")
        assert not re.search(r"^X-Evil", invite, re.MULTILINE)
        peer.send(invite.replace("\r\n", "\n").replace(invite.split("\r\n")[0], "SIP/2.0 603 No"))
        with pytest.raises(LegError):
            await calling


# ── TCP ──


async def stream(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


def options(n: int) -> bytes:
    return (
        f"OPTIONS sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKt{n}\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:bot@b>\r\nCall-ID: t{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def assert_answers(reader: asyncio.StreamReader, numbers: range) -> None:
    for n in numbers:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert head.startswith(b"SIP/2.0 200")
        assert f"Call-ID: t{n}\r\n".encode() in head


async def test_pieces_of_one_byte_and_ten_in_one_piece_and_keep_alives_work() -> None:
    async with running_agent(answer) as agent:
        reader, writer = await stream(agent.port)
        for byte in options(0):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await assert_answers(reader, range(1))
        writer.write(b"".join(options(n) for n in range(10, 20)))
        await assert_answers(reader, range(10, 20))
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), PATIENCE_S) == b"\r\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "data",
    [
        options(0)[:-4] + b"\r\nX: " + b"y" * 70_000,
        options(0).replace(b"Length: 0", b"Length: -1"),
        options(0).replace(b"Length: 0", b"Length: " + b"9" * 40),
        options(0).replace(b"Content-Length: 0\r\n", b""),
        options(0).replace(b"Length: 0", b"Length: 500"),
        b"GET / HT",
    ],
    ids=["header", "negative", "endless", "none", "body that never comes", "begun and left"],
)
async def test_a_stream_that_cannot_be_followed_is_closed_within_5_s_or_so(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connection.STALLED_S + transport.SWEEP_S <= 6
    monkeypatch.setattr(transport, "SWEEP_S", 0.1)
    async with running_agent(answer) as agent:
        reader, writer = await stream(agent.port)
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 6.5) == b""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_200_idle_connections_do_not_keep_out_another() -> None:
    async with running_agent(answer) as agent:
        idle = [await stream(agent.port) for _ in range(200)]
        reader, writer = await stream(agent.port)
        writer.write(options(1))
        await assert_answers(reader, range(1, 2))
        for _, one in [*idle, (reader, writer)]:
            one.close()


async def test_a_connection_that_dies_in_a_call_does_not_hurt() -> None:
    async with running_agent(answer) as agent, wire(agent.port) as peer:
        _, writer = await stream(agent.port)
        invite = peer.request("INVITE", body=OFFER).replace("SIP/2.0/UDP", "SIP/2.0/TCP").replace("\n", "\r\n")
        writer.write(invite.encode())
        await until(lambda: agent.active_calls == 1)
        writer.transport.abort()
        await until(lambda: not agent._endpoint._transport._pool.up)
        assert agent.active_calls == 1
        await assert_alive(peer)


# ── floods ──


async def test_invites_that_are_never_acknowledged_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Acceptance 13 with the 32 s of timer H cut to one."""
    monkeypatch.setattr("telephony.sip.transaction_state_tables.TIMEOUT_S", 1.0)
    monkeypatch.setattr(offer_answer, "TIMEOUT_S", 1.0)
    async with running_agent(answer, max_calls=10) as agent, wire(agent.port) as peer:
        for n in range(1000):
            peer.send(peer.request("INVITE", branch=f"z9hG4bKf{n}", call=f"f{n}", body=OFFER))
            if n % 50 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: not len(agent._dialogs) and not len(agent._endpoint._transactions))
        assert agent.active_calls == 0
        await assert_alive(peer)


async def test_mutated_datagrams_do_not_stop_it() -> None:
    """2,000 with a fixed seed, through the socket; no exception reaches the event loop."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    chance = random.Random(20261121)
    async with running_agent(answer, max_calls=5) as agent, wire(agent.port) as peer:
        for n in range(2000):
            method = chance.choice(["INVITE", "OPTIONS", "BYE", "ACK", "CANCEL", "REGISTER"])
            text = peer.request(method, branch=f"z9hG4bKm{n}", call=f"m{n}", body=OFFER).replace("\n", "\r\n")
            data = bytearray(text.encode())
            for _ in range(chance.randint(1, 12)):
                at = chance.randrange(len(data))
                data[at : at + chance.randint(0, 6)] = chance.randbytes(chance.randint(0, 4))
            peer.send(bytes(data))
            if n % 20 == 0:
                await asyncio.sleep(0.005)
        await assert_alive(peer)
    assert failures == []
