"""acceptance.md, 1: each message of RFC 4475 gets an answer that it allows; an OPTIONS ping is answered after each."""

from __future__ import annotations

import asyncio
import re

import pytest

from telephony.agent import IncomingCall
from tests.rfc4475 import MESSAGES, data

from .programs import PATIENCE_S, until
from .siprun import Wire, running_agent, wire
from .test_sip_wire import assert_alive

QUIET_S = 0.2
"""How long silence is listened to."""


async def let_it_go(incoming: IncomingCall) -> None:
    """Neither answers nor rejects: the agent says 480."""


async def final_answers(peer: Wire, patience_s: float = PATIENCE_S) -> list[str]:
    """What comes until it is quiet, without provisional responses; for the first it waits so long."""
    found: list[str] = []
    while True:
        try:
            response = await peer.receive("SIP/2.0 ", QUIET_S if found else patience_s)
        except TimeoutError:
            return found
        if not response.startswith("SIP/2.0 1"):
            found.append(response)


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_torture_message_gets_an_answer_that_the_rfc_allows(name: str) -> None:
    wanted = MESSAGES[name]
    async with running_agent(let_it_go) as agent, wire(agent.port) as peer:
        peer.send(data(name))
        answers = await final_answers(peer, 2 * QUIET_S if wanted.silent else PATIENCE_S)
        statuses = {int(response[8:11]) for response in answers}
        if wanted.silent:
            assert statuses == set()
        else:
            assert len(statuses) == 1, "one answer, and only one"
            assert statuses <= set(wanted.answers)
        await assert_alive(peer)


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - {"dblreq"}))  # which is two messages in a stream
async def test_over_tcp_it_gets_such_an_answer_or_the_connection_is_closed(name: str) -> None:
    wanted = MESSAGES[name]
    async with running_agent(let_it_go) as agent, wire(agent.port) as peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        writer.write(data(name))
        answer = ""
        try:
            async with asyncio.timeout(QUIET_S):
                while not re.search(r"SIP/2\.0 [2-6]\d\d ", answer) and (piece := await reader.read(4096)):
                    answer += piece.decode()
        except TimeoutError:
            pass  # silence, or clerr: the rest of its body may still come
        found = {int(status) for status in re.findall(r"SIP/2\.0 ([2-6]\d\d) ", answer)}
        assert found <= set(wanted.answers)
        await assert_alive(peer)
        writer.close()
        await writer.wait_closed()


async def test_an_unsupported_extension_and_an_unknown_body_are_named_in_the_refusal() -> None:
    async with running_agent(let_it_go) as agent, wire(agent.port) as peer:
        peer.send(data("bext01"))
        assert "Unsupported: nothingSupportsThis, nothingSupportsThisEither\r\n" in (await final_answers(peer))[0]
        peer.send(data("invut"))
        assert re.search(r"^Accept: .*application/sdp", (await final_answers(peer))[0], re.MULTILINE)


async def test_all_of_them_at_once_leave_nothing_behind() -> None:
    async with running_agent(let_it_go) as agent, wire(agent.port) as peer:
        for name in MESSAGES:
            peer.send(data(name))
        await assert_alive(peer)
        await until(lambda: agent.active_calls == 0)
