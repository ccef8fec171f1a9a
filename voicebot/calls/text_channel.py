"""A caller at a terminal: what is typed is heard, and every turn shows what the dialog made of it.

The dialog, the queue of inputs and the runner of acts are those of a call; what a call finds out on its line (all are
busy, the backend is slow, the caller talks while it works) is said with commands that begin with ``/``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol, get_args

from voicebot.calls.act_runner import ActRunner, CallerGone
from voicebot.calls.input_queue import CallerTurn, Input, InputQueue, NothingSaid
from voicebot.calls.reporter import AnsweredCall, CallReporter
from voicebot.conversation.engine import Conversation
from voicebot.flows.flow import Flow
from voicebot.handoff.human_dialler import Why
from voicebot.journal import events
from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.entry import Entry
from voicebot.journal.journal import CallJournal
from voicebot.messages import Do, Expect, Handover, Heard, Result, Say
from voicebot.nlu.intents import Understanding
from voicebot.tts.player import PlayedPrompt

RehearsedFailure = Literal["timeout", "refused", "unreachable", "bad-answer"]
HELP = """Type what you would say. An empty line is silence, #471102 keys digits, /quit hangs up.
What a call may meet: /busy, /no-answer, /declined or /unreachable is what comes of handovers from now on, until
/answered; /slow 5 makes backends take 5 seconds, /fail timeout (refused, unreachable, bad-answer, status-404 …) makes
them fail, /ok mends them; /during yes please says that while the next backend works, or on hold."""


class Backend(Protocol):
    """What chat needs of `Actions`."""

    async def run(self, do: Do) -> Result: ...

    def masked(self, do: Do, mask: Callable[[object], str]) -> dict[str, Any]: ...

    def writes(self, do: Do) -> bool: ...


class TextChannel:
    """The terminal as a channel of `ActRunner`, and what backends and humans do in this rehearsal.

    Args:
        backend: does actions for real, unless told to fail.
        read_line: the next typed line without its end; None when there is no more.
        write: shows one line.
    """

    def __init__(
        self, backend: Backend, read_line: Callable[[], Awaitable[str | None]], write: Callable[[str], None]
    ) -> None:
        self._backend, self._read_line, self._write = backend, read_line, write
        self.report: CallReporter | None = None
        self._expect = Expect()
        self._queue = InputQueue(self._overheard)
        self._during: list[str] = []
        self._slow_s = 0.0
        self._failure = ""
        self._nobody: Why | None = None
        self._decided: events.TurnDecided | None = None
        self.outcome = ""
        """Of the call, once it is over."""

    # ── the caller ──

    async def ask(self, says: list[Say], expect: Expect) -> Input:
        """Show prompts and read what answers them. Raises CallerGone."""
        self._expect = expect
        self._queue.ask(_now_s())
        await self.speak(says)
        while True:
            line = await self._read_line()
            if line is None or line.strip() == "/quit":
                raise CallerGone
            if line.startswith("/"):
                self._write(f"     ~ {self._command(line.strip())}")
                continue
            self._queue.put(_input(line.strip()), _now_s())
            answer = await self._queue.get()
            self._queue.answered()
            return answer

    async def speak(self, says: list[Say]) -> None:
        """Show prompts."""
        for say in says:
            if self.report is not None:
                self.report.said(say, PlayedPrompt(True, say.text, 0.0, 0.0))

    async def finished(self) -> None:
        """There is nothing to wait for."""

    def _overheard(self, heard: Heard) -> None:
        if self.report is not None:
            self.report.overheard(heard, self._expect)

    # ── what a call may meet ──

    async def act(self, do: Do) -> Result:
        """Do an action, as slowly or badly as was asked for."""
        self._say_during()
        if self._slow_s:
            await asyncio.sleep(self._slow_s)
        if self._failure:
            return Result(do.token, False, error=self._failure)
        return await self._backend.run(do)

    async def hand_over(self, act: Handover) -> Why | None:
        """A human answers, unless nobody is to."""
        self._say_during()
        if self._nobody is None and self.report is not None:
            self.report.joined(act, "a human (in this rehearsal)")
        return self._nobody

    def _say_during(self) -> None:
        while self._during:
            self._queue.put(CallerTurn(Heard(self._during.pop(0), source="text")), _now_s())

    def _command(self, line: str) -> str:
        """Obey a line that begins with a slash. Returns what to tell."""
        name, _, rest = line[1:].partition(" ")
        rest = rest.strip()
        whys: tuple[Why, ...] = get_args(Why)
        if name == "answered" or name in whys:
            self._nobody = next((why for why in whys if why == name), None)
            return f"handovers: {name}"
        if name == "slow" and _seconds(rest) is not None:
            self._slow_s = _seconds(rest) or 0.0
            return f"backends take {self._slow_s:g} s more"
        if name == "fail" and (rest in get_args(RehearsedFailure) or rest.startswith("status-")):
            self._failure = rest
            return f"backends fail: {rest}"
        if name == "ok":
            self._slow_s, self._failure = 0.0, ""
            return "backends work"
        if name == "during" and rest:
            self._during.append(rest)
            return f"said while the next backend works, or on hold: {rest}"
        return f"{line}: not known. {HELP}"

    # ── what is shown ──

    def show(self, entry: Entry) -> None:
        """Show one event of the call."""
        match entry.for_live_sinks().event:
            case events.PromptSpoken(text=text, secret=secret):
                self._write(f"bot  {'(something secret)' if secret else text}")
            case events.TurnDecided() as made if made.after_turn or made.rule == "no-input":
                self._decided = made
            case events.DialogMoved(step=step) if self._decided is not None:
                self._write(f"{_decided(self._decided)}  → {step}")
                self._decided = None
            case events.CallerOverheard(text=text):
                self._write(f"     · answers nothing, no question was asked: {text}")
            case events.ActionDone() as done:
                failed = "" if done.ok else f" after {done.ms / 1000:.1f} s"
                self._write(f"     ~ {done.action}: {'ok' if done.ok else done.error}{failed}")
            case events.CallHeld(target=target, reason=reason, summary=summary):
                self._write(f"     ~ handover to {target} ({reason}): {summary}")
            case events.HumanNotReached(why=why):
                self._write(f"     ~ nobody came: {why}")
            case events.CallOver(outcome=outcome, summary=summary):
                self.outcome = outcome
                self._write(f"     ~ end: {outcome}. {summary}")


async def chat(
    flow: Flow,
    understanding: Understanding,
    backend: Backend,
    read_line: Callable[[], Awaitable[str | None]],
    write: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
) -> str:
    """Hold one conversation.

    Args:
        backend: does actions.
        read_line: the next typed line without its end; None when there is no more.
        write: shows one line.
        now: the moment of speaking.

    Returns:
        The outcome of the call.
    """
    redactor = CallSecrets()
    talk = Conversation(flow, understanding, now=now, mask=redactor.secret)
    channel = TextChannel(backend, read_line, write)
    write(HELP)

    def masked(do: Do) -> tuple[Mapping[str, Any], bool]:
        return backend.masked(do, redactor.secret), backend.writes(do)

    journal = CallJournal("chat", channel.show, redactor)
    report = CallReporter(journal, AnsweredCall("text", "you", flow.name, flow.name, flow.hash, "terminal"), masked)
    channel.report = report
    await ActRunner(talk, channel, channel.act, channel.hand_over, report).run(talk.start())
    talk.hung_up()
    report.ended(talk.snapshot, talk.summary, "", {})
    return channel.outcome


def _now_s() -> float:
    return time.monotonic()


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 600 else None


def _input(line: str) -> Input:
    if not line:
        return NothingSaid()
    if line[0] in "#*" or line == "0":
        return CallerTurn(Heard(line.lstrip("#") or "#", source="keys"))
    return CallerTurn(Heard(line, source="text"))


def _decided(made: events.TurnDecided) -> str:
    """One line about a turn: rule, intent with confidence and band, slots, failures."""
    intent = f"  {made.intent} {made.confidence:.2f} {made.band}" if made.intent else ""
    found = "".join(f"  {name}={value}" for name, value in made.found.items())
    failed = f"  failures {made.failures}" if made.failures else ""
    return f"     · {made.rule}{intent}{found}{failed}"
