"""We register with Kamailio (SHA-256, Service-Route) by the example file, get calls through it and place some."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from telephony.agent import AgentConfig, IncomingCall
from telephony.leg import LegError
from telephony.sip.message import parse_uri
from telephony.sip.tls import TlsServer
from telephony.trunk.registry import CallingParty
from tests.certificates import Authority

from .programs import PATIENCE_S, free_port, until
from .siprun import sipp
from .test_sip_dns import dnsmasq
from .trunkrun import crash, edit, example, provider, site

pytestmark = pytest.mark.peer("kamailio", "sipp")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def trunk(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example of a provider, at our Kamailio; the second registrar is one where nobody listens."""
    monkeypatch.setenv("ACME_PASSWORD", "secret")
    changes = {
        "- sip.example.net": "- 127.0.0.1:1",
        "- sip-backup.example.net": f"- 127.0.0.1:{port}",
        "domain: example.net": "domain: 127.0.0.1",
    }
    folder = tmp_path / "trunks"
    folder.mkdir()
    return example("provider", folder, changes)


class Calls:
    """Answers what comes."""

    def __init__(self) -> None:
        self.came: list[IncomingCall] = []

    async def __call__(self, incoming: IncomingCall) -> None:
        self.came.append(incoming)
        leg = await incoming.answer()
        await leg.closed


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_example_registers_takes_a_call_and_places_one(
    trunk: Path, port: int, tmp_path: Path, transport: str
) -> None:
    edit(trunk, ("transport: udp", f"transport: {transport}"))
    calls = Calls()
    async with provider(tmp_path, port):
        async with site(trunk.parent, calls) as place:
            await place.until("registered")
            assert "for 60 s" in place.book.states()[0].why, "asked for 600, granted 60"

            async with sipp("UAC", to=port, options=["-s", "+49301234"]) as caller:
                await caller.ended()
            assert [incoming.trunk.name if incoming.trunk else "" for incoming in calls.came] == ["provider"]

            # Through the provider, to ourselves.
            leg = await place.agent.call("sip:+49301234@provider", ring_s=PATIENCE_S)
            came = calls.came[1]
            assert came.from_uri == "sip:+49301234@127.0.0.1" and came.from_name == "Northwind"
            assert came.trunk is not None and came.trunk.name == "provider"
            await leg.hang_up()

            with pytest.raises(LegError) as caught:
                await place.agent.call("sip:+49309999@provider", ring_s=PATIENCE_S)
            assert caught.value.status == 404
            with pytest.raises(LegError) as caught:
                await place.agent.call("sip:+1900555@provider", ring_s=PATIENCE_S)
            assert caught.value.status == 403 and "destinations" in caught.value.reason
        async with site(trunk.parent) as place:
            await place.until("registered")
            next_hops = await place.book.next_hops(place.book.get("provider"), parse_uri("sip:+49301234@provider"))
            assert next_hops[0].hop.port == port and next_hops[0].routes == (f"<sip:127.0.0.1:{port};lr>",)
            outgoing_identity = place.book.outgoing_identity(
                place.book.get("provider"), CallingParty(), next_hops[0].hop
            )
            assert ("P-Asserted-Identity", '"Northwind" <sip:+49301234@127.0.0.1>') in outgoing_identity.headers


async def test_it_registers_over_tls_and_is_called_on_that_connection(trunk: Path, port: int, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    tls_port = free_port()
    own = TlsServer(*authority.issue("bot", ips=["127.0.0.1"]))
    tls = f"transport: tls\ntls:\n  ca: {authority.ca}\n  name: sip.p.test"
    edit(trunk, (f"127.0.0.1:{port}", f"127.0.0.1:{tls_port}"), ("transport: udp", tls))
    calls = Calls()
    config = AgentConfig(port=0, tls=own, tls_port=0, open=False)
    theirs = authority.issue("kamailio", dns=["sip.p.test"])
    async with provider(tmp_path, port, (tls_port, *theirs)), site(trunk.parent, calls, config) as place:
        await place.until("registered")
        leg = await place.agent.call("sip:+49301234@provider", ring_s=PATIENCE_S)
        assert calls.came[0].trunk is not None and calls.came[0].trunk.name == "provider"
        await leg.hang_up()


@pytest.mark.peer("dnsmasq")
async def test_a_name_leads_by_srv_past_a_dead_server_and_tells_whose_call_it_is(
    trunk: Path, port: int, tmp_path: Path
) -> None:
    records = [
        f"--srv-host=_sip._udp.p.test,dead.p.test,{port},10,10",
        f"--srv-host=_sip._udp.p.test,live.p.test,{port},20,10",
        "--host-record=dead.p.test,127.0.0.9",
        "--host-record=live.p.test,127.0.0.1",
        "--host-record=peer.p.test,127.0.0.1",
    ]
    edit(trunk, ("    - 127.0.0.1:1\n", ""), (f"- 127.0.0.1:{port}", "- p.test"))
    other = trunk.with_name("other.yaml")
    await asyncio.to_thread(other.write_text, "peers: peer.p.test\n")
    calls = Calls()
    async with contextlib.AsyncExitStack() as stack:
        dns = await stack.enter_async_context(dnsmasq(*records))
        await stack.enter_async_context(provider(tmp_path, port))
        config = AgentConfig(port=0, open=False, nameservers=(dns,))
        place = await stack.enter_async_context(site(trunk.parent, calls, config))
        await place.until("registered")
        standing = next(one for one in place.book.states() if one.trunk == "provider")
        assert f"udp:127.0.0.1:{port}" in standing.why
        leg = await place.agent.call("sip:+49301234@provider", ring_s=PATIENCE_S)
        assert [one.trunk.name for one in calls.came if one.trunk] == ["provider"], "its Contact says whose it is"
        await leg.hang_up()
        async with sipp("UAC", to=place.agent.port) as caller:
            await caller.ended()
        assert [one.trunk.name for one in calls.came if one.trunk] == ["provider", "other"]


async def test_it_registers_over_ipv6(trunk: Path, port: int, tmp_path: Path) -> None:
    edit(trunk, (f"- 127.0.0.1:{port}", f"- '[::1]:{port}'"))
    config = AgentConfig(("127.0.0.1", "::1"), 0, open=False)
    async with provider(tmp_path, port), site(trunk.parent, None, config) as place:
        await place.until("registered")
        assert f"at udp:[::1]:{port}" in place.book.states()[0].why


async def test_after_the_farewell_the_provider_knows_us_no_more(trunk: Path, port: int, tmp_path: Path) -> None:
    async with provider(tmp_path, port):
        async with site(trunk.parent) as place:
            await place.until("registered")
        assert place.states == ["registered", "unknown"]
        edit(trunk, ("+49301234", "+49305555"))
        async with site(trunk.parent) as place:
            await place.until("registered")
            with pytest.raises(LegError) as caught:
                await place.agent.call("sip:+49301234@provider", ring_s=PATIENCE_S)
            assert caught.value.status == 404


async def test_a_provider_who_restarts_has_us_again_within_seconds(trunk: Path, port: int, tmp_path: Path) -> None:
    """Over TCP the lost connection is noticed, not the end of the registration."""
    edit(trunk, ("transport: udp", "transport: tcp"))
    async with provider(tmp_path, port) as process, site(trunk.parent) as place:
        await place.until("registered")
        await crash(process)
        await place.until("registered", "down")
        async with provider(tmp_path, port):
            await place.until("registered", "down", "registered")


async def test_a_wrong_password_is_said_and_not_tried_on(
    trunk: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_PASSWORD", "wrong")
    async with provider(tmp_path, port), site(trunk.parent) as place:
        await place.until("refused")
        standing = place.book.states()[0]
        assert standing.registration == "refused" and "password" in standing.why
        await asyncio.sleep(1)
        assert place.states == ["refused"]


async def test_files_are_read_again_without_touching_what_did_not_change(
    trunk: Path, port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()
    async with provider(tmp_path, port), site(trunk.parent, calls) as place:
        await place.until("registered")
        leg = await place.agent.call("sip:+49301234@provider", ring_s=PATIENCE_S)
        before = place.book.states()[0].why

        edit(trunk, ("transport: udp", "transport: upd"))
        await until(lambda: "the trunks stay as they are" in caplog.text)
        assert place.book.get("provider") is not None, "a wrong file is refused, the old trunks stay"
        assert "'udp', 'tcp' or 'tls'" in str((await place.book.reload())[0])

        example("carrier", trunk.parent, {})
        edit(trunk, ("transport: upd", "transport: udp"), ("max_calls: 2", "max_calls: 3\nptime_ms: 30"))
        await until(lambda: place.book.get("carrier") is not None)
        changed = place.book.get("provider")
        assert changed is not None and changed.max_calls == 3
        assert place.states == ["registered"] and place.book.states()[1].why == before
        assert place.book.states()[1].calls == 2, "the live call has its place on the trunk still"
        assert calls.came[0].terms.ptime_ms == 20 and not leg.closed.done()

        await asyncio.to_thread(trunk.unlink)
        await place.until("registered", "unknown")
        assert place.book.get("provider") is None and not leg.closed.done()
        await leg.hang_up()


async def test_the_log_says_what_to_advertise_when_the_provider_sees_us_elsewhere(
    trunk: Path, port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(trunk, ("# advertise: 203.0.113.20 ", "advertise: 203.0.113.20 "))
    async with provider(tmp_path, port), site(trunk.parent) as place:
        await place.until("registered")
    told = [record.getMessage() for record in caplog.records if "sees us" in record.getMessage()]
    assert len(told) == 1 and "at 127.0.0.1:" in told[0] and "set `advertise: 127.0.0.1`" in told[0]
