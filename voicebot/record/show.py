"""Call records as text for the terminal. What callers and peers sent cannot steer the terminal: it is escaped."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from voicebot.record.rows import ActionRow, CallDetail, CallRow, EventRow, TurnRow

_WIDEST = 40
_INDENT = " " * 19


def calls_text(rows: Sequence[CallRow], tz: tzinfo | None = None) -> str:
    """The list of calls as a table, one line a call.

    Args:
        rows: as `Records.calls` gives them.
        tz: time zone of the times shown; the local one by default.
    """
    if not rows:
        return "no calls recorded yet\n"
    heads = ("CALL", "STARTED", "LENGTH", "BY", "CALLER", "TURNS", "OUTCOME", "DONE")
    lines = [
        (
            row.call_id,
            _when(row.started_at, tz),
            _length(row),
            row.channel,
            row.caller,
            str(row.turns),
            _outcome(row),
            ", ".join(row.resolved) or "-",
        )
        for row in rows
    ]
    return table(heads, lines, right={2, 5})


def call_text(detail: CallDetail, tz: tzinfo | None = None) -> str:
    """One call in full: who, what came of it, the transcript with confidence and timings, slots, actions, media."""
    call = detail.call
    head = {
        "call": call.call_id,
        "started": f"{_when(call.started_at, tz)}, {_length(call)} long",
        "caller": f"{call.caller} ({call.channel}) called {call.called}",
        "flow": call.flow + (f" ({call.flow_hash[:12]})" if call.flow_hash else ""),
        "outcome": _outcome(call) + (f": {call.reason}" if call.reason else ""),
        "done": ", ".join(call.resolved) or "-",
        "summary": detail.summary or "-",
    }
    events: list[tuple[float, str]] = [(row.at, _turn(row, call.started_at)) for row in detail.turns]
    events += [(row.at, _action(row, call.started_at)) for row in detail.actions]
    parts = [_pairs(head), "\n".join(text for _, text in sorted(events, key=lambda event: event[0]))]
    for title, values in (("slots", detail.slots), ("media", detail.media)):
        if values:
            parts.append(f"{title}\n" + _pairs(values, "  "))
    return "\n\n".join(part for part in parts if part) + "\n"


def events_text(rows: Sequence[EventRow], tz: tzinfo | None = None) -> str:
    """The events of a call as a table, one line an event, its data as JSON in full."""
    if not rows:
        return "no events recorded\n"
    lines = [
        (
            str(row.number),
            datetime.fromtimestamp(row.at, tz).strftime("%H:%M:%S.%f")[:-3],
            row.kind,
            str(row.version),
            json.dumps(row.data, ensure_ascii=False),
        )
        for row in rows
    ]
    return table(("NO", "AT", "EVENT", "V", "DATA"), lines, right={0, 3}, whole={4})


def server_events_text(rows: Sequence[EventRow], tz: tzinfo | None = None) -> str:
    """Events of no call as a table, one line an event, its data as JSON in full."""
    if not rows:
        return "no such events recorded\n"
    lines = [(_when(row.at, tz), row.kind, json.dumps(row.data, ensure_ascii=False)) for row in rows]
    return table(("AT", "EVENT", "DATA"), lines, whole={2})


def table(
    heads: Sequence[str],
    lines: Iterable[Sequence[str]],
    right: Collection[int] = (),
    whole: Collection[int] = (),
) -> str:
    """Columns as wide as what is in them, two blanks apart.

    Args:
        heads: the first line.
        lines: the others.
        right: columns that are aligned to the right.
        whole: columns that may be wider than 40.
    """
    cells = [
        [safe(cell) if i in whole else _fit(safe(cell)) for i, cell in enumerate(line)] for line in (heads, *lines)
    ]
    widths = [max(width(line[i]) for line in cells) for i in range(len(heads))]
    text = ""
    for line in cells:
        padded = []
        for i, cell in enumerate(line):
            blanks = " " * (widths[i] - width(cell))
            padded.append(blanks + cell if i in right else cell + blanks)
        text += "  ".join(padded).rstrip() + "\n"
    return text


def safe(text: str) -> str:
    """One line without anything that a terminal obeys: control, bidirectional and other format characters."""
    return "".join(" " if c in "\n\r\t" else "�" if unicodedata.category(c) in _OBEYED else c for c in text)


_OBEYED = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(bool(unicodedata.combining(c)) for c in text)


def _fit(text: str) -> str:
    if width(text) <= _WIDEST:
        return text
    while width(text) >= _WIDEST:
        text = text[:-1]
    return text + "…"


def _when(at: float, tz: tzinfo | None) -> str:
    return datetime.fromtimestamp(at, tz).strftime("%Y-%m-%d %H:%M:%S")


def _length(row: CallRow) -> str:
    if row.ended_at is None:
        return "-"
    seconds = max(0, round(row.ended_at - row.started_at))
    return f"{seconds // 60}:{seconds % 60:02d}"


def _outcome(row: CallRow) -> str:
    return "under way" if row.ended_at is None else row.outcome or "-"


def _pairs(values: Mapping[str, Any], indent: str = "") -> str:
    names = [safe(name) for name in values]
    widest = max((width(name) for name in names), default=0)
    pairs = zip(names, values.values(), strict=True)
    return "\n".join(f"{indent}{name}{' ' * (widest - width(name))}  {safe(str(value))}" for name, value in pairs)


def _since(at: float, start: float) -> str:
    seconds = max(0.0, at - start)
    return f"{int(seconds // 60):3d}:{seconds % 60:04.1f}"


def _turn(row: TurnRow, start: float) -> str:
    turn = row.turn
    notes = []
    if turn.source and turn.source != "speech":
        notes.append(turn.source)
    if turn.confidence is not None:
        notes.append(f"heard {turn.confidence:.2f}")
    if turn.intent:
        sure = "" if turn.intent_confidence is None else f" {turn.intent_confidence:.2f}"
        notes.append(f"intent {turn.intent}{sure}")
    if turn.step:
        notes.append(f"step {turn.step}")
    if turn.rule:
        notes.append(f"rule {turn.rule}")
    if turn.failures:
        notes.append(f"failures {turn.failures}")
    if turn.barged_in:
        notes.append("barged in")
    if turn.timings_ms:
        notes.append(", ".join(f"{name} {ms:.0f}" for name, ms in turn.timings_ms.items()) + " ms")
    line = f"{_since(row.at, start)}  {turn.speaker:<7}  {safe(turn.text)}"
    return line + (f"\n{_INDENT}{safe(' · '.join(notes))}" if notes else "")


def _action(row: ActionRow, start: float) -> str:
    args = ", ".join(f"{name}={value}" for name, value in row.args.items())
    result = "ok" if row.ok else row.error or "failed"
    return f"{_since(row.at, start)}  action   {safe(f'{row.name}({args})')} → {safe(result)}, {row.ms:.0f} ms"
