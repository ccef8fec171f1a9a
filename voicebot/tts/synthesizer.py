"""Speech synthesis of one process: text in, audio out; voices loaded once, prompts remembered."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np

from telephony.leg import Pcm
from voicebot import config, log
from voicebot.cache.cache_folder import CacheFolder
from voicebot.errors import EngineFailed
from voicebot.messages import Say
from voicebot.paths import models_dir
from voicebot.tts.audio_cache import AudioCache, AudioKey
from voicebot.tts.markup import SLOW
from voicebot.tts.phrase_job import PhraseJob
from voicebot.tts.phrasing import Phrase, split
from voicebot.tts.prompt_files import PromptFiles
from voicebot.tts.recorded_prompts import RecordedPrompts
from voicebot.tts.text_normalisation import LANGUAGE, speakable
from voicebot.tts.voice import Voice
from voicebot.tts.voices import choose_voices

WORKERS = 2
RATES_HZ = (8000, 16000)
"""Of a telephone and of a wideband phone or browser."""
FIRST_S = 0.025
"""A voice that gives a sentence at once gets as much of it first as takes this long."""
FIRST_CHARS = 22
"""So many characters of it before anything was measured."""
LEAST_FIRST_CHARS = 20
"""Three or four words, however slow the voice is: single words sound like a list."""
PACE_WEIGHT = 0.2
_SLOW = " slow"
MAX_CUTS = 2000
"""Texts of which the cuts are remembered."""
MAX_JOBS = 100
"""Phrases being synthesised or waiting for it; more are refused, so a flood cannot fill the memory."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """Audio of a prompt, in order."""

    pcm: Pcm
    text: str
    """Written words that begin with this audio and last until the next piece that has some; usually empty."""


class Synthesizer:
    """Speech for all calls of a process. Use it on one event loop only; synthesis runs in threads.

    Args:
        voices: tried in order for each phrase.
        recordings: prompts that need no voice.
        cache_bytes: memory for audio that was already made.
        advice: how to get a better voice.
        languages: voices for passages in other languages, by tag; where there are none, `voices` speak them.
        files: where audio of prompts that never change outlasts the process; None keeps none.
    """

    def __init__(
        self,
        voices: list[Voice],
        recordings: RecordedPrompts,
        cache_bytes: int,
        advice: str = "",
        languages: Mapping[str, list[Voice]] | None = None,
        files: CacheFolder | None = None,
    ) -> None:
        self._voices = voices
        self._languages = dict(languages or {})
        self._recordings = recordings
        self._cache = AudioCache(cache_bytes)
        versions = {known[0].engine.name: known[0].version for known in (voices, *self._languages.values())}
        self._files = None if files is None else PromptFiles(files, versions)
        self._char_s = FIRST_S / FIRST_CHARS
        """Seconds for a character that the voice takes to its first sound, if it gives all at once."""
        self._cuts: OrderedDict[str, list[Phrase]] = OrderedDict()
        """How texts were cut, so that their phrases are found again although the voice's pace is known better now."""
        self._kept: dict[tuple[str, int], Pcm] = {}
        self._jobs: dict[AudioKey, PhraseJob] = {}
        self._secret_jobs: set[PhraseJob] = set()
        self._executor: ThreadPoolExecutor | None = None
        self.advice = advice
        """How to get a better voice; empty when the best one speaks."""

    @classmethod
    def load(cls, settings: config.TtsSettings, files: CacheFolder | None = None) -> Synthesizer:
        """Load the voice and look through the recorded prompts; blocks for up to a few seconds.

        Args:
            settings: which voices, and how much they may remember.
            files: see the class.

        Raises:
            ModelMissing: a Piper voice is configured and not on this machine.
            EngineFailed: the configured voice is broken.
        """
        models = models_dir()
        voices, advice = choose_voices(settings, models)
        languages = {language: choose_voices(settings, models, language)[0] for language in settings.languages}
        recordings = RecordedPrompts(settings.recordings)
        return cls(voices, recordings, settings.cache_mb * 1_000_000, advice, languages, files)

    @property
    def voice_name(self) -> str:
        """Which voice speaks, for people: ``hibari 0.2.1 heart 165`` or ``espeak-ng en-us 165``."""
        return self._voices[0].engine.name

    @property
    def fault(self) -> str:
        """Why nothing can be spoken just now that was not spoken before; empty when all is well."""
        if any(voice.watch is None or voice.watch.usable for voice in self._voices):
            return ""
        return "mute: " + ", ".join(voice.engine.name for voice in self._voices) + " after faults"

    def start(self) -> None:
        """Start the worker threads."""
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="tts")

    def stop(self) -> None:
        """Stop the worker threads; what is being synthesised is cut off."""
        for job in [*self._jobs.values(), *self._secret_jobs]:
            job.abandon()
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None
        if self._files is not None:
            self._files.close()
        for voices in (self._voices, *self._languages.values()):
            for voice in voices:
                voice.close()

    async def keep_on_disk(self, prompts: Iterable[tuple[str, str]]) -> None:
        """Let the audio of these (name, text) outlast the process, and remove from disk what is not among it.

        Texts in which a caller's value stands have no place here.
        """
        if self._files is None:
            return
        phrases = [
            phrase for name, text in prompts if name not in self._recordings for phrase in self._cut_at_rest(text)
        ]
        keys = [(self._key(phrase, rate_hz)) for phrase in phrases if phrase.text for rate_hz in RATES_HZ]
        await self._files.keep_only((key, voices[0].engine.name) for key, voices in keys)

    async def keep(self, says: Iterable[Say]) -> None:
        """Record what must be there when no voice can speak: it stays in memory, at both rates, found by its name."""
        for say in says:
            for rate_hz in RATES_HZ:
                try:
                    blocks = [block async for block in self.speak(say.text, rate_hz, say.name)]
                    self._kept[say.name, rate_hz] = np.concatenate(blocks)
                except EngineFailed as error:
                    _log.error("not recorded", extra={"prompt": say.name, "error": str(error)})

    async def warm(self, prompts: Iterable[tuple[str, str]], rate_hz: int) -> int:
        """Speak (name, text) prompts into the cache, using at most half a core. Returns how many are ready then.

        What is on disk is left there until it is spoken in a call.
        """
        loop = asyncio.get_running_loop()
        ready = 0
        for name, text in prompts:
            self._cut_at_rest(text)
            if self._is_on_disk(text, rate_hz):
                ready += 1
                continue
            begun = loop.time()
            try:
                async for _ in self.speak(text, rate_hz, name):
                    pass
                ready += 1
            except EngineFailed as error:
                _log.warning("prompt not prepared", extra={"prompt": name, "error": str(error)})
            await asyncio.sleep(loop.time() - begun)
        return ready

    def leave_to_disk(self) -> None:
        """Forget audio that is on disk, too: what is spoken is read again, in less than a millisecond."""
        if self._files is not None:
            self._cache.forget(self._files.__contains__)

    async def speak(self, text: str, rate_hz: int, name: str = "", secret: bool = False) -> AsyncGenerator[Pcm, None]:
        """Audio of `text`, as blocks of any length: at once when remembered, otherwise as it is synthesised.

        Args:
            name: of the prompt; a recording of that name is played instead of `text`.
            secret: nothing of it is remembered.

        Raises:
            EngineFailed: no engine could speak it, or too much is waiting.
        """
        async with contextlib.aclosing(self.pieces(text, rate_hz, name, secret)) as pieces:
            async for piece in pieces:
                yield piece.pcm

    async def pieces(
        self, text: str, rate_hz: int, name: str = "", secret: bool = False
    ) -> AsyncGenerator[PromptChunk, None]:
        """As `speak`, with the words that belong to the audio."""
        recorded = self._kept.get((name, rate_hz))
        if recorded is None:
            recorded = await self._recorded(name, rate_hz)
        if recorded is not None:
            yield PromptChunk(recorded, text)
            return
        pause_ms = 0
        for phrase in self._cut(text, secret):
            if pause_ms:
                yield PromptChunk(np.zeros(rate_hz * pause_ms // 1000, np.int16), "")
            pause_ms = phrase.pause_ms
            if not phrase.text:
                continue
            words = phrase.text
            async with contextlib.aclosing(self._phrase(phrase, rate_hz, secret)) as blocks:
                async for block in blocks:
                    yield PromptChunk(block, words)
                    words = ""

    async def ahead(self, says: Iterable[Say], rate_hz: int) -> None:
        """Speak what of `says` is not in memory, as far as the first such phrase, so that it can begin at once.

        Cancelled, it gives up what nobody listens to. Secrets end it. Raises EngineFailed.
        """
        for say in says:
            if say.secret:
                return
            if say.name in self._recordings or (say.name, rate_hz) in self._kept:
                continue
            for phrase in self._cut(say.marked or say.text, secret=False):
                if phrase.text and self._key(phrase, rate_hz)[0] not in self._cache:
                    async with contextlib.aclosing(self._phrase(phrase, rate_hz, secret=False)) as blocks:
                        async for _ in blocks:
                            pass
                    return

    @property
    def quick(self) -> bool:
        """Speaking ahead gains nothing: the voice begins within a few milliseconds."""
        engine = self._voices[0].engine
        return engine.quick and not engine.clausewise

    def _cut(self, text: str, secret: bool) -> list[Phrase]:
        phrases = self._cuts.get(text)
        if phrases is None:
            phrases = split(text, self._first_chars)
            if not secret:
                self._cuts[text] = phrases
                while len(self._cuts) > MAX_CUTS:
                    self._cuts.popitem(last=False)
        return phrases

    def _cut_at_rest(self, text: str) -> list[Phrase]:
        """In whole sentences, as a voice speaks them best: what is made ahead need not begin soon."""
        phrases = self._cuts.get(text)
        if phrases is None:
            phrases = self._cuts[text] = split(text)
        return phrases

    def _is_on_disk(self, text: str, rate_hz: int) -> bool:
        if self._files is None:
            return False
        return all(
            self._key(phrase, rate_hz)[0] in self._files for phrase in self._cut(text, secret=False) if phrase.text
        )

    async def _recorded(self, name: str, rate_hz: int) -> Pcm | None:
        if name not in self._recordings:
            return None
        key = ("recording", name, rate_hz)
        clip = self._cache.get(key)
        if clip is None:
            try:
                clip = await asyncio.get_running_loop().run_in_executor(
                    self._workers, self._recordings.read, name, rate_hz
                )
            except EngineFailed as error:
                _log.error("recording left out", extra={"prompt": name, "error": str(error)})
                return None
            self._cache.put(key, clip)
        return clip

    async def _phrase(self, phrase: Phrase, rate_hz: int, secret: bool) -> AsyncGenerator[Pcm, None]:
        key, voices = self._key(phrase, rate_hz)
        clip = self._cache.get(key)
        if clip is None and self._files is not None and not secret:
            clip = await self._files.read(key)
            if clip is not None:
                self._cache.put(key, clip)
        if clip is not None:
            yield clip
            return
        async with contextlib.aclosing(self._job(key, voices, secret).listen()) as blocks:
            async for block in blocks:
                yield block

    def _key(self, phrase: Phrase, rate_hz: int) -> tuple[AudioKey, list[Voice]]:
        voices = self._languages.get(phrase.language, self._voices)
        words = speakable(phrase.text, date.today(), phrase.language or LANGUAGE)
        return (f"{voices[0].engine.name}{_SLOW if phrase.slow else ''}", words, rate_hz), voices

    def _job(self, key: AudioKey, voices: list[Voice], secret: bool) -> PhraseJob:
        """The synthesis of this phrase: the one under way for another call, or a new one."""
        job = self._jobs.get(key)
        if job is not None and not job.abandoned and not secret:
            return job
        if len(self._jobs) + len(self._secret_jobs) >= MAX_JOBS:
            raise EngineFailed("too much is waiting to be spoken")
        voice, words, rate_hz = key
        speed = SLOW if voice.endswith(_SLOW) else 1.0

        def ended(job: PhraseJob, whole: bool) -> None:
            self._secret_jobs.discard(job)
            if not secret:
                self._made(key, job, whole, voices)

        job = PhraseJob(voices, words, rate_hz, self._workers, ended, speed)
        if secret:
            self._secret_jobs.add(job)
        else:
            self._jobs[key] = job
        return job

    @property
    def _first_chars(self) -> int | None:
        """Of a sentence that a voice which gives all at once can speak in `FIRST_S`; None for one that streams."""
        if not self._voices[0].engine.clausewise:
            return None
        return max(LEAST_FIRST_CHARS, int(FIRST_S / self._char_s))

    def _made(self, key: AudioKey, job: PhraseJob, whole: bool, voices: list[Voice]) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]
        if whole and job.first_s and voices is self._voices:
            self._char_s += PACE_WEIGHT * (job.first_s / max(1, len(key[1])) - self._char_s)
        if whole and job.voice_name == voices[0].engine.name:  # a stand-in voice is not remembered
            self._cache.put(key, job.audio)
            if self._files is not None:
                self._files.write(key, job.audio)

    @property
    def _workers(self) -> ThreadPoolExecutor:
        if self._executor is None:
            raise EngineFailed("the synthesizer is not started")
        return self._executor
