"""A backend that takes its time, in a real call: words come soon and again and again, and the line never goes dead."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.real.botrun import Ear, Wave, peak, phone
from tests.real.programs import until
from tests.real.test_engines_die import calm
from tests.unit.test_flows_flow import GOOD
from voicebot.app import App
from voicebot.calls.act_runner import FILLER_AFTER_S, PROGRESS_EVERY_S
from voicebot.config import Config
from voicebot.tts.espeak import Espeak
from voicebot.tts.mastering import PhraseMastering

pytestmark = [pytest.mark.models]
TOOK_S = 10.0
LOUD = 1000
"""Peak (int16) of a packet that holds speech; comfort noise stays under a tenth of it."""
PHONE_RTP, SERVER_RTP = 26400, 26600
BUSY_S = 0.4
"""By which a word may be late on a machine that does other things too."""
FLOW = GOOD.replace("      - ask: amount\n      - ask: pin\n", "").replace(
    'with: {amount: "{amount}", pin: "{pin}"}', "with: {kind: all}"
)
FLOW = FLOW.replace("            - retry: pin\n", "").replace('"paid {amount}"', "paid")
SLOTS = FLOW[FLOW.index("slots:") : FLOW.index("tasks:")]
ACTIONS = f"""
actions:
  pay: {{timeout_s: 30, python: {{function: "{__name__}:slowly", args: [kind]}}}}
"""


asked: list[float] = []
"""When the backend was asked (monotonic)."""


async def slowly(kind: str) -> dict[str, dict[str, int]]:
    asked.append(time.monotonic())
    await asyncio.sleep(TOOK_S)
    return {"balance": {"left": 40}}


@dataclass(frozen=True)
class Waited:
    """What the caller's end of the line got, in seconds after his own last word."""

    words: list[tuple[float, float]]
    """When speech began and ended, with 0.5 s of quiet between."""
    gaps: list[float]
    """Between packets."""
    quiet: list[Wave]
    """Packets without speech."""


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory) -> Waited:
    return asyncio.run(call(tmp_path_factory.mktemp("slow")))


async def call(folder: Path) -> Waited:
    (folder / "slow.yaml").write_text(FLOW.replace(SLOTS, ""))
    (folder / "slow.actions.yaml").write_text(ACTIONS)
    settings = {
        "flow": folder / "slow.yaml", "sip": {"port": 0}, "http": {"port": 0}, "tts": {"voice": "espeak"},
        "rtp": {"first_port": SERVER_RTP, "last_port": SERVER_RTP + 98},
        "handover": {"targets": {"reception": "sip:nobody@127.0.0.1:9"}},
        "record": {"database": f"sqlite:///{folder}/calls.db"},
    }  # fmt: skip
    app = await asyncio.to_thread(App, Config.model_validate(settings))
    await app.start()
    await calm()
    try:
        async with phone(PHONE_RTP) as agent:
            leg = await agent.call(f"sip:demo@127.0.0.1:{app.agent.port}")
            ear = Ear(leg)
            wish = spoken("I want to make a payment.")  # the bill of this voice is heard as a will or a meal
            while not asked:  # also the payment may be misheard, and is asked for again
                await until(lambda: time.monotonic() - (ear.last_loud(sent=False) or time.monotonic()) > 1)
                leg.play(wish)
                await until(lambda: leg.queued_samples == 0)
                said_s = time.monotonic()
                await until(lambda: bool(asked) or (ear.last_loud(sent=False) or 0) > said_s)  # noqa: B023 - at once
            ended_s = ear.last_loud(sent=True) or 0.0
            await until(lambda: time.monotonic() > asked[0] + TOOK_S + 3)
            await leg.hang_up()
    finally:
        await app.stop()
    return heard(ear, ended_s)


def spoken(text: str) -> Wave:
    """What the caller says, at 8000 Hz."""
    voice = Espeak()
    finisher = PhraseMastering(voice.rate_hz, 8000, 0.5, 0.0)
    blocks: list[Wave] = []

    def keep(block: Wave) -> bool:
        blocks.append(finisher.push(block))
        return True

    voice.synthesize(text, keep)
    return np.concatenate([*blocks, finisher.push(np.zeros(0, np.int16), last=True)])


def heard(ear: Ear, since_s: float) -> Waited:
    came = [(at_ns / 1e9 - since_s, wave) for sent, at_ns, wave in ear.packets if not sent and at_ns / 1e9 > since_s]
    words: list[tuple[float, float]] = []
    for at, wave in came:
        if peak(wave) > LOUD:
            if words and at - words[-1][1] < 0.5:
                words[-1] = (words[-1][0], at)
            else:
                words.append((at, at))
    times = [at for at, _ in came]
    return Waited(words, [b - a for a, b in itertools.pairwise(times)], [w for _, w in came if peak(w) <= LOUD])


def test_words_come_soon_and_go_on_until_the_answer(waited: Waited) -> None:
    filler, progress, answer = waited.words[:3]
    assert FILLER_AFTER_S < filler[0] < FILLER_AFTER_S + 0.6 + BUSY_S  # 0.6: the end of the turn and synthesis
    assert progress[0] - filler[1] == pytest.approx(PROGRESS_EVERY_S, abs=BUSY_S)
    assert TOOK_S < answer[0] < TOOK_S + 0.6 + BUSY_S + (progress[1] - progress[0])


def test_packets_come_all_the_time(waited: Waited) -> None:
    assert len(waited.gaps) > TOOK_S / 0.02
    assert np.quantile(waited.gaps, 0.99) < 0.06
    assert max(waited.gaps) < 0.02 + BUSY_S


def test_there_is_a_line_to_be_heard_between_the_words(waited: Waited) -> None:
    silent = [wave for wave in waited.quiet if not np.any(wave)]
    assert len(waited.quiet) > 200
    assert len(silent) < 0.05 * len(waited.quiet)
    level_db = 20 * np.log10(np.median([np.sqrt(np.mean(np.square(w, dtype=float))) for w in waited.quiet]) / 32768)
    assert -75 < level_db < -55
