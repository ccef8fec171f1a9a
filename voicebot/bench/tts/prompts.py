"""What ``voicebot bench tts`` has spoken: prompts as a company's phone says them, by what is hard about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.bench.asr.line_conditions import read_manifest
from voicebot.errors import VoicebotError

MAX_PROMPTS = 1000


@dataclass(frozen=True, slots=True)
class BenchPrompt:
    kind: str
    """What is hard about it (`KINDS`), ``shipped``, ``file``, or a task of recordings."""
    text: str
    ahead: bool = False
    """It never changes, so a server speaks it before the first caller comes: in whole sentences."""


_SHORT = (
    "How can I help you today?", "What's your order number?", "Which day would suit you?", "And what time?",
    "Is that right?", "Of course. One moment, please.", "Sorry, I didn't get that.", "Is there anything else?",
    "Thank you for calling. Goodbye!", "Please hold the line.",
)  # fmt: skip
_LONG = (
    "I can look up an order, book an appointment, reset a password, or tell you our opening hours.",
    "Your order is being prepared in our warehouse, and we expect to deliver it to your office by the end of the week.",
    "I'm sorry, everybody is on another call just now, but I can take a message and somebody will call you back.",
    "Before we go on, I have to tell you that this call may be recorded to make our service better for you.",
    "The technician will come between nine and eleven in the morning; please make sure that somebody can let him in.",
    "For an installation we bring and set up what you bought, and for a repair we look at what is broken.",
    "If you'd rather talk to somebody, just say so at any time, and I will connect you with one of my colleagues.",
    "We're open from Monday to Friday, from nine in the morning to five in the afternoon, and closed at weekends.",
)  # fmt: skip
_NUMBERS = (
    "There are 16 items, and 60 more will follow.", "It is 3.5 kilometers from here.", "You are number 2 in the queue.",
    "We have 1,500 of them in stock.", "About 80 percent of callers need less than 4 minutes.",
    "The 1st and the 22nd are free.", "Please press 1 for sales, 2 for repairs, or 0 for a person.",
)  # fmt: skip
_DATES = (
    "Your appointment is on Tuesday the 24th of November.", "We deliver on March 3rd.",
    "You were born on July 4th, 1976.", "It should arrive on Friday the 1st of January.",
    "Your contract ends on the 31st of December 2027.",
)  # fmt: skip
_TIMES = (
    "That's 10:30 AM, is that right?", "We close at 5 PM.", "I could offer you 9:45 AM or 2:15 PM.",
    "We deliver between 13:00 and 15:30.", "The shop opens at noon on Sundays.", "Is 8:05 AM too early?",
)  # fmt: skip
_AMOUNTS = (
    "That's $1,245.20, is that right?", "The balance is $87.15.", "Shipping costs $5.", "You owe us $0.99.",
    "Your limit is $25,000.", "The deposit of $300 is paid back.",
)  # fmt: skip
_CODES = (
    "I have 4 7 1 1 0 2. Is that right?", "Your reference is K D 4 7 B.", "Your new phone ends in 9 0 5 8.",
    "Your reference is [pause 200ms][slow][spell: 7QX2M][/slow].", "The number is 8 3 2 0 1 4.",
    "Your ticket is [spell: AB1096].", "The postcode is 6 0 6 1 4.",
)  # fmt: skip
_PHONES = (
    "You can call us at +1 555 010 2030.", "I have 5 5 5 0 1 4 2 6 8 1. Is that right?",
    "We'll call you back at 555-0142.",
)  # fmt: skip
_EMAILS = (
    "I have anna.kowalski@example.com. Is that right?", "We'll write to info at northwind dot com.",
    "Did you say j.smith42@mail.example.org?", "I have mary-ann at example dot net.",
)  # fmt: skip
_NAMES = (
    "Thank you, Margaret Peacock.", "I'll connect you with Andrew Fuller.", "Did you say Steven Buchanan?",
    "Your adviser is Laura Callahan, in Portland, Oregon.", "A parcel for Robert King from Philadelphia has arrived.",
    "Doctor Williams is in Chicago until Thursday.", "Michael and Jennifer Thompson live in Springfield.",
    "The meeting with Katherine Anderson is in Boston.",
)  # fmt: skip
KINDS = {
    "short": _SHORT, "long": _LONG, "numbers": _NUMBERS, "dates": _DATES, "times": _TIMES, "amounts": _AMOUNTS,
    "codes": _CODES, "phones": _PHONES, "emails": _EMAILS, "names": _NAMES,
}  # fmt: skip
PROMPTS = tuple(BenchPrompt(kind, text) for kind, texts in KINDS.items() for text in texts)


def read(file: Path) -> tuple[BenchPrompt, ...]:
    """Prompts of a file, one a line. Raises VoicebotError: unreadable, or there are none or too many."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise VoicebotError(f"{file} cannot be read: {error}", "give a text file in UTF-8") from None
    found = tuple(BenchPrompt("file", line) for line in lines if any(c.isalnum() for c in line))
    if not 0 < len(found) <= MAX_PROMPTS:
        raise VoicebotError(f"{file} has {len(found)} prompts", f"write 1 to {MAX_PROMPTS}, one a line")
    return found


def of_tasks(names: Sequence[str], speech: Path) -> tuple[BenchPrompt, ...]:
    """Our prompts of these kinds, and what is said in recordings of these tasks, each text once.

    Raises:
        VoicebotError: there is no such kind or task.
    """
    found: list[BenchPrompt] = []
    for name in names:
        ours = [prompt for prompt in PROMPTS if prompt.kind == name]
        said = [] if ours else sorted({r.transcript for r in read_manifest(speech) if r.task == name})
        if not ours and not said:
            raise VoicebotError(
                f"{name!r} is no kind of prompt and no task in {speech}", f"choose one of: {', '.join(KINDS)}, shipped"
            )
        found += ours or [BenchPrompt(name, text) for text in said]
    return tuple(found[:MAX_PROMPTS])
