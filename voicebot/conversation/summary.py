"""One or two spoken sentences for the human who takes over, and for the record. Secrets never."""

from __future__ import annotations

from voicebot.conversation.state import Memory
from voicebot.flows.default_prompts import spoken

_WHY = {
    "asked": "asked for a person",
    "failures": "could not be understood or helped several times",
    "backend": "could not be helped because one of our systems did not answer",
    "recognition": "could not be heard because our recognition broke",
    "synthesis": "could not be answered because our voice broke",
    "flow": "needs a person to go on",
    "route": "was put through to you at once",
}
MAX_LENGTH = 500


def summarise(memory: Memory, reason: str = "") -> str:
    """Who calls, what was wanted, what was done, what is open.

    Args:
        memory: the conversation's.
        reason: why a human is called; empty when none is.
    """
    who = _who(memory)
    parts: list[str] = []
    if memory.outcomes:
        parts.append(f"{who} was helped: {'; '.join(_bare(o) for o in memory.outcomes)}.")
        who = "The caller"
    if memory.frames:
        parts.append(f"{who} wants to {_open(memory)}.")
        who = "The caller"
    if reason:
        parts.append(f"{who} {_WHY.get(reason, 'needs a person')}.")
    elif not parts:
        parts.append(f"{who} did not say what was wanted.")
    return " ".join(" ".join(parts).split())[:MAX_LENGTH]


def _bare(text: str) -> str:
    return text.rstrip(". ")


def _who(memory: Memory) -> str:
    name, number = str(memory.caller.get("caller_name", "")), str(memory.caller.get("caller_number", ""))
    clean = "".join(c for c in name if c.isalnum() or c in " .'-")[:60].strip()
    digits = " ".join(c for c in number if c.isdigit() or c == "+")[:40]
    if clean and digits:
        return f"{clean}, calling from {digits},"
    return clean or (f"The caller from {digits}" if digits else "The caller")


def _open(memory: Memory) -> str:
    frame = memory.frames[-1]
    program = memory.flow.programs[frame.task]
    known: list[str] = []
    missing: list[str] = []
    for name in program.slots:
        slot = memory.flow.slots[name]
        label = slot.label or name.replace("_", " ")
        if slot.secret:
            continue
        if name in memory.slots and name not in memory.unchecked:
            known.append(f"{label} {spoken(slot, memory.slots[name])}")
        elif not missing:
            missing.append(label)
    text = program.about
    if known:
        text += f", with {', '.join(known)}"
    if missing:
        text += f"; the {missing[0]} is still missing"
    return text
