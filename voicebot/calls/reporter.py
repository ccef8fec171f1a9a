"""What a call tells its journal: messages of the rooms become events, with what only the call knows about them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from voicebot.conversation.trace import Decision
from voicebot.errors import EngineFailed
from voicebot.journal import events
from voicebot.journal.journal import CallJournal
from voicebot.messages import Do, Expect, Handover, Heard, Result, Say, Snapshot
from voicebot.tts.player import PlayedPrompt

_NUMBERS = ("alnum", "date", "time", "datetime", "amount")


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """What is known of a call when it is answered."""

    channel: str
    """``sip``, ``browser`` or ``text``."""
    caller: str
    """Who calls, as the network says."""
    called: str
    """Whom he called."""
    flow: str
    """Name of the dialog."""
    flow_hash: str
    """SHA-256 of its file."""
    leg: str
    """The leg's own id."""


class CallReporter:
    """Of one call; use it in one thread.

    Args:
        journal: the call's.
        facts: what is known of it.
        masked: an action's arguments without its secrets, and whether it changes something.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        journal: CallJournal,
        facts: AnsweredCall,
        masked: Callable[[Do], tuple[Mapping[str, Any], bool]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._facts, self._masked, self._clock = journal, facts, masked, clock
        self._turn: tuple[Heard, Expect] | None = None
        """A turn that nobody has decided on: whether it is secret is not known yet."""
        self._answering: tuple[str, float, dict[str, float]] | None = None
        """Source of the turn that waits for the first sample of its answer, when it was heard, its stages."""
        self._snapshot: Snapshot | None = None
        self._outcome = self._reason = ""
        self._handovers = 0
        journal.write(events.CallAnswered(**dataclasses.asdict(facts)))

    # ── the turns ────────────────────────────────────────────────────────────────────────────────────────────────

    def moved(self, snapshot: Snapshot) -> None:
        """The dialog stands here now."""
        self._snapshot = snapshot
        self._journal.write(
            events.DialogMoved(
                snapshot.flow, snapshot.step, snapshot.intent, snapshot.intent_confidence, dict(snapshot.slots)
            )
        )

    def heard(self, heard: Heard, expect: Expect) -> None:
        """The caller's turn is over; `decided` completes it."""
        self._undecided()
        self._turn = heard, expect
        self._answering = heard.source, self._clock(), dict(heard.timings_ms)

    def decided(self, decision: Decision, ms: float, *, answers: bool) -> None:
        """The dialog decided what comes next, in so many milliseconds; `answers`: to what was just heard."""
        self._journal.redactor.accept(decision.slots.values())
        if answers:
            self._undecided(decision.secret)
        if self._answering is not None:
            stages = self._answering[2]
            stages["dialog"] = stages.get("dialog", 0.0) + ms
        self._journal.write(
            events.TurnDecided(
                rule=decision.rule, step=decision.step, ms=ms, after_turn=answers, intent=decision.intent,
                confidence=decision.confidence, band=decision.band, found=dict(decision.slots),
                failures=decision.failures, why=decision.why,
            )
        )  # fmt: skip

    def silence(self) -> None:
        """The caller said nothing for as long as the dialog wanted to wait."""
        self._answering = None
        self._journal.write(events.CallerSilent(self._step))

    def overheard(self, heard: Heard, expect: Expect) -> None:
        """Something was said that answers nothing; `expect`: what was asked last."""
        sure = heard.confidence if heard.source == "speech" else None
        self._journal.write(
            events.CallerOverheard(
                _shown(heard, expect), heard.source, sure, expect.secret, _numeric(expect), *self._when(heard)
            )
        )

    def _undecided(self, secret: bool = False) -> None:
        if self._turn is None:
            return
        (heard, expect), self._turn = self._turn, None
        text, speech = _shown(heard, expect), heard.source == "speech"
        began_s, ended_s = self._when(heard)
        self._journal.write(
            events.CallerHeard(
                text=text,
                source=heard.source,
                step=self._step,
                secret=expect.secret or secret,
                numeric=_numeric(expect),
                free_text=heard.text if heard.text != text else "",
                confidence=heard.confidence if speech else None,
                expected_confidence=heard.expected_confidence if heard.expected_text else None,
                alternatives=heard.alternatives,
                words=tuple(heard.words) if [word.text for word in heard.words] == text.split() else (),
                barged_in=heard.barged_in,
                prompt_cut=heard.prompt_heard is not None,
                audio_s=heard.audio_s,
                timings_ms=dict(heard.timings_ms),
                began_s=began_s,
                ended_s=ended_s,
            )
        )

    def _when(self, heard: Heard) -> tuple[float, float]:
        """From when until when it was said or keyed, in seconds since 1970; zeros where that is not known."""
        if not heard.ended_s:
            return 0.0, 0.0
        offset_s = self._journal.now_s() - self._clock()
        return heard.began_s + offset_s, heard.ended_s + offset_s

    @property
    def _step(self) -> str:
        return self._snapshot.step if self._snapshot else ""

    # ── prompts ──────────────────────────────────────────────────────────────────────────────────────────────────

    def sayable(self, say: Say) -> Say:
        """The prompt without what must not be read back: a card number that was taken for an answer."""
        text = self._journal.redactor.aloud(say.text)
        return say if text == say.text else dataclasses.replace(say, text=text, marked="")

    def tellable(self, act: Handover) -> Handover:
        """The handover whose summary says nothing secret."""
        return dataclasses.replace(act, summary=self._journal.redactor.aloud(act.summary))

    def saying(self, say: Say) -> None:
        """A prompt begins."""
        self._journal.write(events.PromptStarted(say.text, say.name, say.secret))

    def first_audio(self, synthesis_ms: float) -> None:
        """The first sample of a prompt is on its way; if it answers a turn, the caller's wait is over."""
        if self._answering is None:
            return
        (source, heard_s, stages), self._answering = self._answering, None
        stages["tts"] = synthesis_ms
        waited_ms = stages.get("endpoint", 0.0) + (self._clock() - heard_s) * 1000
        self._journal.write(events.ResponseStarted(source, waited_ms, stages))

    def said(self, say: Say, spoken: PlayedPrompt) -> None:
        """A prompt was played, or stopped."""
        heard = say.text if spoken.complete else spoken.heard
        self._journal.write(
            events.PromptSpoken(
                say.text, heard, spoken.complete, self._step, say.name, say.secret, spoken.first_audio_ms,
                spoken.duration_s,
            )
        )  # fmt: skip

    # ── what was done ────────────────────────────────────────────────────────────────────────────────────────────

    def action_asked(self, do: Do) -> None:
        """A backend action begins."""
        args, write = self._masked(do)
        self._journal.write(events.ActionAsked(do.action, do.token, args, write))

    def action_done(self, do: Do, result: Result, ms: float) -> None:
        """A backend action came to its end, after so many milliseconds."""
        args, write = self._masked(do)
        self._journal.write(events.ActionDone(do.action, do.token, result.ok, result.error, ms, args, write))
        if self._answering is not None:
            self._answering[2]["action"] = ms

    def outcome(self, outcome: str) -> None:
        """How the call ends, as the dialog sees it."""
        self._outcome = outcome

    def engine_broke(self, engine: Literal["recognition", "synthesis"], error: EngineFailed) -> None:
        """Recognition broke on one turn, or no voice could speak."""
        self._journal.write(events.EngineBroke(engine, str(error)))

    def broke(self, error: Exception) -> None:
        """The call broke inside this program."""
        self._outcome, self._reason = "failed", "internal error"
        self._journal.write(events.CallBroke(type(error).__name__))

    # ── the human ────────────────────────────────────────────────────────────────────────────────────────────────

    def held(self, act: Handover, snapshot: Snapshot) -> None:
        """The caller waits while a human is called."""
        self._handovers += 1
        self._outcome = "abandoned"  # unless somebody answers, or the caller goes on with the bot
        self._journal.write(
            events.CallHeld(
                act.target, act.reason, act.summary, self._handovers, self._facts.channel, self._facts.caller,
                self._facts.called, snapshot.flow, snapshot.step, snapshot.intent, dict(snapshot.slots),
                snapshot.resolved,
            )
        )  # fmt: skip

    def not_reached(self, act: Handover, why: str) -> None:
        """Nobody came to the phone."""
        self._outcome = ""
        self._journal.write(events.HumanNotReached(act.target, act.reason, why))

    def joined(self, act: Handover, human: str) -> None:
        """Caller and human hear each other now."""
        self._outcome = "handed-over"
        self._journal.write(events.HumanJoined(act.target, act.reason, human))

    def parted(self, who: str) -> None:
        """One of the two hung up, or they talk on without us."""
        self._reason = "transferred" if who == "released" else f"{who} hung up"
        self._journal.write(events.PartiesParted(who))

    def ended(self, snapshot: Snapshot, summary: str, closed: str, media: Mapping[str, Any]) -> None:
        """The call is over: its last event.

        Args:
            closed: who or what closed the leg.
            media: what the leg counted.
        """
        self._undecided()
        self._journal.write(
            events.CallOver(
                outcome=self._outcome or snapshot.outcome or "abandoned",
                reason=self._reason or closed,
                channel=self._facts.channel,
                resolved=snapshot.resolved,
                summary=summary,
                slots=dict(snapshot.slots),
                media=media,
            )
        )


def _numeric(expect: Expect) -> bool:
    """Whether a number was asked for; of secrets, one that is said in digits."""
    return expect.kind == "digits" or (expect.kind in _NUMBERS and not expect.secret)


def _shown(heard: Heard, expect: Expect) -> str:
    """What a reader should see: the in-grammar result where one was accepted, otherwise the free one."""
    return heard.expected_text if heard.expected_text and expect.kind != "free" else heard.text
