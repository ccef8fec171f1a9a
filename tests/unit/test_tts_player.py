"""A call's player: what is played, stopped, gone on with, and known to have been heard. Time is stepped by hand."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from telephony.leg import Pcm
from tests.unit.player_support import RATE_HZ, FakeSynthesizer, World, player_of, ramp, settle, words
from voicebot.errors import EngineFailed
from voicebot.messages import Say
from voicebot.tts.playback import AHEAD_S, FADE_MS
from voicebot.tts.player import PlayedPrompt, Player
from voicebot.tts.synthesizer import PromptChunk

FADE = RATE_HZ * FADE_MS // 1000
"""Samples that follow when a prompt is stopped."""


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_prompt_is_played_whole_and_in_order(world: World) -> None:
    player = player_of(world, synthesizer := FakeSynthesizer(words("Hello there.", "How are you?")))
    task = asyncio.create_task(player.say(Say("Hello there. How are you?", name="greet")))
    await world.advance(1.0)
    assert player.playing
    await world.advance(1.2)
    assert task.result() == PlayedPrompt(True, "Hello there. How are you?", 0.0, 2.0)
    assert not player.playing
    assert np.array_equal(world.leg.heard[:16000], ramp(2.0))
    assert synthesizer.asked == [("Hello there. How are you?", RATE_HZ, "greet", False)]


async def test_say_ends_with_the_last_sample_and_not_before(world: World) -> None:
    player = player_of(world, FakeSynthesizer(words("Hi.", seconds=0.5)))
    task = asyncio.create_task(player.say(Say("Hi.")))
    await world.advance(0.48)
    assert not task.done()
    await world.advance(0.06)
    assert task.done()
    assert world.leg.queued_samples == 0


async def test_the_leg_never_holds_much_more_than_a_stall_needs(world: World) -> None:
    player = player_of(world, FakeSynthesizer(words("Long.", seconds=4)))
    task = asyncio.create_task(player.say(Say("Long.")))
    await world.advance(4.2)
    assert task.result().complete
    assert world.leg.most_queued <= AHEAD_S * RATE_HZ
    assert np.array_equal(world.leg.heard[:32000], ramp(4)), "and it never ran dry"


async def test_audio_leaves_before_the_rest_is_made(world: World) -> None:
    synthesizer = FakeSynthesizer(words("First.", "Second.", seconds=0.2), wait_after=1)
    task = asyncio.create_task(player_of(world, synthesizer).say(Say("First. Second.")))
    await world.advance(0.3)
    assert np.array_equal(world.leg.heard[:1600], ramp(0.2))
    assert not task.done(), "the voice has stumbled, the prompt is not over"
    synthesizer.more.set()
    await world.advance(0.3)
    assert task.result().complete
    assert task.result().duration_s == pytest.approx(0.4)


async def test_barge_in_silences_the_leg_at_once_and_tells_what_was_heard(world: World) -> None:
    player = player_of(world, synthesizer := FakeSynthesizer(words("One two three four.", "Five six.", seconds=2)))
    task = asyncio.create_task(player.say(Say("One two three four. Five six.")))
    await world.advance(1.1)
    player.stop()
    assert world.leg.queued_samples == FADE
    await settle()
    spoken = task.result()
    assert not spoken.complete
    assert spoken.heard == "One two"
    assert spoken.duration_s == pytest.approx(1.1)
    assert not player.playing
    await world.advance(0.5)
    assert not world.leg.heard[round(1.1 * RATE_HZ) + FADE :].any(), "nothing comes after it"
    assert world.pending_timers == 0
    assert synthesizer.closed


async def test_a_prompt_that_is_stopped_fades_from_where_it_was(world: World) -> None:
    player = player_of(world, FakeSynthesizer([PromptChunk(np.full(16000, 9000, np.int16), "Welcome.")]))
    task = asyncio.create_task(player.say(Say("Welcome.")))
    await world.advance(1.0)
    player.stop()
    await world.advance(0.1)
    assert not task.result().complete
    steps = np.diff(world.leg.heard[7990 : 8000 + FADE + 10].astype(int))
    assert 5 <= 1000 * np.count_nonzero(steps) / RATE_HZ <= 10, "milliseconds"
    assert steps.max() == 0 and steps.min() > -9000 * 3 / FADE, "smoothly, and never up"


async def test_nothing_fades_where_nothing_was_playing(world: World) -> None:
    player = player_of(world, FakeSynthesizer(words("One.", "Two.", seconds=0.2), wait_after=1))
    task = asyncio.create_task(player.say(Say("One. Two.")))
    await world.advance(0.5)  # the voice stumbles
    player.stop()
    assert world.leg.queued_samples == 0
    await settle()
    assert not task.result().complete, "although all that was made had been played"
    assert task.result().heard == "One."


async def test_a_pause_is_silent_and_resume_repeats_from_a_gap_between_words(world: World) -> None:
    audio = np.full(16000, 5000, np.int16)
    audio[5600:5920] = 0  # the only gap, at 0.70 s
    player = player_of(world, FakeSynthesizer([PromptChunk(audio, "Please hold on to something.")]))
    task = asyncio.create_task(player.say(Say("Please hold on to something.")))
    await world.advance(1.0)
    player.pause()
    assert world.leg.queued_samples == FADE
    await world.advance(0.6)
    assert not world.leg.heard[8000 + FADE :].any()
    assert player.playing
    player.resume()
    await world.advance(1.5)
    spoken = task.result()
    assert spoken.complete
    assert spoken.heard == "Please hold on to something."
    after = world.leg.heard[8000 + 4800 :][: 16000 - 5600]
    assert np.array_equal(after, audio[5600:]), "from the gap before the pause to the end, nothing lost"


async def test_a_pause_in_the_first_syllable_begins_again(world: World) -> None:
    player = player_of(world, FakeSynthesizer([PromptChunk(np.full(8000, 900, np.int16), "Welcome.")]))
    task = asyncio.create_task(player.say(Say("Welcome.")))
    await world.advance(0.1)
    player.pause()
    await world.advance(0.2)
    player.resume()
    await world.advance(1.1)
    assert task.result().complete
    assert np.count_nonzero(world.leg.heard[800 + FADE :]) == 8000


async def test_the_listener_learns_what_went_out_and_what_did_not(world: World) -> None:
    told: list[Pcm] = []
    unsent: list[int] = []
    player = Player(
        world.leg, FakeSynthesizer(words("Welcome to you all.", seconds=2)), world.call_later, lambda: world.now,
        on_play=told.append, on_flush=unsent.append,
    )  # fmt: skip
    task = asyncio.create_task(player.say(Say("Welcome to you all.")))
    await world.advance(1.0)
    player.pause()
    await world.advance(0.2)
    *given, fade = told
    sent = np.concatenate([np.concatenate(given)[: -unsent[0]], fade])
    assert np.array_equal(sent, world.leg.heard[: len(sent)])
    assert not world.leg.heard[len(sent) :].any()
    player.stop()
    await settle()
    assert unsent[1:] == [], "it was silent already"
    assert not task.result().complete


async def test_pausing_twice_and_resuming_twice_changes_nothing(world: World) -> None:
    player = player_of(world, FakeSynthesizer([PromptChunk(np.full(8000, 900, np.int16), "Welcome.")]))
    task = asyncio.create_task(player.say(Say("Welcome.")))
    await world.advance(0.1)
    player.pause()
    player.pause()
    player.resume()
    player.resume()
    await world.advance(1.1)
    assert task.result().complete
    assert np.array_equal(world.leg.heard[800 + FADE :][:8000], np.full(8000, 900))


async def test_false_alarms_one_after_the_other_do_not_keep_a_prompt_from_its_end(world: World) -> None:
    player = player_of(world, FakeSynthesizer([PromptChunk(np.full(24000, 900, np.int16), "Welcome to the show.")]))
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
    player = player_of(world, FakeSynthesizer(words("One two.", "Three.", seconds=1)))
    task = asyncio.create_task(player.say(Say("One two. Three.")))
    await world.advance(1.2)
    player.pause()
    await world.advance(0.2)
    player.stop()
    await settle()
    assert task.result().heard == "One two."
    assert not task.result().complete


async def test_a_prompt_paused_before_its_first_sound_waits(world: World) -> None:
    synthesizer = FakeSynthesizer(words("Hello.", seconds=0.2), wait_after=0)
    player = player_of(world, synthesizer)
    task = asyncio.create_task(player.say(Say("Hello.")))
    await settle()
    player.pause()
    synthesizer.more.set()
    await world.advance(0.5)
    assert not world.leg.heard.any()
    player.resume()
    await world.advance(0.3)
    assert task.result().complete


async def test_first_audio_is_measured_from_say(world: World) -> None:
    synthesizer = FakeSynthesizer(words("Hello.", seconds=0.2), wait_after=0)
    task = asyncio.create_task(player_of(world, synthesizer).say(Say("Hello.")))
    await world.advance(0.1)
    synthesizer.more.set()
    await world.advance(0.4)
    assert task.result().first_audio_ms == pytest.approx(100)


async def test_hanging_up_in_the_middle_ends_say(world: World) -> None:
    player = player_of(world, synthesizer := FakeSynthesizer(words("One two three four.", seconds=4)))
    task = asyncio.create_task(player.say(Say("One two three four.")))
    await world.advance(1.0)
    await world.leg.hang_up()
    await settle()
    assert not task.result().complete
    assert task.result().heard == "One"
    assert not player.playing
    assert synthesizer.closed
    assert world.pending_timers == 0


async def test_a_leg_that_is_gone_already_is_not_played_on(world: World) -> None:
    await world.leg.hang_up()
    spoken = await player_of(world, FakeSynthesizer(words("Hello."))).say(Say("Hello."))
    assert spoken == PlayedPrompt(False, "", 0.0, 0.0)


async def test_cancelling_say_silences_the_leg_and_closes_the_synthesis(world: World) -> None:
    player = player_of(world, synthesizer := FakeSynthesizer(words("One two three four.", seconds=4)))
    task = asyncio.create_task(player.say(Say("One two three four.")))
    await world.advance(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.leg.queued_samples == FADE
    assert not player.playing
    assert synthesizer.closed
    assert world.pending_timers == 0


async def test_a_failing_voice_is_told_after_what_there_was_is_played(world: World) -> None:
    player = player_of(world, FakeSynthesizer(words("Hello.", seconds=0.2), fail=True))
    task = asyncio.create_task(player.say(Say("Hello. More.")))
    await world.advance(0.4)
    with pytest.raises(EngineFailed):
        task.result()
    assert np.array_equal(world.leg.heard[:1600], ramp(0.2))
    assert not player.playing


async def test_a_prompt_with_nothing_to_say_is_over_at_once(world: World) -> None:
    assert await player_of(world, FakeSynthesizer([])).say(Say("…")) == PlayedPrompt(True, "…", 0.0, 0.0)


async def test_a_new_prompt_takes_the_place_of_the_old_one(world: World) -> None:
    first = FakeSynthesizer(words("One two three.", seconds=3))
    player = player_of(world, first)
    old = asyncio.create_task(player.say(Say("One two three.")))
    await world.advance(0.5)
    new = asyncio.create_task(player.say(Say("One two three.")))
    await world.advance(3.2)
    assert not old.result().complete
    assert new.result().complete
    assert np.array_equal(world.leg.heard[4000 + FADE :][:24000], ramp(3))


async def test_hold_music_goes_on_until_it_is_cancelled(world: World) -> None:
    player = player_of(world, FakeSynthesizer([]))
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
    assert world.leg.queued_samples == FADE
    assert not player.playing
