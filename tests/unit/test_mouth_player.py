"""A call's player: what is played, stopped, gone on with, and known to have been heard. Time is stepped by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Callable

import numpy as np
import pytest

from telephony.leg import AudioHandler, DtmfHandler, Pcm
from voicebot.errors import EngineFailed
from voicebot.events import Say
from voicebot.mouth.mouth import Piece
from voicebot.mouth.playback import AHEAD_S
from voicebot.mouth.player import Player, Spoken

RATE_HZ = 8000


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """Virtual time: a leg that sends 20 ms every 20 ms, and timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.leg = FakeLeg()
        self._timers: list[tuple[float, int, Callable[[], None], Handle]] = []
        self._numbers = itertools.count()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        assert seconds > 0
        handle = Handle()
        heapq.heappush(self._timers, (self.now + seconds, next(self._numbers), callback, handle))
        return handle

    async def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            await settle()
            self.now += 0.02
            self.leg.send_packet()
            while self._timers and self._timers[0][0] <= self.now + 1e-9:
                _, _, callback, handle = heapq.heappop(self._timers)
                if not handle.cancelled:
                    callback()
        await settle()

    @property
    def pending_timers(self) -> int:
        return sum(not handle.cancelled for *_, handle in self._timers)


async def settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


class FakeLeg:
    """A leg whose network is `send_packet`."""

    def __init__(self) -> None:
        self.id = "fake"
        self.peer = "fake"
        self.rate_hz = RATE_HZ
        self.on_audio: AudioHandler | None = None
        self.on_dtmf: DtmfHandler | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.played_samples = 0
        self.queue: Pcm = np.zeros(0, np.int16)
        self.line: list[Pcm] = []
        self.most_queued = 0

    @property
    def queued_samples(self) -> int:
        return len(self.queue)

    def play(self, pcm: Pcm) -> None:
        assert pcm.dtype == np.int16
        assert len(pcm)
        assert not self.closed.done()
        self.queue = np.concatenate([self.queue, pcm])
        self.most_queued = max(self.most_queued, len(self.queue))

    def flush(self) -> int:
        dropped = len(self.queue)
        self.queue = self.queue[:0]
        return dropped

    def send_packet(self) -> None:
        packet, self.queue = self.queue[:160], self.queue[160:]
        self.played_samples += len(packet)
        self.line.append(np.pad(packet, (0, 160 - len(packet))))

    def send_dtmf(self, keys: str) -> None:
        raise NotImplementedError

    async def hang_up(self, reason: str = "local") -> None:
        self.closed.set_result(reason)

    @property
    def heard(self) -> Pcm:
        return np.concatenate(self.line) if self.line else np.zeros(0, np.int16)


class FakeMouth:
    """Gives the pieces put into it: `wait_after` so many at once, the others when `more` is set."""

    def __init__(self, pieces: list[Piece], fail: bool = False, wait_after: int = 1000) -> None:
        self._pieces = pieces
        self._fail = fail
        self._wait_after = wait_after
        self.more = asyncio.Event()
        self.closed = False
        self.asked: list[tuple[str, int, str, bool]] = []

    async def pieces(
        self, text: str, rate_hz: int, name: str = "", secret: bool = False
    ) -> AsyncGenerator[Piece, None]:
        self.asked.append((text, rate_hz, name, secret))
        try:
            for number, piece in enumerate(self._pieces):
                if number >= self._wait_after:
                    await self.more.wait()
                yield piece
            if self._fail:
                raise EngineFailed("the voice is gone")
        finally:
            self.closed = True


def ramp(seconds: float, start: int = 1) -> Pcm:
    """Samples that tell where they come from: 1, 2, 3 …"""
    return np.arange(start, start + round(seconds * RATE_HZ), dtype=np.int64).astype(np.int16)


def words(*texts: str, seconds: float = 1.0) -> list[Piece]:
    return [Piece(ramp(seconds, 1 + round(i * seconds * RATE_HZ)), text) for i, text in enumerate(texts)]


def player_of(world: World, mouth: FakeMouth) -> Player:
    return Player(world.leg, mouth, call_later=world.call_later, clock=lambda: world.now)


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_prompt_is_played_whole_and_in_order(world: World) -> None:
    player = player_of(world, mouth := FakeMouth(words("Hello there.", "How are you?")))
    task = asyncio.create_task(player.say(Say("Hello there. How are you?", name="greet")))
    await world.advance(1.0)
    assert player.playing
    await world.advance(1.2)
    assert task.result() == Spoken(True, "Hello there. How are you?", 0.0, 2.0)
    assert not player.playing
    assert np.array_equal(world.leg.heard[:16000], ramp(2.0))
    assert mouth.asked == [("Hello there. How are you?", RATE_HZ, "greet", False)]


async def test_say_ends_with_the_last_sample_and_not_before(world: World) -> None:
    player = player_of(world, FakeMouth(words("Hi.", seconds=0.5)))
    task = asyncio.create_task(player.say(Say("Hi.")))
    await world.advance(0.48)
    assert not task.done()
    await world.advance(0.06)
    assert task.done()
    assert world.leg.queued_samples == 0


async def test_the_leg_never_holds_much_more_than_a_stall_needs(world: World) -> None:
    player = player_of(world, FakeMouth(words("Long.", seconds=4)))
    task = asyncio.create_task(player.say(Say("Long.")))
    await world.advance(4.2)
    assert task.result().complete
    assert world.leg.most_queued <= AHEAD_S * RATE_HZ
    assert np.array_equal(world.leg.heard[:32000], ramp(4)), "and it never ran dry"


async def test_audio_leaves_before_the_rest_is_made(world: World) -> None:
    mouth = FakeMouth(words("First.", "Second.", seconds=0.2), wait_after=1)
    task = asyncio.create_task(player_of(world, mouth).say(Say("First. Second.")))
    await world.advance(0.3)
    assert np.array_equal(world.leg.heard[:1600], ramp(0.2))
    assert not task.done(), "the voice has stumbled, the prompt is not over"
    mouth.more.set()
    await world.advance(0.3)
    assert task.result().complete
    assert task.result().duration_s == pytest.approx(0.4)


async def test_barge_in_silences_the_leg_at_once_and_tells_what_was_heard(world: World) -> None:
    player = player_of(world, mouth := FakeMouth(words("One two three four.", "Five six.", seconds=2)))
    task = asyncio.create_task(player.say(Say("One two three four. Five six.")))
    await world.advance(1.1)
    player.stop()
    assert world.leg.queued_samples == 0
    await settle()
    spoken = task.result()
    assert not spoken.complete
    assert spoken.heard == "One two"
    assert spoken.duration_s == pytest.approx(1.1)
    assert not player.playing
    await world.advance(0.5)
    assert not world.leg.heard[round(1.1 * RATE_HZ) :].any(), "nothing comes after it"
    assert world.pending_timers == 0
    assert mouth.closed


async def test_a_pause_is_silent_and_resume_repeats_from_a_gap_between_words(world: World) -> None:
    audio = np.full(16000, 5000, np.int16)
    audio[5600:5920] = 0  # the only gap, at 0.70 s
    player = player_of(world, FakeMouth([Piece(audio, "Please hold on to something.")]))
    task = asyncio.create_task(player.say(Say("Please hold on to something.")))
    await world.advance(1.0)
    player.pause()
    assert world.leg.queued_samples == 0
    await world.advance(0.6)
    assert not world.leg.heard[8000:].any()
    assert player.playing
    player.resume()
    await world.advance(1.5)
    spoken = task.result()
    assert spoken.complete
    assert spoken.heard == "Please hold on to something."
    after = world.leg.heard[8000 + 4800 :][: 16000 - 5600]
    assert np.array_equal(after, audio[5600:]), "from the gap before the pause to the end, nothing lost"


async def test_a_pause_in_the_first_syllable_begins_again(world: World) -> None:
    player = player_of(world, FakeMouth([Piece(np.full(8000, 900, np.int16), "Welcome.")]))
    task = asyncio.create_task(player.say(Say("Welcome.")))
    await world.advance(0.1)
    player.pause()
    await world.advance(0.2)
    player.resume()
    await world.advance(1.1)
    assert task.result().complete
    assert np.count_nonzero(world.leg.heard) == 800 + 8000


async def test_the_ears_learn_what_went_out_and_what_did_not(world: World) -> None:
    told: list[Pcm] = []
    unsent: list[int] = []
    player = Player(
        world.leg, FakeMouth(words("Welcome to you all.", seconds=2)), world.call_later, lambda: world.now,
        on_play=told.append, on_flush=unsent.append,
    )  # fmt: skip
    task = asyncio.create_task(player.say(Say("Welcome to you all.")))
    await world.advance(1.0)
    player.pause()
    await world.advance(0.2)
    sent = np.concatenate(told)[: -unsent[0]]
    assert np.array_equal(sent, world.leg.heard[: len(sent)])
    assert not world.leg.heard[len(sent) :].any()
    player.stop()
    await settle()
    assert unsent[1:] == [], "it was silent already"
    assert not task.result().complete


async def test_pausing_twice_and_resuming_twice_changes_nothing(world: World) -> None:
    player = player_of(world, FakeMouth([Piece(np.full(8000, 900, np.int16), "Welcome.")]))
    task = asyncio.create_task(player.say(Say("Welcome.")))
    await world.advance(0.1)
    player.pause()
    player.pause()
    player.resume()
    player.resume()
    await world.advance(1.1)
    assert task.result().complete
    assert np.count_nonzero(world.leg.heard) == 800 + 8000


async def test_false_alarms_one_after_the_other_do_not_keep_a_prompt_from_its_end(world: World) -> None:
    player = player_of(world, FakeMouth([Piece(np.full(24000, 900, np.int16), "Welcome to the show.")]))
    task = asyncio.create_task(player.say(Say("Welcome to the show.")))
    for _ in range(40):
        await world.advance(0.2)
        player.pause()
        await world.advance(0.1)
        player.resume()
    assert task.done()
    assert task.result().complete
    assert np.count_nonzero(world.leg.heard) < 2 * 24000, "and at most everything twice"


async def test_stop_while_paused_ends_it(world: World) -> None:
    player = player_of(world, FakeMouth(words("One two.", "Three.", seconds=1)))
    task = asyncio.create_task(player.say(Say("One two. Three.")))
    await world.advance(1.2)
    player.pause()
    await world.advance(0.2)
    player.stop()
    await settle()
    assert task.result().heard == "One two."
    assert not task.result().complete


async def test_a_prompt_paused_before_its_first_sound_waits(world: World) -> None:
    mouth = FakeMouth(words("Hello.", seconds=0.2), wait_after=0)
    player = player_of(world, mouth)
    task = asyncio.create_task(player.say(Say("Hello.")))
    await settle()
    player.pause()
    mouth.more.set()
    await world.advance(0.5)
    assert not world.leg.heard.any()
    player.resume()
    await world.advance(0.3)
    assert task.result().complete


async def test_first_audio_is_measured_from_say(world: World) -> None:
    mouth = FakeMouth(words("Hello.", seconds=0.2), wait_after=0)
    task = asyncio.create_task(player_of(world, mouth).say(Say("Hello.")))
    await world.advance(0.1)
    mouth.more.set()
    await world.advance(0.4)
    assert task.result().first_audio_ms == pytest.approx(100)


async def test_hanging_up_in_the_middle_ends_say(world: World) -> None:
    player = player_of(world, mouth := FakeMouth(words("One two three four.", seconds=4)))
    task = asyncio.create_task(player.say(Say("One two three four.")))
    await world.advance(1.0)
    await world.leg.hang_up()
    await settle()
    assert not task.result().complete
    assert task.result().heard == "One"
    assert not player.playing
    assert mouth.closed
    assert world.pending_timers == 0


async def test_a_leg_that_is_gone_already_is_not_played_on(world: World) -> None:
    await world.leg.hang_up()
    spoken = await player_of(world, FakeMouth(words("Hello."))).say(Say("Hello."))
    assert spoken == Spoken(False, "", 0.0, 0.0)


async def test_cancelling_say_silences_the_leg_and_closes_the_synthesis(world: World) -> None:
    player = player_of(world, mouth := FakeMouth(words("One two three four.", seconds=4)))
    task = asyncio.create_task(player.say(Say("One two three four.")))
    await world.advance(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.leg.queued_samples == 0
    assert not player.playing
    assert mouth.closed
    assert world.pending_timers == 0


async def test_a_failing_voice_is_told_after_what_there_was_is_played(world: World) -> None:
    player = player_of(world, FakeMouth(words("Hello.", seconds=0.2), fail=True))
    task = asyncio.create_task(player.say(Say("Hello. More.")))
    await world.advance(0.4)
    with pytest.raises(EngineFailed):
        task.result()
    assert np.array_equal(world.leg.heard[:1600], ramp(0.2))
    assert not player.playing


async def test_a_prompt_with_nothing_to_say_is_over_at_once(world: World) -> None:
    assert await player_of(world, FakeMouth([])).say(Say("…")) == Spoken(True, "…", 0.0, 0.0)


async def test_a_new_prompt_takes_the_place_of_the_old_one(world: World) -> None:
    first = FakeMouth(words("One two three.", seconds=3))
    player = player_of(world, first)
    old = asyncio.create_task(player.say(Say("One two three.")))
    await world.advance(0.5)
    new = asyncio.create_task(player.say(Say("One two three.")))
    await world.advance(3.2)
    assert not old.result().complete
    assert new.result().complete
    assert np.array_equal(world.leg.heard[4000:][:24000], ramp(3))


async def test_hold_music_goes_on_until_it_is_cancelled(world: World) -> None:
    player = player_of(world, FakeMouth([]))
    task = asyncio.create_task(player.hold_music())
    while not world.leg.queued_samples:  # it is composed in a thread the first time
        await asyncio.wait({task}, timeout=0.001)
    await world.advance(45)
    assert player.playing
    tail = world.leg.heard[-RATE_HZ:].astype(float)
    assert np.sqrt(np.mean(tail**2)) > 100, "still there after the round has ended twice"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.leg.queued_samples == 0
    assert not player.playing
