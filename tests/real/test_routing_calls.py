"""Verification results as they come by the wire: sipp calls, and what the rules make of it (acceptance 37)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telephony.agent import IncomingCall
from telephony.routing.call_facts import CallFacts
from telephony.routing.rules import RouteDecision, Router
from tests.unit.test_routing_identity import encoded

from .siprun import sipp
from .trunkrun import site

pytestmark = pytest.mark.peer("sipp")

ROUTES = Router.parse("routes:\n  - {name: proven, when: {verified: true}, flow: a}\nelse: {answer: 480}\n")
CALLER = """<?xml version="1.0"?><scenario name="c"><send retrans="500"><![CDATA[
INVITE sip:+4940@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Ann" <sip:+4930123456{in_from}@[local_ip]>;tag=[call_number]
To: <sip:+4940@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:a@[local_ip]:[local_port]>
{headers}Content-Length: 0

]]></send><recv response="100" optional="true"/><recv response="480"/><send><![CDATA[
ACK sip:+4940@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send></scenario>"""


def headers(age_s: float, result: str) -> str:
    """What a carrier adds."""
    claims = {
        "attest": "A",
        "dest": {"tn": ["4940"]},
        "iat": int(datetime.now(UTC).timestamp() - age_s),
        "orig": {"tn": "4930123456"},
    }
    token = f"{encoded({'alg': 'ES256', 'ppt': 'shaken'})}.{encoded(claims)}.{encoded(b'x' * 64)}"
    return (
        f"P-Asserted-Identity: <sip:+4930123456;verstat={result}@carrier>\nP-Attestation-Indicator: A\n"
        f"Identity: {token};info=<https://c.example>;alg=ES256;ppt=shaken\n"
    )


@pytest.mark.parametrize(
    ("trunk", "age_s", "result", "verified"),
    [
        ("trusted: true\nverstat: true\n", 2, "TN-Validation-Passed", True),
        ("trusted: true\nverstat: true\n", 90, "TN-Validation-Passed", False),
        ("trusted: true\nverstat: true\n", 2, "TN-Validation-Failed", False),
        ("trusted: true\n", 2, "TN-Validation-Passed", False),
        ("", 2, "TN-Validation-Passed", False),
    ],
    ids=["believed", "stale", "failed", "trusted only", "untrusted"],
)
async def test_only_a_configured_trunk_can_verify_a_caller(
    tmp_path: Path, trunk: str, age_s: float, result: str, verified: bool
) -> None:
    decided: asyncio.Future[RouteDecision] = asyncio.get_running_loop().create_future()

    async def on_call(incoming: IncomingCall) -> None:
        from_, over = incoming.headers["From"][0], incoming.trunk
        assert over is not None
        facts = CallFacts(
            incoming.request_uri, from_, over.name, incoming.trusted, over.verstat, dict(incoming.headers)
        )
        decided.set_result(ROUTES.decide(facts, datetime.now(UTC)))
        incoming.reject(480)

    trunks = tmp_path / "trunks"
    trunks.mkdir()
    (trunks / "carrier.yaml").write_text(f"peers: 127.0.0.1\n{trunk}")
    scenario = tmp_path / "caller.xml"
    scenario.write_text(CALLER.format(headers=headers(age_s, result), in_from=f";verstat={result}"))
    async with site(trunks, on_call) as place, sipp(str(scenario.with_suffix("")), to=place.agent.port) as caller:
        await caller.ended()
    seen = (await decided).variables
    assert seen["caller_verified"] is verified and (await decided).rule == ("proven" if verified else "else"), seen
    assert seen["attestation"] == ("A" if verified else "none") and seen["caller_number"] == "+4930123456"
