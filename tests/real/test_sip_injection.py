"""acceptance.md, 7: five hundred payloads in what callers and dialogs say; none makes a header of its own."""

from __future__ import annotations

import random
import re

from telephony.agent import IncomingCall
from telephony.sip.message import Request, parse

from .siprun import OFFER, Wire, running_agent, wire

PAYLOADS = 500
ENDS = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\r\n ",
    "\n\t",
    "\x0b",
    "\x0c",
    "\x00\r\n",
    "\x85",
    "\u2028",
    "%0d%0a",
    "\\r\\n",
    '"\r\n',
    ">\r\n",
]
GAINS = [
    "X-Evil: 1",
    "To: <sip:evil@h>;tag=x",
    "Via: SIP/2.0/UDP evil",
    "Content-Length: 0\r\n\r\n",
    "INVITE sip:e SIP/2.0",
    ";tag=evil",
]


def payloads() -> list[str]:
    """Ends of lines of every kind with what is to be gained by them, in different places, fixed seed."""
    dice = random.Random(20261121)
    found = []
    for _ in range(PAYLOADS):
        pieces = [dice.choice(["Ann", "é漢", '"', "\\", "<sip:a@b>", "", "," * 3, "x" * 100])]
        for _ in range(dice.randint(1, 3)):
            pieces += [dice.choice(ENDS), dice.choice(GAINS)]
        found.append("".join(pieces))
    return found


def names(text: str) -> list[str]:
    """The names of the headers, as a peer who splits at any end of line sees them."""
    head = text.partition("\r\n\r\n")[0]
    return [line.partition(":")[0] for line in re.split(r"\r\n|\r|\n", head)[1:]]


async def invite_of(peer: Wire) -> str:
    """The next INVITE, and whatever belongs to the call before is dropped."""
    return await peer.receive("INVITE ")


async def test_what_a_dialog_says_makes_no_header_of_a_call_that_we_place() -> None:
    async with running_agent(None) as agent, wire(agent.port) as peer:
        target = f"sip:human@127.0.0.1:{peer.port}"

        async def placed(name: str, user: str, summary: str) -> str:
            outgoing = agent.dial(target, from_name=name, from_user=user, headers={"X-Summary": summary})
            invite = await invite_of(peer)
            outgoing.give_up()
            return invite

        innocent = names(await placed("Ann", "ann", "Ann wants a coffee"))
        for payload in payloads():
            invite = await placed(payload, payload, payload)
            assert names(invite) == innocent
            message = parse(invite.encode())
            assert isinstance(message, Request)
            assert message.head.from_.tag != "evil"
            assert message.head.vias[0].host == "127.0.0.1"


async def test_what_a_caller_is_named_makes_no_header_of_our_answer() -> None:
    async def reject(incoming: IncomingCall) -> None:
        incoming.reject(486, incoming.from_name or "busy")

    allowed = {"Via", "From", "To", "Call-ID", "CSeq", "Server", "Content-Length", "Retry-After", "Contact"}
    refused = 0
    async with running_agent(reject) as agent, wire(agent.port) as peer:
        for number, payload in enumerate(payloads()):
            quoted = payload.replace("\\", "\\\\").replace('"', '\\"')
            text = peer.request("INVITE", branch=f"z9hG4bK{number}", call=f"c{number}", body=OFFER)
            head, _, body = text.replace("\n", "\r\n").partition("\r\n\r\n")
            head = re.sub(r"From: <", lambda _, name=quoted: f'From: "{name}" <', head)  # type: ignore[misc]
            peer.send(f"{head}\r\n\r\n{body}".encode())
            while True:
                answer = await peer.receive("SIP/2.0 ")
                assert set(names(answer)) <= allowed, answer
                if not answer.startswith("SIP/2.0 1"):
                    break
            refused += answer.startswith("SIP/2.0 400")
    assert 0 < refused < PAYLOADS, "some names are harmless, some are no header any more"
