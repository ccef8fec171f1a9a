"""Plays callers who say secrets through whole calls with real sinks, and looks for the secret in all that was written.

``python -m tests.secrets_trial FILE…`` prints each case that failed and the figure; its exit status is that of a check.
A case is one call on a virtual clock: queue, keypad, dialog, journal and redactor are those of the server, recognition
hears every word. What the journal published then goes through the server's own sinks: the record on SQLite, log, page
and a webhook that is posted to a receiver. The search knows nothing of the redactor: it reads digits on its own.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import faulthandler
import io
import json
import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.unit.session_support import Backend, CallOnTrial
from tests.unit.virtual_clock import VirtualClockLoop
from voicebot import log
from voicebot.flows.flow import Flow
from voicebot.handoff.webhook_sink import WebhookSink
from voicebot.journal.entry import Entry
from voicebot.journal.events import TurnDecided
from voicebot.journal.journal import Journal
from voicebot.journal.redacted_logs import protect_logs
from voicebot.journal.to_log import LogSink
from voicebot.journal.to_metrics import MetricsSink
from voicebot.messages import Do, Result
from voicebot.nlu.intents import Guess
from voicebot.record.records import Records
from voicebot.record.sink import RecordSink
from voicebot.web.page_sink import PageSink

QUESTIONS = ("order_number", "postcode", "date", "amount", "phone", "pin", "yes_no")
PERSON = "let me talk to a person please"
RUN = 4
"""So many digits of a secret in a row are a leak."""
FLOW = Path(__file__).parent / "secrets" / "flow.yaml"


_IDENTIFIER = re.compile(r"[0-9a-f]{32,64}")
"""Of servers and flows: by chance they hold any four digits."""


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    secret: str
    start: str
    turns: tuple[str | Mapping[str, str], ...]
    keep: tuple[str, ...]


@dataclass(slots=True)
class Written:
    """All that a call left behind."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    """Sink → every piece of text in it, of the caller's turns in their order."""
    raw: dict[str, bytes] = field(default_factory=dict)
    """File or stream → all its bytes."""


def read_cases(file: Path) -> list[Case]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [Case(r["id"], r["secret"], r["start"], tuple(r["turns"]), tuple(r["keep"])) for r in rows]


# ── the call ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Obedient:
    """Understands where the trial wants to be asked next, and nothing else."""

    def classify(self, text: str) -> list[Guess]:
        wanted = text.removeprefix("please ask me for the ")
        return [
            Guess(wanted if wanted in QUESTIONS and wanted != text else QUESTIONS[0], 0.99 if wanted != text else 0.05)
        ]


class Noting(Backend):
    """A backend that writes its arguments into the log, as the real ones do."""

    async def run(self, do: Do) -> Result:
        logging.getLogger("voicebot.audit").info("action", extra={"arguments": self.masked(do, lambda _: "•••")})
        return await super().run(do)

    def masked(self, do: Do, mask: Any) -> dict[str, Any]:
        return {name: mask(value) if name == "pin" else value for name, value in do.args.items()}


async def play(case: Case) -> tuple[list[Entry], bool]:
    """One call. Returns what its journal published, and whether it was over before all was said."""
    log.call_id.set("c1")
    call = CallOnTrial(_flow(), Noting(), Obedient())
    under_way = call.begin()
    await call.until_said("What can I do")
    await _quiet(call, under_way)
    await _ask(call, under_way, case.start)
    early = False
    for turn in case.turns:
        early |= under_way.done()
        if isinstance(turn, str):
            await call.says(turn)
        else:
            if "at" in turn:
                await _ask(call, under_way, turn["at"])
            if "said" in turn:
                await call.says(turn["said"])
            for key in turn.get("keyed", ""):
                if not under_way.done():
                    call.keys(key)
                await asyncio.sleep(0.25)
        await asyncio.sleep(3.5)
        await _quiet(call, under_way)
    if not under_way.done():
        await call.says(PERSON)
        await asyncio.sleep(5)
    call.leg.closed.done() or call.leg.closed.set_result("caller")
    await under_way
    return call.entries, early


async def _ask(call: CallOnTrial, under_way: asyncio.Task[None], question: str) -> None:
    if question != "open":
        await call.says(f"please ask me for the {question}")
        await asyncio.sleep(0.5)
        await _quiet(call, under_way)


async def _quiet(call: CallOnTrial, under_way: asyncio.Task[None]) -> None:
    """Wait until the bot has spoken, or the call is over."""
    quiet = asyncio.create_task(call.until_quiet())
    await asyncio.wait({quiet, under_way}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    quiet.cancel()


@cache
def _flow() -> Flow:
    return Flow.load(FLOW)


# ── what it leaves behind ────────────────────────────────────────────────────────────────────────────────────────────


async def sink(entries: list[Entry], folder: Path) -> Written:
    """Give what was published to the server's sinks, and collect all that they wrote."""
    posted: list[bytes] = []

    async def receive(request: web.Request) -> web.Response:
        posted.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    database = folder / "calls.db"
    await asyncio.to_thread(shutil.copy, _empty_database(), database)
    records = Records.open(f"sqlite:///{database}")
    records.start()
    page, webhook, shown = PageSink(), WebhookSink(f"http://127.0.0.1:{port}/"), list[str]()
    webhook.start()
    page.attach("c1", shown.append)
    journal = Journal([RecordSink(records), MetricsSink(), LogSink(), page, webhook])
    journal.start()
    for entry in entries:
        journal.publish(entry)
    await asyncio.to_thread(journal.flush)
    await records.flush()
    detail, events = await records.call("c1"), await records.events("c1")
    if detail is None:
        raise RuntimeError("the call is not in the record")
    await webhook.stop()
    await asyncio.sleep(0)
    written = Written(raw=_files(folder))
    await asyncio.to_thread(journal.stop)
    records.stop()
    await runner.cleanup()
    written.raw |= {f"{name} after": raw for name, raw in _files(folder).items()}
    written.raw |= {"webhook": b"\n".join(posted), "page": "\n".join(shown).encode()}
    callers = [row.turn.text for row in detail.turns if row.turn.speaker == "caller"]
    rest = [detail.summary, *detail.slots.values(), *_strings([row.turn.text for row in detail.turns])]
    rest += _strings([[r.turn.alternatives, r.turn.found, r.turn.trace] for r in detail.turns])
    rest += _strings([row.args for row in detail.actions]) + _strings([row.data for row in events])
    written.texts["record"] = ["\n".join(callers), *rest]
    messages = [json.loads(message) for message in shown]
    said = [m["text"] for m in messages if m["type"] == "said" and m["who"] == "caller"]
    written.texts["page"] = ["\n".join(said), *_strings(messages)]
    written.texts["webhook"] = _strings([json.loads(body) for body in posted])
    return written


@cache
def _empty_database() -> Path:
    """Made once: the migrations take longer than a call."""
    file = Path(tempfile.mkdtemp()) / "empty.db"
    records = Records.open(f"sqlite:///{file}")
    records.start()
    records.stop()
    atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
    return file


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _strings(value: Any) -> list[str]:
    """Every text in plain data, but ids, tokens and hashes of ours."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [
            s
            for name, item in value.items()
            if name not in ("token", "flow_hash", "call", "leg")
            for s in _strings(item)
        ]
    if isinstance(value, (list, tuple)):
        return [s for item in value for s in _strings(item)]
    return []


@contextlib.contextmanager
def logged() -> Iterator[io.StringIO]:
    """The log as the server writes it, kept in memory."""
    root, kept = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stderr(kept):
        log.setup("debug", "json")
        protect_logs()
    try:
        yield kept
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


# ── the search ───────────────────────────────────────────────────────────────────────────────────────────────────────

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_NUMBERS = {word: str(i) for i, word in enumerate(_ONES)} | {"oh": "0", "o": "0", "nought": "0", "nil": "0"}
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_NUMBERS |= {word: str(i + 10) for i, word in enumerate(_TEENS)}
_TENS = {w: i + 2 for i, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])}


def digits_of(text: str) -> str:
    """All digits in a text, whatever stands between them; masks apart."""
    text = re.sub(r"\[[a-z ]+ \d+ #[a-z]+\]", "|", text)
    text = re.sub(r"\d{10}\.\d+|\d{4}-\d\d-\d\d(T[\d:.]+)?|15550100", "|", text)
    out = ""
    words = re.findall(r"[a-z]+|\d|\|", text.lower())
    at = 0
    while at < len(words):
        word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
        times = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}.get(word)
        if times and following in _NUMBERS:
            out, at = out + _NUMBERS[following] * times, at + 2
            continue
        if word in _TENS:
            unit = _NUMBERS.get(following, "")
            pair = len(unit) == 1 and unit != "0"
            out, at = out + str(_TENS[word]) + (unit if pair else "0"), at + (2 if pair else 1)
            continue
        out += word if word.isdigit() or word == "|" else _NUMBERS.get(word, "")
        if word == "hundred":
            out += "00"
        at += 1
    return out


def leaks(case: Case, written: Written, answers: list[str]) -> list[str]:
    """Where four digits or more of the secret can be read.

    Args:
        answers: values that the dialog took as answers to other questions: what cannot be taken back may hold them.
    """
    every = {case.secret[i : i + RUN] for i in range(len(case.secret) - RUN + 1)}
    kept = {digits_of(keep)[i : i + RUN] for keep in case.keep for i in range(20)}
    found = []
    for name, texts in written.texts.items():
        live = "" if name == "record" else " ".join(map(digits_of, answers))
        pieces = {piece for piece in every if piece not in live}
        for text in dict.fromkeys(texts):
            said = digits_of(text)
            bad = sorted(piece for piece in pieces - kept if piece in said)
            if bad:
                found.append(f"{name}: {bad[0]} in {text!r}")
    phrases = {
        phrase for turn in case.turns for phrase in _phrases(turn if isinstance(turn, str) else turn.get("said", ""))
    }
    longer = {case.secret[i : i + 6] for i in range(len(case.secret) - 5)} or {case.secret}
    for name, raw in written.raw.items():
        live = " ".join(map(digits_of, answers)) if name in ("log", "page", "webhook") else ""
        pieces = {piece for piece in every if piece not in live}
        lower = _IDENTIFIER.sub("", raw.decode("latin-1").lower())
        bad = [p for p in (*longer, *phrases) if any(piece in digits_of(p) for piece in pieces - kept)]
        bad = [p for p in bad if (_alone(p, lower) if p == case.secret else p in lower)]
        if bad:
            at = lower.index(bad[0])
            found.append(f"{name}, raw: {lower[max(0, at - 40) : at + 60]!r}")
    return found


def _alone(pin: str, text: str) -> bool:
    """Whether a short number stands there by itself: in times and sizes any four digits stand by chance."""
    return re.search(rf"(?<![0-9.]){pin}(?![0-9.])", text) is not None


def _phrases(text: str) -> Iterator[str]:
    """Four words of numbers, or groups of figures, in a row as they were said."""
    words = text.lower().split()
    for i in range(len(words) - 1):
        for n in range(2, 5):
            if all(digits_of(word) for word in words[i : i + n]) and len(digits_of(" ".join(words[i : i + n]))) >= RUN:
                yield " ".join(words[i : i + n])


def lost(case: Case, written: Written) -> list[str]:
    """What should have stayed readable in the record."""
    texts = " ".join(" ".join(written.texts["record"]).lower().split())
    said = [digits_of(text) for text in written.texts["record"]]
    return [
        keep
        for keep in case.keep
        if " ".join(keep.lower().split()) not in texts
        and not (len(digits_of(keep)) >= 3 and any(digits_of(keep) in digits for digits in said))
    ]


def trial(case: Case, folder: Path) -> list[str]:
    """What is wrong after a call: secrets that can be read, and what cannot be read any more. Nothing: all is well."""
    folder.mkdir(parents=True)
    loop = VirtualClockLoop()
    with logged() as lines:
        try:
            entries, early = loop.run_until_complete(play(case))
        finally:
            loop.close()
        written = asyncio.run(sink(entries, folder))
    written.raw["log"] = lines.getvalue().encode()
    written.texts["log"] = [str(v) for line in lines.getvalue().splitlines() for v in _strings(json.loads(line))]
    answers = [
        value
        for entry in entries
        if isinstance(event := entry.for_live_sinks().event, TurnDecided)
        for value in event.found.values()
    ]
    found = [f"leak {leak}" for leak in (leaks(case, written, answers) if case.secret else [])]
    found += [f"lost {keep!r}" for keep in lost(case, written)]
    if early:
        print(f"{case.id}  was over before all was said", file=sys.stderr)
    return found


def run(files: list[Path], verbose: bool = True) -> int:
    """Play all cases of some files. Returns how many failed."""
    failed = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            bad = 0
            cases = read_cases(file)
            for case in cases:
                faulthandler.dump_traceback_later(60, exit=True)  # one call takes a fifth of a second
                wrong = trial(case, Path(folder) / f"{file.stem}-{case.id}")
                if wrong:
                    bad += 1
                    if verbose:
                        print(f"{case.id}  at {case.start}: {json.dumps(case.turns, ensure_ascii=False)}")
                        print(*(f"      {line[:300]}" for line in wrong[:6]), sep="\n")
            print(f"{file.name}: {len(cases) - bad} of {len(cases)} as they should be")
            failed, total = failed + bad, total + len(cases)
    return failed


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--quiet", action="store_true", help="the figures alone")
    args = parser.parse_args()
    return 1 if run(args.files, not args.quiet) else 0


if __name__ == "__main__":
    sys.exit(main())
