"""A call's ladder as text for a terminal. What peers sent is cleaned of control characters before it gets here."""

from __future__ import annotations

from datetime import UTC, datetime

from .message_sequence import MessageSequence, SequenceStep

GAP = 44
"""Columns between two lifelines."""
MAX_PARTIES = 6


def text(story: MessageSequence) -> str:
    """The ladder: lifelines, arrows, notes under each message, and what came of it all."""
    if not story.steps:
        return f"nothing is known of call {story.call}\n"
    columns = _columns(story)
    when = datetime.fromtimestamp(story.began_s, UTC)
    lines = [f"Call {story.call}, {when:%Y-%m-%d %H:%M:%S} UTC", ""]
    lines += [f"  {fact}" for fact in story.facts]
    names = [f"us {story.local}" if party == "" else party for party in columns]
    lines += ["", " " * 9 + "".join(f"{name:<{GAP}}" for name in names).rstrip()]
    for step in story.steps:
        lines += _step(step, columns)
    return "\n".join(lines) + "\n"


def _columns(story: MessageSequence) -> list[str]:
    """The first party stands left of us, all others right; '' is us."""
    first, *others = story.parties or [""]
    return [first, "", *others][:MAX_PARTIES]


def _step(step: SequenceStep, columns: list[str]) -> list[str]:
    bars = "|".join(" " * (GAP - 1) for _ in columns[1:])
    empty = f"{'':9}|{bars}|"
    if not step.entry.data:
        return [f"{step.at_s:8.3f} * {step.label}"]
    us = columns.index("")
    other = columns.index(step.party) if step.party in columns else len(columns) - 1
    left, right = sorted((us, other))
    to_right = (step.entry.outgoing and other > us) or (not step.entry.outgoing and other < us)
    width = (right - left) * GAP - 1
    label = f" {step.label} "[: width - 4]
    tail = "-" * (width - len(label) - 3)
    arrow = f"--{label}{tail}>" if to_right else f"<-{label}{tail}-"
    start = 10 + left * GAP
    row = list(f"{step.at_s:8.3f} |{bars}|")
    row[start : start + width] = list(arrow)
    notes = [f"{empty[:start]}   {note}" for note in step.notes]
    via = step.entry.protocol.upper()
    return ["".join(row) + (f" {via}" if via != "UDP" else "") + ("  again" if step.repeated else ""), *notes]
