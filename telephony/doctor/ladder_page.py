"""A call's ladder as one HTML page without scripts. Everything that came from a peer is escaped."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from html import escape

from .ladder import MAX_PARTIES
from .message_sequence import MessageSequence, SequenceStep

MAX_RAW_CHARS = 20_000
STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin-bottom: .25rem; overflow-wrap: anywhere; }
ul.facts { padding-left: 1.2rem; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th { text-align: left; font-weight: 600; overflow-wrap: anywhere; padding: .3rem .5rem; }
td { vertical-align: top; padding: .15rem .5rem; overflow-wrap: anywhere; }
td.t, th.t { width: 5rem; text-align: right; font-variant-numeric: tabular-nums; color: #777; }
td.m { border-left: 1px solid #8888; border-right: 1px solid #8888; }
.arrow { display: flex; gap: .5rem; align-items: baseline; border-bottom: 1px solid currentColor; }
.arrow.out { color: #0a6; } .arrow.in { color: #27c; } .arrow.bad { color: #c33; } .arrow.again { opacity: .55; }
.arrow .l { flex: 1; }
.notes { margin: .1rem 0 .3rem 1rem; padding: 0; list-style: none; font-size: .9em; }
.remark { font-style: italic; color: #777; }
details > summary { cursor: pointer; font-size: .85em; color: #777; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85em; margin: .2rem 0 .6rem; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
"""For the Content-Security-Policy header; the page carries it itself, too."""


def page(story: MessageSequence) -> str:
    """The whole page, UTF-8."""
    parties = story.parties[: MAX_PARTIES - 1] or ["nobody"]
    when = datetime.fromtimestamp(story.began_s, UTC)
    head = "".join(f"<th>{escape(party)} ⇄ us</th>" for party in parties)
    rows = "".join(_row(step, parties) for step in story.steps)
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in story.facts) or "<li>nothing is known of this call</li>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(CONTENT_POLICY)}">'
        f"<title>Call {escape(story.call)}</title><style>{STYLE}</style></head><body>"
        f"<h1>Call {escape(story.call)}</h1><p>{when:%Y-%m-%d %H:%M:%S} UTC, we are {escape(story.local or '?')}</p>"
        f'<ul class="facts">{facts}</ul><table><thead><tr><th class="t">s</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></body></html>\n"
    )


def _row(step: SequenceStep, parties: list[str]) -> str:
    time = f'<td class="t">{step.at_s:.3f}</td>'
    if not step.entry.data:
        return f'<tr>{time}<td class="remark" colspan="{len(parties)}">{escape(step.label)}</td></tr>'
    column = parties.index(step.party) if step.party in parties else len(parties) - 1
    cells = ['<td class="m"></td>'] * len(parties)
    cells[column] = f'<td class="m">{_message(step)}</td>'
    return f"<tr>{time}{''.join(cells)}</tr>"


def _message(step: SequenceStep) -> str:
    outgoing = step.entry.outgoing
    kind = "bad" if step.failure else "out" if outgoing else "in"
    again = " again" if step.repeated else ""
    left, right = ("◀", "") if outgoing else ("", "▶")
    notes = "".join(f"<li>{escape(note)}</li>" for note in step.notes)
    raw = step.entry.data.decode("utf-8", "replace")[:MAX_RAW_CHARS]
    protocol = escape(step.entry.protocol.upper())
    return (
        f'<div class="arrow {kind}{again}"><span>{left}</span><span class="l">{escape(step.label)}</span>'
        f"<span>{protocol} {right}</span></div>"
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + f"<details><summary>message</summary><pre>{escape(raw)}</pre></details>"
    )
