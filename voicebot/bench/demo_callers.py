"""Callers of the demo company: what each wants and says. Digits, yes and no are recordings of people where present."""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.call_plan import CallerStep, TurnKind
from voicebot.bench.caller_audio import load_wav, synthesised, voiced
from voicebot.bench.persona import Persona, ReplyRule
from voicebot.demo.seed import employees, orders
from voicebot.paths import speech_dir
from voicebot.tts.synthesizer import Synthesizer

SPEAKER = "allison"
"""Of the recorded digits: one person, all ten."""
GAP = np.zeros(RATE_HZ * 15 // 100, np.int16)
"""Between two dictated digits."""
EDGE = RATE_HZ // 20
"""Kept of a recording before and after its voice."""
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_REQUESTS = {
    "order": ("Where is my order?", "I'd like to check on an order I placed.", "Has my order been shipped yet?"),
    "password": ("I forgot my password.", "I need to reset my password, please.", "I'm locked out of my account."),
    "appointment": ("I'd like to book an appointment.", "Can I make an appointment please?", "I need an appointment."),
    "hours": ("What are your opening hours?", "When do you close?", "Are you open on Saturday?"),
}
NAMES = tuple(_REQUESTS)
_QUESTIONS = {
    "request": (
        "how can i help you today",
        "what can i do for you",
        "you can ask about an order",
        "such as where is my",
    ),
    "order": ("whats your order number", "it has six digits", "six digits of your order", "whats the order number"),
    "employee": ("five digit employee number", "your employee number", "an employee number has five digits"),
    "pin": ("your four digit pin", "key it in so nobody hears it", "four digits of your pin"),
    "service": ("an installation a repair or some advice", "for an installation a repair or advice"),
    "day": ("which day would suit you", "what day would you like to come", "third of march", "which day in that time"),
    "time": ("and what time", "what time of day would you like", "half past ten", "ten thirty", "eleven oclock"),
    "check": ("is that right", "is that correct", "did you say", "do you mean"),
    "offer": ("shall i book it", "shall i take that"),
    "else": ("is there anything else i can do for you",),
    "goodbye": ("thank you for calling goodbye", "ill connect you with a colleague", "let me get a colleague"),
}
"""What the demo company asks; matched by likeness, because it is heard over the telephone."""
_DAYS = ("next Tuesday", "next Wednesday", "next Thursday", "next Monday")
_TIMES = ("ten thirty", "two o'clock in the afternoon", "eleven o'clock", "half past nine")
_SERVICES = ("an installation", "a repair", "some advice")


class CallerSpeech:
    """Makes the audio of what callers say; each text once.

    Args:
        synthesizer: started.
        speech: folder of recordings with a manifest.csv (path, task, transcript, speaker); may be missing.
    """

    def __init__(self, synthesizer: Synthesizer, speech: Path | None = None) -> None:
        self._synthesizer = synthesizer
        self._made: dict[str, Pcm] = {}
        self._clips = _recordings(speech_dir() if speech is None else speech)
        self.recorded = bool(self._clips)
        """Whether recordings of people are used."""

    async def step(self, kind: TurnKind, text: str) -> CallerStep:
        """A step that says `text`: digits as single digits, yes and no as recordings, all else synthesised."""
        if text not in self._made:
            words = [WORDS[int(char)] for char in text] if text.isdigit() else [text]
            if all(word in self._clips for word in words):
                clips = [_trimmed(load_wav(self._clips[word])) for word in words]
                self._made[text] = np.concatenate([part for clip in clips for part in (clip, GAP)])
            else:
                self._made[text] = await synthesised(self._synthesizer, ", ".join(words) + ".")
        return CallerStep(kind, text, self._made[text])


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


async def caller(number: int, studio: CallerSpeech, recognise: Callable[[Pcm], Awaitable[str]]) -> tuple[str, Persona]:
    """The `number`-th caller of a load: his task takes turns, his data differ from his neighbours'."""
    name = NAMES[number % len(NAMES)]
    turn = number // len(NAMES)
    order, employee = orders()[turn % len(orders())], employees()[turn % len(employees())]

    async def rule(questions: tuple[str, ...], kind: TurnKind, *texts: str, after_action: bool = False) -> ReplyRule:
        return ReplyRule(questions, tuple([await studio.step(kind, text) for text in texts]), after_action)

    rules = [
        await rule(_QUESTIONS["request"], "free", _REQUESTS[name][turn % 3]),
        await rule(_QUESTIONS["order"], "digits", order.number),
        await rule(_QUESTIONS["employee"], "digits", employee.number),
        await rule(_QUESTIONS["pin"], "digits", employee.pin),
        await rule(_QUESTIONS["service"], "free", _SERVICES[turn % 3]),
        await rule(_QUESTIONS["day"], "free", _DAYS[turn % 4], *_DAYS),
        await rule(_QUESTIONS["time"], "free", _TIMES[turn % 4], *_TIMES),
        await rule(_QUESTIONS["check"], "yesno", "yes"),
        await rule(_QUESTIONS["offer"], "yesno", "yes", after_action=True),
        await rule(_QUESTIONS["else"], "yesno", "no", after_action=name != "hours"),
        ReplyRule(_QUESTIONS["goodbye"]),
    ]
    return name, Persona(rules, recognise)
