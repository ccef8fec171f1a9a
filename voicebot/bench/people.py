"""Callers of the demo company: what each wants and says. Digits, yes and no are recordings of people where present."""

from __future__ import annotations

import csv
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from telephony.codecs import RATE_HZ, Pcm
from voicebot.bench.persona import Persona, Rule
from voicebot.bench.sound import load_wav, synthesised, voiced
from voicebot.bench.turns import Kind, Step
from voicebot.demo.seed import employees, orders
from voicebot.mouth.mouth import Mouth
from voicebot.paths import speech_dir

SPEAKER = "allison"
"""Of the recorded digits: one person, all ten."""
GAP = np.zeros(RATE_HZ * 15 // 100, np.int16)
"""Between two dictated digits."""
EDGE = RATE_HZ // 20
"""Kept of a recording before and after its voice."""
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RESULT = re.compile(
    r"on its way|delivered|prepared|delay|cancel|can't find|password is|new one|free|booked|reference|available", re.I
)
"""An answer with this in it waited for the backend."""
_REQUESTS = {
    "order": ("Where is my order?", "I'd like to check on an order I placed.", "Has my order been shipped yet?"),
    "password": ("I forgot my password.", "I need to reset my password, please.", "I'm locked out of my account."),
    "appointment": ("I'd like to book an appointment.", "Can I make an appointment please?", "I need an appointment."),
    "hours": ("What are your opening hours?", "When do you close?", "Are you open on Saturday?"),
}
NAMES = tuple(_REQUESTS)
_DAYS = ("next Tuesday", "next Wednesday", "next Thursday", "next Monday")
_TIMES = ("ten thirty", "two o'clock in the afternoon", "eleven o'clock", "half past nine")
_SERVICES = ("an installation", "a repair", "some advice")


class Studio:
    """Makes the audio of what callers say; each text once.

    Args:
        mouth: started.
        speech: folder of recordings with a manifest.csv (path, task, transcript, speaker); may be missing.
    """

    def __init__(self, mouth: Mouth, speech: Path | None = None) -> None:
        self._mouth = mouth
        self._made: dict[str, Pcm] = {}
        self._clips = _recordings(speech_dir() if speech is None else speech)
        self.recorded = bool(self._clips)
        """Whether recordings of people are used."""

    async def step(self, kind: Kind, text: str) -> Step:
        """A step that says `text`: digits as single digits, yes and no as recordings, all else synthesised."""
        if text not in self._made:
            words = [WORDS[int(char)] for char in text] if text.isdigit() else [text]
            if all(word in self._clips for word in words):
                clips = [_trimmed(load_wav(self._clips[word])) for word in words]
                self._made[text] = np.concatenate([part for clip in clips for part in (clip, GAP)])
            else:
                self._made[text] = await synthesised(self._mouth, ", ".join(words) + ".")
        return Step(kind, text, self._made[text])


def _trimmed(pcm: Pcm) -> Pcm:
    first, last = voiced(pcm)
    return pcm[max(0, first - EDGE) : last + EDGE]


def _recordings(folder: Path) -> dict[str, Path]:
    """Word → recording, for digits, yes and no; empty when the recordings are not here."""
    try:
        with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for row in rows:
        if (row["task"] == "digit" and row["speaker"] == SPEAKER) or row["task"] == "yesno":
            found.setdefault(row["transcript"].strip().lower(), folder / row["path"])
    return found


async def caller(number: int, studio: Studio, recognise: Callable[[Pcm], Awaitable[str]]) -> tuple[str, Persona]:
    """The `number`-th caller of a load: his task takes turns, his data differ from his neighbours'."""
    name = NAMES[number % len(NAMES)]
    turn = number // len(NAMES)
    order, employee = orders()[turn % len(orders())], employees()[turn % len(employees())]

    async def rule(pattern: str, kind: Kind, *texts: str) -> Rule:
        return Rule(re.compile(pattern, re.I), tuple([await studio.step(kind, text) for text in texts]))

    request = _REQUESTS[name][turn % 3]
    rules = [
        await rule(r"anything else", "yesno", "no"),
        await rule(r"shall i|is that (right|correct)|did you say|do you (mean|want)|right\W*$|correct", "yesno", "yes"),
        await rule(r"employee|five.digit", "digits", employee.number),
        await rule(r"\bpin\b|four.digit|\bpen\b|key it in", "digits", employee.pin),
        await rule(r"order.number|six.digit|what's the order", "digits", order.number),
        await rule(r"repair|advice|installation", "free", _SERVICES[turn % 3]),
        await rule(r"(which|what) (day|date)|day would|a day|calendar", "free", _DAYS[turn % 4], *_DAYS),
        await rule(r"what time|time of day|o'clock|a time\b", "free", _TIMES[turn % 4], *_TIMES),
        await rule(r"help you|do for you|can ask|few words|understand", "free", request),
    ]
    return name, Persona(rules, recognise)


def sharpen(kind: Kind, heard: str) -> Kind:
    """The kind under which a turn counts: ``after-action`` when its answer had to wait for the backend."""
    return "after-action" if kind != "keys" and RESULT.search(heard) else kind
