"""The natural voice in a call of baresip: understood by our own recogniser, and fading when the caller interrupts.

``VOICEBOT_PICTURE=docs/images/barge-in.png`` draws the call that was heard.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soxr

from tests.real.baresip import RATE_HZ, Baresip, Wave, flite
from tests.real.programs import until
from tests.real.server import demo
from voicebot.asr.moonshine import Moonshine
from voicebot.bench.asr.error_rates import errors
from voicebot.bench.caller_audio import segments
from voicebot.bench.tts.run import words
from voicebot.messages import Expect
from voicebot.paths import models_dir

pytestmark = [pytest.mark.peer("baresip", "flite"), pytest.mark.models]

VOICED = 300
"""Above comfort noise."""


@dataclass(frozen=True)
class HeardCall:
    greeting: Wave
    greeted: str
    """What was said, as the record has it."""
    interrupted: Wave
    """All that came from the interrupted prompt's beginning to the next."""
    engines: str


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> HeardCall:
    folder = tmp_path_factory.mktemp("voice")
    with demo(folder / "data") as server:
        greeting, interrupted = asyncio.run(interrupting(server.uri, folder))
        told = [row["turn"] for row in server.record()["turns"]]
    said = itertools.takewhile(lambda turn: turn["speaker"] == "bot", told)
    return HeardCall(greeting, " ".join(turn["text"] for turn in said), interrupted, server.banner)


async def interrupting(uri: str, folder: Path) -> tuple[Wave, Wave]:
    """What was heard of the greeting, and of the prompt that the caller interrupts."""
    async with Baresip(folder).running() as phone:
        await phone.dial(uri)
        greeting = await phone.answer()
        await phone.say(flite("What are your opening hours?", folder))
        begun = phone.listened

        def speaking_s() -> float:
            loud = np.flatnonzero(np.abs(phone.heard()[begun:].astype(int)) > VOICED)
            return float(loud[-1] - loud[0]) / RATE_HZ if len(loud) else 0.0

        await until(lambda: speaking_s() > 2.0)
        await phone.say(flite("Sorry, where is my order?", folder))
        await phone.answer()
        interrupted = phone.heard()[begun:]
        await phone.hang_up()
    return greeting, interrupted


def pauses(audio: Wave, at_least_s: float) -> list[tuple[int, int]]:
    """Stretches without voice, that at the end included: [begin, end) in samples."""
    loud = np.append(np.flatnonzero(np.abs(audio.astype(int)) > VOICED), len(audio))
    gaps = np.flatnonzero(np.diff(loud) > at_least_s * RATE_HZ)
    return [(int(loud[gap]) + 1, int(loud[gap + 1])) for gap in gaps]


def test_the_natural_voice_answers_and_a_recogniser_understands_it(call: HeardCall) -> None:
    assert "speaks with hibari" in call.engines
    recogniser = Moonshine(models_dir() / "moonshine-tiny-en")
    parts = [soxr.resample(part.astype(np.float32) / 32768, RATE_HZ, 16000) for part in segments(call.greeting)]
    found = [recogniser.recognise(part, Expect(), lambda: False) for part in parts]
    heard = " ".join(one.text for one in found if one is not None)
    print(f"said {call.greeted!r}, heard {heard!r}")
    said = words(call.greeted)
    assert errors(said, words(heard)) / len(said) < 0.2


def test_a_prompt_into_which_the_caller_speaks_dies_away_in_ten_milliseconds(call: HeardCall) -> None:
    """The last 10 ms hold less and less of the voice; before them it is as loud as before."""
    end, _ = next((begin, end) for begin, end in pauses(call.interrupted, 0.4) if begin > RATE_HZ)
    if (picture := os.environ.get("VOICEBOT_PICTURE")) is not None:
        draw(call.interrupted, end, Path(picture))
    last = np.abs(call.interrupted[end - 80 : end].astype(float)).reshape(4, 20).max(1)
    before = np.abs(call.interrupted[end - 480 : end - 80].astype(float)).max()
    assert before > VOICED
    assert last[-1] < 0.5 * before, "no cut in the middle of a wave"


def draw(audio: Wave, end: int, file: Path) -> None:
    """Spectrogram of two seconds around the interruption, and the waveform of its last moments."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(9, 5), layout="constrained")
    begin = max(0, end - 12000)
    part = audio[begin : end + 8000].astype(float) / 32768
    upper.specgram(part + 1e-6, NFFT=256, noverlap=192, Fs=RATE_HZ, xextent=(
        (begin - end) / RATE_HZ, (len(part) + begin - end) / RATE_HZ), vmin=-130, vmax=-40, cmap="magma")  # fmt: skip
    upper.set(title="What the caller hears when he interrupts", ylabel="Hz", xlabel="seconds from the end of the voice")
    shown = audio[end - 400 : end + 120].astype(float) / 32768
    lower.plot((np.arange(len(shown)) - 400) / RATE_HZ * 1000, shown, linewidth=0.9)
    lower.axvspan(-8, 0, color="tab:orange", alpha=0.25)
    lower.set(xlabel="milliseconds from the end of the voice; marked: the fade of 8 ms", ylabel="of full scale")
    lower.margins(x=0)
    figure.savefig(file, dpi=80)
