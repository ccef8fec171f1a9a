"""Prompts that outlast the process: those that never change, of this voice, and nothing that a caller has said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from tests.unit.test_tts_synthesizer import ToneEngine, whole
from voicebot.cache.cache_folder import CacheFolder
from voicebot.errors import EngineFailed
from voicebot.messages import Say
from voicebot.tts import prompt_files
from voicebot.tts.recorded_prompts import RecordedPrompts
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voice import Voice

PROMPTS = [("opening", "Welcome to the test. How can I help?"), ("bye", "Goodbye.")]


class Restarted:
    """A synthesizer over a folder, made again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.engine = ToneEngine()
        self.made: Synthesizer | None = None

    async def start(
        self, engine: ToneEngine | None = None, version: str = "1", prompts: Iterable[tuple[str, str]] = PROMPTS
    ) -> Synthesizer:
        self.stop()
        self.engine = engine or ToneEngine()
        voice = Voice(self.engine, 1.0, version=version)
        self.made = Synthesizer([voice], RecordedPrompts(None), 10_000_000, files=CacheFolder(self._folder, 10_000_000))
        self.made.start()
        await self.made.keep_on_disk(prompts)
        return self.made

    def stop(self) -> None:
        """Ends the threads, so that what waits is written."""
        if self.made is not None:
            self.made.stop()

    @property
    def files(self) -> set[str]:
        return {path.name for path in self._folder.iterdir()}


@pytest.fixture
def restarted(tmp_path: Path) -> Iterable[Restarted]:
    made = Restarted(tmp_path / "prompts")
    yield made
    made.stop()


async def test_after_a_restart_nothing_is_synthesised_that_was(restarted: Restarted) -> None:
    before = await restarted.start()
    assert await before.warm(PROMPTS, 8000) == 2
    first = await whole(before, PROMPTS[0][1])
    after = await restarted.start()
    assert await after.warm(PROMPTS, 8000) == 2
    assert restarted.engine.spoken == []
    assert np.array_equal(await whole(after, PROMPTS[0][1]), first)
    assert restarted.engine.spoken == []


async def test_nothing_is_read_before_it_is_spoken(restarted: Restarted, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await restarted.start()).warm(PROMPTS, 8000)
    reads: list[str] = []
    real = CacheFolder.read

    def read(self: CacheFolder, name: str) -> bytes | None:
        reads.append(name)
        return real(self, name)

    monkeypatch.setattr(CacheFolder, "read", read)
    after = await restarted.start()
    await after.warm(PROMPTS, 8000)
    assert reads == []
    await whole(after, "Goodbye.")
    await whole(after, "Goodbye.")
    assert len(reads) == 1


async def test_a_sentence_with_a_callers_value_is_never_written(restarted: Restarted) -> None:
    speaker = await restarted.start()
    for text in ("Your number is 4 7 1 1.", "Welcome to the test, Mr. Smith.", "Goodbye, Mr. Smith."):
        await whole(speaker, text)
    await whole(speaker, "Goodbye.", secret=True)
    await speaker.ahead([Say("Thank you, Mr. Smith.")], 8000)
    restarted.stop()
    assert restarted.files == set()


async def test_what_is_a_prompt_is_kept_when_a_call_speaks_it_first(restarted: Restarted) -> None:
    await whole(await restarted.start(), "Goodbye.", rate_hz=16000)
    restarted.stop()
    assert len(restarted.files) == 1


@pytest.mark.parametrize("change", ["voice", "version", "code", "prompts"])
async def test_what_is_stale_is_removed_at_the_next_start(
    restarted: Restarted, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    await (await restarted.start()).warm(PROMPTS, 8000)
    restarted.stop()
    before = restarted.files
    if change == "code":
        monkeypatch.setattr(prompt_files, "code_version", lambda _: "other")
    await restarted.start(
        ToneEngine("other" if change == "voice" else "tone"),
        "2" if change == "version" else "1",
        [("bye", "Good night.")] if change == "prompts" else PROMPTS,
    )
    assert before
    assert restarted.files == set()


async def test_what_stays_is_not_made_again_when_one_prompt_changes(restarted: Restarted) -> None:
    await (await restarted.start()).warm(PROMPTS, 8000)
    changed = [PROMPTS[0], ("bye", "Good night.")]
    after = await restarted.start(prompts=changed)
    await after.warm(changed, 8000)
    assert restarted.engine.spoken == ["Good night."]


async def test_a_torn_file_is_made_again(restarted: Restarted, tmp_path: Path) -> None:
    await (await restarted.start()).warm([PROMPTS[1]], 8000)
    restarted.stop()
    (name,) = restarted.files
    path = tmp_path / "prompts" / name
    path.write_bytes(path.read_bytes()[:-100])
    after = await restarted.start()
    assert len(await whole(after, "Goodbye.")) == pytest.approx(12000, abs=200)
    assert restarted.engine.spoken == ["Goodbye."]
    restarted.stop()
    assert restarted.files == {name}


async def test_what_a_stand_in_spoke_is_not_kept(restarted: Restarted, tmp_path: Path) -> None:
    voices = [Voice(ToneEngine("best", broken=True), 1.0, version="1"), Voice(ToneEngine(), 1.0, version="1")]
    folder = CacheFolder(tmp_path / "prompts", 10_000_000)
    speaker = Synthesizer(voices, RecordedPrompts(None), 10_000_000, files=folder)
    speaker.start()
    await speaker.keep_on_disk(PROMPTS)
    await whole(speaker, "Goodbye.")
    speaker.stop()
    assert restarted.files == set()


async def test_what_a_voice_that_nobody_can_tell_the_version_of_spoke_is_not_kept(restarted: Restarted) -> None:
    await (await restarted.start(version="")).warm(PROMPTS, 8000)
    restarted.stop()
    assert restarted.files == set()


async def test_a_prompt_that_was_cut_off_is_not_kept(restarted: Restarted) -> None:
    speaker = await restarted.start()
    restarted.engine.gate.clear()
    stream = speaker.speak("Goodbye.", 8000)
    await anext(stream)
    await stream.aclose()
    restarted.engine.gate.set()
    await asyncio.sleep(0)
    restarted.stop()
    assert restarted.files == set()


async def test_a_full_folder_costs_nothing_but_the_next_start(restarted: Restarted, tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "prompts", 100)
    speaker = Synthesizer([Voice(ToneEngine(), 1.0, version="1")], RecordedPrompts(None), 10_000_000, files=folder)
    speaker.start()
    await speaker.keep_on_disk(PROMPTS)
    assert len(await whole(speaker, "Goodbye.")) > 0
    speaker.stop()
    assert restarted.files == set()


async def test_the_apology_is_there_after_a_restart_although_the_voice_is_broken(restarted: Restarted) -> None:
    sorry = Say("I'm sorry.", name="sorry")
    prompts = [*PROMPTS, (sorry.name, sorry.text)]
    await (await restarted.start(prompts=prompts)).keep([sorry])
    after = await restarted.start(ToneEngine(broken=True), prompts=prompts)
    await after.keep([sorry])
    assert len(await whole(after, sorry.text, name="sorry")) > 0
    with pytest.raises(EngineFailed):
        await whole(after, "Something else.")


async def test_what_is_on_disk_need_not_stay_in_memory(restarted: Restarted) -> None:
    speaker = await restarted.start()
    await speaker.warm(PROMPTS, 8000)
    await whole(speaker, "Thank you, Mr. Smith.")
    first = await whole(speaker, "Goodbye.")
    restarted.made = None
    assert speaker._files is not None
    speaker._files.close()
    speaker.leave_to_disk()
    assert len(speaker._cache) == 1  # the sentence that is on no disk
    after = await restarted.start()
    assert np.array_equal(await whole(after, "Goodbye."), first)
    speaker.stop()
