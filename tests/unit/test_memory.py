"""Acceptance 47: no memory of the server grows with the number of calls that are over.

Thousands of short calls go through the real services on a virtual clock; what is left of them is counted: objects of
every type, blocks of memory whatever is in them, and time series of /metrics. What is bounded by design (the trace, the
calls that the doctor knows) is given small bounds, so that it is full before the counting begins.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from prometheus_client import REGISTRY

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call import dialog_table
from telephony.leg import Leg, LegError
from telephony.media.stats import MediaStats
from telephony.routing.model import RouteTarget
from telephony.routing.rules import RouteDecision
from telephony.sip.flood_guard import FloodGuard
from telephony.sip_trace import SipTrace
from telephony.trunk.registry import TrunkRegistry
from tests.unit.call_support import OURS, FakeEngine, FakeTransport, Peer, World
from tests.unit.session_support import Backend, VirtualLeg, VirtualListener, VirtualVoice, WantsTheOnlyTask
from tests.unit.test_calls_session import BANK, WISH
from tests.unit.virtual_clock import AtOnce, virtual_clock
from voicebot.calls.factory import CallFactory
from voicebot.calls.services import LoadedFlow, Services
from voicebot.config import HandoverSettings
from voicebot.flows.flow import Flow
from voicebot.gateway import call_forensics
from voicebot.gateway.call_forensics import CallForensics
from voicebot.gateway.telephony_metrics import count
from voicebot.handoff.human_dialler import HumanDialler
from voicebot.handoff.webhook_sink import WebhookSink
from voicebot.journal.journal import Journal
from voicebot.journal.to_log import LogSink
from voicebot.journal.to_metrics import MetricsSink
from voicebot.listening.events import ListeningEvent
from voicebot.messages import Heard
from voicebot.record.records import Records
from voicebot.record.sink import RecordSink
from voicebot.web.page_sink import PageSink

OBJECTS = 100
"""Of one type, by which a process differs from one look to the next; each kind of call came more often."""
SLACK = {weakref.ReferenceType}
"""sqlite3 forgets cursors that are gone when it has made 200 more."""
BLOCKS = 1000, 4000
"""Of memory, by which a process without and with threads beside the loop differs from one look to the next."""


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    """pytest keeps every line of it."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


async def grows(
    do: Callable[[int], Awaitable[None]], settle: Callable[[], Awaitable[None]], first: int, then: int, blocks: int
) -> None:
    """Run `first` calls, then `then` more, and see that nothing is left of those but so many blocks in all."""

    async def look(calls: range) -> tuple[Counter[type], int, int]:
        for number in calls:
            await do(number)
        await settle()
        gc.collect()
        kinds = Counter(map(type, gc.get_objects()))
        series = sum(len(metric.samples) for metric in REGISTRY.collect())
        return kinds, sys.getallocatedblocks(), series

    before, blocks_before, series_before = await look(range(first))
    after, blocks_after, series_after = await look(range(first, first + then))
    left = {kind: n for kind, n in (after - before).items() if n > OBJECTS and kind not in SLACK}
    assert left == {}
    assert blocks_after - blocks_before < blocks
    assert series_after == series_before


# ── telephony ────────────────────────────────────────────────────────────────────────────────────────────────────


async def answered(world: World, peer: Peer) -> None:
    leg = await world.talking(peer)
    peer.request("BYE", 2)
    await leg.closed


async def hung_up_by_us(world: World, peer: Peer) -> None:
    leg = await world.talking(peer)
    ended = asyncio.create_task(leg.hang_up())
    peer.reply(await peer.receive("BYE"), 200)
    await ended


async def silent_after_the_answer(world: World, peer: Peer) -> None:
    """The answer is never acknowledged, nor the BYE that follows."""
    await (await world.incoming(peer)).answer()


async def cancelled(world: World, peer: Peer) -> None:
    incoming = await world.incoming(peer)
    peer.cancel()
    await incoming.cancelled


async def refused(world: World, peer: Peer) -> None:
    (await world.incoming(peer)).reject(486)


async def unusable(world: World, peer: Peer) -> None:
    peer.invite("Require: nonsense")


async def only_asks(world: World, peer: Peer) -> None:
    peer.request("OPTIONS", 1)


async def of_no_dialog(world: World, peer: Peer) -> None:
    peer.our_tag = "nonsense"
    peer.request("BYE", 7)


async def placed_and_busy(world: World, peer: Peer) -> None:
    outgoing = world.agent.dial("sip:ann@192.0.2.1")
    peer.reply(await peer.receive("INVITE"), 486)
    with pytest.raises(LegError):
        await outgoing.answered()


KINDS = (
    answered, hung_up_by_us, silent_after_the_answer, cancelled, refused, unusable, only_asks, of_no_dialog,
    placed_and_busy,
)  # fmt: skip


@virtual_clock
async def test_nothing_is_left_of_calls_that_came_by_sip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialog_table, "MAX_ENDED", 20)
    world: World

    async def ring(incoming: IncomingCall) -> None:
        world.rung.put_nowait(incoming)
        await over.wait()

    over = asyncio.Event()
    engine: Any = FakeEngine()
    settings = AgentConfig(OURS, max_new_per_s=10_000.0, max_calls=10_000)
    guard, trace = FloodGuard(on_event=count), SipTrace(100_000)
    with mock.patch("telephony.sip.endpoint.Transport", FakeTransport):
        agent = UserAgent(settings, engine, ring, trunks=TrunkRegistry(), guard=guard, trace=trace, on_event=count)
    world = World(agent, engine, [])
    await agent.start()

    async def call(number: int) -> None:
        peer = Peer(world, call_id=f"call-{number}")
        await KINDS[number % len(KINDS)](world, peer)
        over.set()
        await asyncio.sleep(0.05)
        over.clear()
        engine.sessions.clear()  # which are the test's
        world.transport.peers.clear()

    async def settle() -> None:
        await asyncio.sleep(200)  # the longest timers of transactions and of answers without ACK

    await grows(call, settle, 360, 1800, BLOCKS[0])
    assert agent.active_calls == 0
    await agent.stop()


# ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────


class House:
    """What `App` puts together, with a line, a voice and a backend of the test's."""

    def __init__(self, file: Path) -> None:
        self.records = Records.open(f"sqlite:///{file}")
        self.pages, self.webhook = PageSink(), WebhookSink(None)
        self.journal = Journal([RecordSink(self.records), MetricsSink(), LogSink(), self.pages, self.webhook])
        flow = Flow.parse(BANK)
        backend = Backend(writes=frozenset({"close_account"}))
        backend.answers["balance"] = {"owed": 12}
        understanding: Any = WantsTheOnlyTask(flow)
        loaded = LoadedFlow(flow, understanding, backend)  # type: ignore[arg-type]
        targets = HumanDialler(HandoverSettings(targets={"desk": "sip:desk@10.0.0.1"}, ring_s=20), self._dial)
        line: Any = self
        services = Services(line, VirtualVoice(), targets, AtOnce())  # type: ignore[arg-type]
        forensics = CallForensics(None)
        self.factory = CallFactory(services, {"bank": loaded}, loaded, self.journal, self.pages, forensics.remember)
        self.backend = backend
        self.heard: VirtualListener
        self.human: VirtualLeg | None = None

    def listen(self, rate_hz: int, on_event: Callable[[ListeningEvent], None]) -> VirtualListener:
        self.heard = VirtualListener(on_event)
        return self.heard

    async def _dial(self, uri: str, ring_s: float) -> Leg:
        await asyncio.sleep(1)
        if self.human is None:
            raise LegError(486, "Busy Here")
        leg: Any = self.human
        return leg

    async def quiet(self, leg: VirtualLeg) -> None:
        for _ in range(300):
            await asyncio.sleep(0.1)
            if leg.closed.done() or not (self.heard.prompt or leg.queued_samples):
                break

    async def says(self, leg: VirtualLeg, *texts: str) -> None:
        for text in texts:
            await self.quiet(leg)
            await self.heard.hears(Heard(text, 0.95))


class Ringing:
    """A call that is answered at once."""

    from_uri, to_uri = "sip:+15550100@x", "sip:demo@x"

    def __init__(self, leg: VirtualLeg) -> None:
        self._leg = leg

    async def answer(self) -> VirtualLeg:
        return self._leg


async def one_call(house: House, number: int) -> None:
    """Each of a few kinds in turn, by telephone and by browser."""
    leg, sent = VirtualLeg(f"leg-{number}"), list[str]()
    leg.send_data = sent.append  # type: ignore[attr-defined]
    house.human = VirtualLeg(f"human-{number}") if number % 5 == 3 else None
    incoming: Any = Ringing(leg)
    browser: Any = leg
    decision = RouteDecision("all", RouteTarget(flow="bank"), {}, ())
    by = house.factory.browser(browser) if number % 2 else house.factory.incoming(incoming, decision)
    running = asyncio.create_task(by)
    await asyncio.sleep(0.1)
    match number % 5:
        case 0:
            await leg.hang_up("caller")
        case 1:
            await house.says(leg, WISH, "yes", "no that is all")
            await house.quiet(leg)
            await leg.hang_up("caller")
        case 2 | 3:
            await house.says(leg, "a human please")
            await asyncio.sleep(20)
            if house.human is not None:
                await house.human.hang_up("human")
            await asyncio.sleep(5)
            await leg.hang_up("caller")
        case _:
            await asyncio.sleep(60)  # nothing is said at all
            await leg.hang_up("caller")
    await running


@virtual_clock
async def test_nothing_is_left_of_conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_forensics, "REMEMBERED", 20)
    house = House(tmp_path / "calls.db")
    house.records.start()
    house.webhook.start()
    house.journal.start()

    async def settle() -> None:
        house.backend.done.clear()  # which is the test's
        assert house.journal.flush(60)
        assert house.records._writer.flush(60)
        await asyncio.sleep(60)

    try:
        await grows(lambda number: one_call(house, number), settle, 60, 600, BLOCKS[1])
        assert len(await house.records.calls(1000)) == 660
    finally:
        house.journal.stop()
        house.records.stop()


# ── the test itself ──────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_what_is_left_of_each_call_is_seen() -> None:
    kept: list[object] = []

    async def nothing() -> None: ...

    async def keeps_an_object(number: int) -> None:
        kept.append(MediaStats())

    async def keeps_a_string(number: int) -> None:
        kept.append(f"call {number} of somebody who is long gone, and of whom nobody will ask " + "x" * 100)

    for leak in (keeps_an_object, keeps_a_string):
        with pytest.raises(AssertionError):
            await grows(leak, nothing, 10, 1800, BLOCKS[0])
