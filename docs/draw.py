"""Draws pages of this folder from the code, so that they cannot differ from it: ``make docs``.

events.md from the journal's events; state-tables.md from SIP's transaction tables, the turn machine and the rules of
key presses; rooms.md from the import test's table and the packages' docstrings; grafana.json from
`voicebot.journal.dashboard`. tests/unit/test_docs.py fails when a page is not as drawn.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from telephony.media.key_presses import RULES
from telephony.sip import transaction_state_tables as sip
from voicebot.journal import dashboard, events
from voicebot.journal.journal import CAPACITY
from voicebot.listening.turn_machine import TABLE, TurnState

DOCS = Path(__file__).parent
ROOT = DOCS.parent
DRAWN = "<!-- Drawn from the code by docs/draw.py (`make docs`); mend it there. -->\n"


def main() -> int:
    """Write each page that differs; says which."""
    for name, draw in PAGES.items():
        page, text = DOCS / name, draw()
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            print(f"drawn: {page.relative_to(ROOT)}")
    return 0


# ── events.md ────────────────────────────────────────────────────────────────────────────────────────────────────────

EVENTS_HEAD = """\
# Events of a call

Everything that happens in a call, and the little that happens to the server itself, is written once, as a typed event
(`voicebot/journal/events.py`), and read by sinks that know nothing of each other.

**Envelope.** Each event is in an `Entry`: `call`, our id of the call, or null for what happened to the server;
`number`, counting from 1 within a call, without gaps (0 outside calls); `at`, seconds since 1970; `kind` and `version`;
and `data`, the fields below. Times are milliseconds (`_ms`, `ms`) or seconds (`_s`).

**Redaction.** `voicebot/journal/redaction.py` takes out what must never leave when an event is written
(`CallJournal.write`), so no sink ever gets it. The column *masked* says what it does to a field:

| masked | means |
|---|---|
| cards | payment card numbers are masked wherever they stand, in digits or in words |
| whole | so they are; and all of it is masked where the event is `secret` (a PIN, say) |
| but number | somebody's address: a telephone number in it stays, the rest is as for cards |
| never | an id, a hash, a measure, yes or no; no caller's word can be in it |

Values of secret slots and secret arguments of actions are masked before the event is made. What is masked keeps its
kind, its length and a token that is the same for the same value within one call: `[card number 16 #bkdzt]`,
`[digits 4 #rnqpw]`. The key of the tokens is random and never stored.

**Sinks.** `voicebot/journal/journal.py` gives each sink a queue and a thread. A slow sink keeps nobody waiting: beyond
{capacity:,} entries that wait for it, the newest are lost to it (`voicebot_journal_lost`). One that raises is counted
(`voicebot_journal_faults`) and gets the next event. [contributing.md](contributing.md#a-sink) shows how to add one.

| sink | does |
|---|---|
| `voicebot/record/sink.py` | call record: every event as it is, and calls, turns and actions as rows |
| `voicebot/journal/to_metrics.py` | what operators watch at `/metrics` |
| `voicebot/journal/to_log.py` | a line for what somebody who reads logs looks for |
| `voicebot/web/page_sink.py` | the browser phone of the call |
| `voicebot/handoff/webhook_sink.py` | the written summary of a handover, by HTTP |

**Stored** in the table `events` of `record.database`: `call_id`, `number`, `at`, `kind`, `version`, `data` (JSON).
`voicebot calls CALL --events` shows them. `events.read(kind, version, data)` gives the event back.

**Versions.** A kind has a version of its own, which grows when a field goes or changes its meaning. A field that is
added has a default, and the version stays: readers of JSON must pass over fields that they do not know.
"""
MASKED = {"plain": "never", "party": "but number", "said": "whole", "": "cards"}


def events_page() -> str:
    """All kinds in one table, then the fields of each."""
    parts = [DRAWN + EVENTS_HEAD.format(capacity=CAPACITY), "## All kinds\n"]
    rows = [(f"[`{e.kind}`](#{e.kind})", f"`{e.__name__}`", e.version, prose(e)) for e in events.KINDS.values()]
    parts.append(table(("kind", "class", "version", "when"), rows))
    fields = dict(_event_fields(ROOT / "voicebot/journal/events.py"))
    for event in events.KINDS.values():
        parts += [f"## {event.kind}\n", f"{prose(event)} (`{event.__name__}`, version {event.version})\n"]
        parts.append(
            table(
                ("field", "type", "masked", "is"),
                [
                    (f"`{name}`", f"`{kind}`", _masked(event, name, kind), says)
                    for name, kind, says in fields[event.__name__]
                ],
            )
        )
    return "\n".join(parts)


def _masked(event: type[events.Event], name: str, kind: str) -> str:
    return "never" if kind in ("bool", "float", "float | None") else MASKED[event.marks().get(name, "")]


def _event_fields(source: Path) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Class → (field, type, the sentence after it) of each class in a file."""
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found = []
            for part, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    kind = _type(part.annotation)
                    if not kind.startswith("ClassVar"):
                        found.append((part.target.id, kind, _literal(after)))
            yield node.name, found


def _type(annotation: ast.expr) -> str:
    """The type as it is written, without its mark."""
    match annotation:
        case ast.Name("Plain" | "Party" | "Said"):
            return "str"
        case ast.Subscript(ast.Name("Annotated"), ast.Tuple([kind, *_])):
            return ast.unparse(kind)
    return ast.unparse(annotation)


def _literal(node: ast.stmt | None) -> str:
    match node:
        case ast.Expr(ast.Constant(str(text))):
            return plain(text)
    return ""


# ── state-tables.md ──────────────────────────────────────────────────────────────────────────────────────────────────

SIP_HEAD = """\
# State tables

## SIP transactions
`telephony/sip/transaction_state_tables.py` has the four machines of RFC 3261 section 17 (with RFC 6026, and RFC 4320
for 408) as tables; `telephony/sip/transaction.py` runs them. A pair of state and
input that is not in a table is ignored.

Inputs: `1xx`, `2xx`, `3xx+` are responses (a client's come in, a server's go out), `request` is a retransmission, `ack`
the ACK of a refusal, `error` a transport that cannot send; capital letters are timers.
"""
MACHINES: dict[str, tuple[str, sip.Table]] = {
    "INVITE client": ("Our INVITE: a call that we place.", sip.INVITE_CLIENT),
    "Other client": ("Any other request of ours.", sip.OTHER_CLIENT),
    "INVITE server": ("An INVITE of a caller.", sip.INVITE_SERVER),
    "Other server": ("Any other request of a peer.", sip.OTHER_SERVER),
}
TURN_HEAD = """\
## Turns of a caller
`voicebot/listening/turn_machine.py` decides when a caller speaks and when he has finished. Every 32 ms window is
`voiced`, `unsure` or `silent`; that and the state choose a method of the machine. Which of its next states it leads
to depends on times (`voicebot/listening/turn_timing.py`). A key that is pressed leads to `quiet` from every state,
and so does a recognition that comes in a pause which was long enough for it. A test,
`tests/unit/test_listening_turn_machine.py`, drives the machine through 40,000 windows and finds no other way.
"""
KEYS_HEAD = """\
## Key presses
`telephony/media/key_presses.py` lays each packet of telephone events beside the press of the same code that it may
belong to. It goes on with that press when the last column holds, and begins a press of its own otherwise. Durations and
timestamps are compared on the clock of events; a packet that was overtaken goes on with what there is.
"""


def states_page() -> str:
    """SIP's transactions and the turns of a caller, each as a table and as a diagram; and whose a key's packet is."""
    parts = [DRAWN + SIP_HEAD, _timers()]
    for name, (what, rows) in MACHINES.items():
        first = next(iter(rows))[0]
        parts += [f"### {name}\n", f"{what}\n"]
        parts.append(_diagram(first, [(state, to, on) for (state, on), (to, _) in rows.items()], last="terminated"))
        lines = [
            (state, f"`{on}`", to, ", ".join(str(act) for act in acts)) for (state, on), (to, acts) in rows.items()
        ]
        parts.append(table(("state", "input", "next state", "actions"), lines))
    parts.append(TURN_HEAD)
    parts += _turns()
    rows = [
        ("ended" if ended else "goes on", "end" if end else "update", "the same" if here else "another", rule.words)
        for (ended, end, here), rule in RULES.items()
    ]
    parts += [KEYS_HEAD, table(("press", "packet", "timestamp", "is the same press"), rows)]
    return "\n".join(parts)


def _timers() -> str:
    names = sorted({on for _, rows in MACHINES.values() for _, on in rows if len(on) == 1})
    rows = [
        (f"`{t}`", f"{sip.length_s(t, False):g}", "never" if t in sip.RETRANSMITTING else f"{sip.length_s(t, True):g}")
        for t in names
    ]
    return table(("timer", "first runs, s, over UDP", "over TCP and TLS"), rows)


def _turns() -> list[str]:
    arrows = [
        (state.value, to.value, on.name.lower())
        for (state, on), row in TABLE.items()
        for to in row.leads_to
        if to is not state
    ]
    rows = [
        (
            state.value,
            on.name.lower(),
            ", ".join("stays" if to is state else to.value for to in row.leads_to),
            f"`{row.step.__name__}`",
        )
        for (state, on), row in TABLE.items()
    ]
    return [_diagram(TurnState.QUIET.value, arrows), table(("state", "window", "next state, one of", "method"), rows)]


def _diagram(first: str, arrows: Sequence[tuple[str, str, str]], last: str = "") -> str:
    """A mermaid diagram: (state, next state, input), the inputs of one arrow side by side."""
    joined: dict[tuple[str, str], list[str]] = {}
    for state, to, on in arrows:
        joined.setdefault((state, to), []).append(on)
    lines = [f"    {state} --> {to} : {', '.join(ons)}" for (state, to), ons in joined.items()]
    end = [f"    {last} --> [*]"] if last else []
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *lines, *end, "```\n"])


# ── rooms.md ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ROOMS_HEAD = """\
# The rooms and what each may import

[architecture.md](architecture.md) follows a call through them. `tests/unit/test_imports.py` fails when a file imports
what its room may not: a change that needs such an import belongs elsewhere, or the table there has to be discussed.
`telephony/` imports nothing of `voicebot/`.
"""


def rooms_page() -> str:
    """Each package with what its docstring says and what the import test lets it import."""
    source = ROOT / "tests/unit/test_imports.py"
    telephony, rooms, common = (assigned(source, name) for name in ("TELEPHONY", "ROOMS", "COMMON"))
    parts = [DRAWN + ROOMS_HEAD, "## voicebot\n"]
    parts.append(f"Any room may use {_names(common)}, and whatever it needs\nof `telephony/`.\n")
    may = {room: _names(names) or "nothing else" for room, names in rooms.items()}
    may |= {"commands": "all", "bench": "all"}
    parts += _rooms("voicebot", may)
    parts.append("## telephony\n")
    parts.append("Each package may import those above it; `sdp` and `media` know each other's types.\n")
    before = {room: _names(telephony[: telephony.index(room)]) or "no other package" for room in telephony}
    parts += _rooms("telephony", before)
    return "\n".join(parts)


def _rooms(top: str, may: dict[str, str]) -> list[str]:
    """A table of packages, and of each with more to say a section with that, and with the packages in it."""
    rows, sections = [], list[str]()
    for room, names in may.items():
        holds, _, more = _docstring(ROOT / top / room).partition("\n\n")
        inner = [path.parent for path in sorted((ROOT / top / room).glob("*/**/__init__.py"))]
        parts = [more, *(f"**{path.relative_to(ROOT / top / room)}/**: {_docstring(path)}" for path in inner)]
        parts = [f"{part}\n" for part in parts if part and not part.endswith(": ")]
        if parts:
            sections += [f"### {top}/{room}\n", *parts]
        rows.append((f"[`{room}/`](#{top}{room})" if parts else f"`{room}/`", holds, names))
    loose = [(f"`{path.name}`", _first(path)) for path in sorted((ROOT / top).glob("[!_]*.py"))]
    beside = ["Beside them:\n", table(("file", "holds"), loose)]
    return [table(("room", "holds", "may import"), rows), *beside, *sections]


def _first(source: Path) -> str:
    return plain(ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]


def _docstring(package: Path) -> str:
    return plain(ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or "")


def _names(names: Iterable[str]) -> str:
    ordered = sorted(names) if isinstance(names, set) else names
    return ", ".join(f"`{name.replace('.', '/')}{'.py' if '.' in name else ''}`" for name in ordered)


def assigned(source: Path, name: str) -> Any:
    """The literal that a file assigns to a name."""
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign([ast.Name(target)], value) | ast.AnnAssign(ast.Name(target), value=ast.expr() as value):
                if target == name:
                    return ast.literal_eval(value)
    raise LookupError(f"{source} assigns no {name}")


# ── common ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def prose(thing: Any) -> str:
    """The docstring as Markdown."""
    return plain(inspect.getdoc(thing) or "")


def plain(text: str) -> str:
    """What a docstring says, as Markdown: one pair of backticks around code, no double colon before it."""
    return re.sub(r"``", "`", re.sub(r"::$", ":", text.strip(), flags=re.MULTILINE))


PAGES: dict[str, Callable[[], str]] = {
    "events.md": events_page,
    "state-tables.md": states_page,
    "rooms.md": rooms_page,
    "grafana.json": dashboard.text,
}

if __name__ == "__main__":
    sys.exit(main())
