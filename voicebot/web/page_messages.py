"""What server and browser phone say to each other over the data channel of a call: one JSON object a message.

To the page: `state`, `said`, `redacted`, `step`, `turn`, `outcome`. From it: `KeyPress` and `Bye`, read by `parse`.
The page shows every text as text, never as markup; lengths are bounded here, so that no field floods it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MAX_TEXT = 2000
"""Characters of one text field; more is cut."""
MAX_MESSAGE = 256
"""Characters of a message from the page; a key press needs thirty."""
KEYS = "0123456789*#ABCD"

CallState = Literal["ringing", "answered", "on hold", "with a person", "ended"]
Who = Literal["bot", "caller"]


def state(state: str, call: str) -> str:
    """The call is in this `CallState` now. `call` is the id that the logs use."""
    return _json({"type": "state", "state": _cut(state), "call": _cut(call)})


def said(who: Who, text: str, partial: bool = False, unsure: Sequence[int] = (), number: int = 0) -> str:
    """Words of one side. A partial text is replaced by the next text of the same side.

    Args:
        number: of the event in the call, by which `redacted` names it.
        unsure: places of the words that recognition has guessed, counted from 0; spaces part words.
    """
    guessed = {"unsure": list(unsure)} if unsure else {}
    named = {"number": number} if number else {}
    return _json({"type": "said", "who": who, "text": _cut(text), "partial": partial} | named | guessed)


def redacted(number: int, text: str) -> str:
    """What stands from now on in place of the words that were `said` with this number."""
    return _json({"type": "redacted", "number": number, "text": _cut(text)})


def step(flow: str, step: str, intent: str, confidence: float, slots: Mapping[str, str]) -> str:
    """Where the dialog stands: flow, step, intent with its confidence (0..1), and the slots filled so far."""
    return _json(
        {
            "type": "step",
            "flow": _cut(flow),
            "step": _cut(step),
            "intent": _cut(intent),
            "confidence": round(confidence, 3),
            "slots": {_cut(name): _cut(value) for name, value in slots.items()},
        }
    )


def turn(latency_ms: float, stages: dict[str, float]) -> str:
    """One turn was answered: voice-to-voice `latency_ms`, and what each stage of it took (name → milliseconds).

    Stages that the page has a colour for: ``endpoint``, ``asr``, ``dialog``, ``action``, ``tts``.
    """
    rounded = {_cut(name): round(ms, 1) for name, ms in stages.items()}
    return _json({"type": "turn", "latency_ms": round(latency_ms, 1), "stages": rounded})


def outcome(text: str) -> str:
    """What came of the call, in words."""
    return _json({"type": "outcome", "text": _cut(text)})


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key of the page's keypad."""

    key: str
    """One of `KEYS`."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The caller hung up."""


def parse(message: str) -> KeyPress | Bye | None:
    """Read a message of the page, which may be anything. None for whatever it should not have sent."""
    if len(message) > MAX_MESSAGE:
        return None
    try:
        data = json.loads(message)
    except (ValueError, RecursionError):
        return None
    match data:
        case {"type": "key", "key": str(key)} if len(key) == 1 and key in KEYS:
            return KeyPress(key)
        case {"type": "bye"}:
            return Bye()
        case _:
            return None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
