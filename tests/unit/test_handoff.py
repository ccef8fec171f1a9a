"""Targets are reached or the reason is known; joined legs hear each other; the written summary arrives."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import pytest
from aiohttp import web

from telephony.leg import AudioHandler, DtmfHandler, Leg, LegError, Pcm
from telephony.media.stats import MediaStats
from telephony.sip_trace import TraceEntry
from voicebot.config import HandoverSettings
from voicebot.handoff import human_dialler
from voicebot.handoff.bridge import MAX_QUEUED_S, bridge
from voicebot.handoff.human_dialler import HumanDialler, NotReached, why_of
from voicebot.handoff.webhook import post_summary


class StepLeg:
    """A leg whose network is the test: it keeps what it is given."""

    def __init__(self, name: str, rate_hz: int = 8000) -> None:
        self.id = self.peer = name
        self.rate_hz = rate_hz
        self.on_audio: AudioHandler | None = None
        self.on_dtmf: DtmfHandler | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.played_samples = 0
        self.queue = np.zeros(0, np.int16)
        self.keys = ""
        self.connects: bool | LegError = False

    @property
    def queued_samples(self) -> int:
        return len(self.queue)

    def play(self, pcm: Pcm) -> None:
        self.queue = np.concatenate([self.queue, pcm])

    def flush(self) -> int:
        dropped, self.queue = len(self.queue), np.zeros(0, np.int16)
        return dropped

    def send_dtmf(self, keys: str) -> None:
        self.keys += keys

    def silence_excused(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    async def hang_up(self, reason: str = "local") -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    async def connect_to(self, other: Leg) -> bool:
        if isinstance(self.connects, LegError):
            raise self.connects
        if self.connects:
            await self.hang_up("transferred")
        return self.connects

    def stats(self) -> MediaStats:
        return MediaStats()

    def captured(self) -> list[TraceEntry] | None:
        return None


async def joined(caller: StepLeg, human: StepLeg) -> asyncio.Task[str]:
    task = asyncio.create_task(bridge(caller, human))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("status", "why"),
    [(486, "busy"), (600, "busy"), (603, "declined"), (408, "no-answer"), (480, "no-answer"), (404, "unreachable"),
     (503, "unreachable"), (500, "unreachable")],
)  # fmt: skip
def test_every_final_status_means_something_to_the_caller(status: int, why: str) -> None:
    assert why_of(status) == why


async def test_only_configured_targets_are_dialled() -> None:
    dialled: list[str] = []

    async def dial(uri: str, ring_s: float) -> Leg:
        dialled.append(uri)
        raise LegError(486, "Busy Here")

    board = HumanDialler(HandoverSettings(targets={"desk": "sip:desk@10.0.0.1"}), dial)
    with pytest.raises(NotReached) as refused:
        await board.reach("sip:premium@10.0.0.2")
    assert refused.value.why == "unreachable"
    assert dialled == []
    with pytest.raises(NotReached) as busy:
        await board.reach("desk")
    assert busy.value.why == "busy"
    assert dialled == ["sip:desk@10.0.0.1"]


async def test_a_queued_caller_waits_until_somebody_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(human_dialler, "AGAIN_S", 0.0)
    answers = [LegError(486, "Busy Here"), LegError(408, "No Answer"), StepLeg("desk")]

    async def dial(uri: str, ring_s: float) -> Leg:
        answer = answers.pop(0)
        if isinstance(answer, LegError):
            raise answer
        return answer

    board = HumanDialler(HandoverSettings(targets={"desk": "sip:desk@10.0.0.5"}, queue_s=30), dial)
    assert (await board.reach("desk", queue=True)).id == "desk"
    answers[:] = [LegError(486, "Busy Here"), StepLeg("desk")]
    with pytest.raises(NotReached, match="486"):
        await board.reach("desk")
    answers[:] = [LegError(404, "Not Found"), StepLeg("desk")]
    with pytest.raises(NotReached, match="404"):  # waiting would not help
        await board.reach("desk", queue=True)


async def test_audio_and_keys_go_both_ways_and_one_hanging_up_ends_both() -> None:
    caller, human = StepLeg("caller"), StepLeg("human")
    task = await joined(caller, human)
    tone = np.full(160, 1000, np.int16)
    assert caller.on_audio and human.on_audio and caller.on_dtmf
    caller.on_audio(tone)
    human.on_audio(-tone)
    caller.on_dtmf("5")
    assert np.array_equal(human.queue, tone)
    assert np.array_equal(caller.queue, -tone)
    assert human.keys == "5"
    await human.hang_up()
    assert await task == "human"
    assert caller.closed.done()
    assert caller.on_audio is None


async def test_a_browser_and_a_telephone_hear_each_other_at_their_own_rates() -> None:
    browser, phone = StepLeg("browser", 16000), StepLeg("phone", 8000)
    task = await joined(browser, phone)
    assert browser.on_audio and phone.on_audio
    sine = (8000 * np.sin(2 * np.pi * 440 * np.arange(1600) / 16000)).astype(np.int16)
    for block in np.split(sine, 5):
        browser.on_audio(block)
    assert 784 <= len(phone.queue) <= 800  # no more than 2 ms of delay
    assert np.abs(phone.queue).max() > 6000
    await browser.hang_up()
    assert await task == "caller"


async def test_a_leg_that_does_not_send_keeps_the_delay_bounded() -> None:
    caller, human = StepLeg("caller"), StepLeg("human")
    task = await joined(caller, human)
    assert caller.on_audio
    for _ in range(100):
        caller.on_audio(np.ones(160, np.int16))
    assert human.queued_samples <= MAX_QUEUED_S * 8000 + 160
    await caller.hang_up()
    await task


async def released(caller: StepLeg, human: StepLeg) -> asyncio.Task[str]:
    task = asyncio.create_task(bridge(caller, human, release=True))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_parties_that_can_be_connected_talk_on_without_us() -> None:
    caller, human = StepLeg("caller"), StepLeg("human")
    caller.connects = True
    task = await released(caller, human)
    assert await task == "released"
    assert caller.closed.result() == "transferred" and human.closed.done()


@pytest.mark.parametrize("connects", [False, LegError(603, "Decline")])
async def test_parties_that_cannot_be_connected_go_on_through_us(connects: bool | LegError) -> None:
    caller, human = StepLeg("caller"), StepLeg("human")
    caller.connects = connects
    task = await released(caller, human)
    assert not task.done() and caller.on_audio is not None
    await human.hang_up()
    assert await task == "human"


async def test_the_summary_is_posted_again_until_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[dict[str, str], str]] = []

    async def receive(request: web.Request) -> web.Response:
        seen.append((await request.json(), request.headers["Idempotency-Key"]))
        return web.Response(status=503 if len(seen) == 1 else 204)

    real_sleep = asyncio.sleep

    async def no_pause(_: float) -> None:
        await real_sleep(0)

    monkeypatch.setattr("voicebot.handoff.webhook.asyncio.sleep", no_pause)
    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        assert await post_summary(f"http://127.0.0.1:{port}/hook", {"summary": "order is late"}, "k-1")
    finally:
        await runner.cleanup()
    assert seen == [({"summary": "order is late"}, "k-1")] * 2
