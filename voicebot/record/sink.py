"""The sink that records: events become rows, so that lists and pages can read a call afterwards."""

from __future__ import annotations

import dataclasses

from voicebot.journal import events
from voicebot.journal.entry import Entry, Event
from voicebot.record.records import Records
from voicebot.record.rows import Turn


class RecordSink:
    """Writes each event as it is, and turns, actions and the call itself as rows of their own.

    A caller's turn is written when its answer has begun, because only then its timings are whole.
    """

    name = "record"
    takes_back = True

    def __init__(self, records: Records) -> None:
        self._records = records
        self._turns: dict[str, Turn] = {}
        """Call → the caller's turn that waits for its answer."""
        self._heard_at: dict[str, float] = {}
        self._at = 0.0
        """Of the event that is being written, in seconds since 1970."""
        self._told: dict[str, list[Entry]] = {}
        """Call under way → all its events, for when one of them must be masked later."""

    def take(self, entry: Entry) -> None:
        """Write one event down."""
        call, event, self._at = entry.call, entry.event, entry.at
        if call is not None:
            self._before(call, event)
            self._told.setdefault(call, []).append(entry)
            if isinstance(event, events.CallOver):
                del self._told[call]
        if call is not None and isinstance(event, events.Redacted):
            self._mask(call, event)
        else:
            self._tell(entry)

    def _mask(self, call: str, redacted: events.Redacted) -> None:
        """Write the call down anew, without what has turned out to be secret."""
        self._told[call] = [_without(entry, redacted) for entry in self._told[call]]

        def tell(records: Records) -> None:
            again = RecordSink(records)
            for entry in self._told[call]:
                again._tell(entry)
            for mine, new in ((self._turns, again._turns), (self._heard_at, again._heard_at)):
                mine.pop(call, None)
                mine.update(new)  # type: ignore[arg-type]

        self._records.retold(call, tell)

    def _tell(self, entry: Entry) -> None:
        call, event, self._at = entry.call, entry.event, entry.at
        self._records.event(call, entry.number, entry.at, event.kind, event.version, event.data())
        if call is not None:
            self._turn(call, event)
            self._happened(call, event)

    def _before(self, call: str, event: Event) -> None:
        if isinstance(event, events.CallAnswered):
            self._records.call_started(
                call, event.channel, event.caller, event.called, event.flow, flow_hash=event.flow_hash, at=self._at
            )

    def _turn(self, call: str, event: Event) -> None:
        match event:
            case events.CallerHeard() as heard:
                self._flush(call)
                self._heard_at[call] = self._at
                self._turns[call] = Turn(
                    "caller", heard.text, confidence=heard.confidence, step=heard.step, timings_ms=heard.timings_ms,
                    barged_in=heard.barged_in, source=heard.source, secret=heard.secret,
                    alternatives=heard.alternatives,
                )  # fmt: skip
            case events.TurnDecided() as made if call in self._turns:
                self._decided(call, made)
            case events.ActionDone(ms=ms) if call in self._turns:
                self._timed(call, {"action": ms})
            case events.ResponseStarted(latency_ms=latency_ms, timings_ms=stages) if call in self._turns:
                self._timed(call, {**stages, "answer": latency_ms})
                self._flush(call)
            case events.CallerSilent() | events.CallHeld() | events.CallOver():
                self._flush(call)
            case events.PromptSpoken(text=text, heard=heard_text, complete=complete, step=step, secret=secret):
                self._records.turn(
                    call, Turn("bot", text if complete else f"{heard_text} —", step=step, secret=secret), self._at
                )

    def _decided(self, call: str, made: events.TurnDecided) -> None:
        turn = self._turns[call]
        dialog_ms = turn.timings_ms.get("dialog", 0.0) + made.ms
        self._timed(call, {"dialog": dialog_ms})
        if made.after_turn:
            self._turns[call] = dataclasses.replace(
                self._turns[call], intent=made.intent, intent_confidence=made.confidence if made.intent else None,
                rule=made.rule, found=made.found, failures=made.failures,
                trace={"step": made.step, "band": made.band, "why": list(made.why)},
            )  # fmt: skip

    def _timed(self, call: str, stages: dict[str, float]) -> None:
        turn = self._turns[call]
        self._turns[call] = dataclasses.replace(turn, timings_ms={**turn.timings_ms, **stages})

    def _flush(self, call: str) -> None:
        turn, at = self._turns.pop(call, None), self._heard_at.pop(call, self._at)
        if turn is not None:
            self._records.turn(call, turn, at)

    def _happened(self, call: str, event: Event) -> None:
        match event:
            case events.DialogMoved(slots=slots):
                self._records.slots(call, slots)
            case events.CallerSilent():
                self._system(call, "no input")
            case events.CallerOverheard(text=text, confidence=sure, secret=secret):
                self._records.turn(call, Turn("caller", text, sure, step="overheard", secret=secret), self._at)
            case events.ActionDone() as done:
                self._records.action(
                    call,
                    done.action,
                    done.args,
                    done.ok,
                    done.error,
                    done.ms,
                    token=done.token,
                    write=done.write,
                    at=self._at,
                )
            case events.EngineBroke(engine=engine):
                self._system(call, f"{engine} failed")
            case events.CallHeld(target=target, reason=reason, summary=summary):
                self._system(call, f"handover to {target} ({reason}): {summary}")
            case events.HumanNotReached(target=target, why=why):
                self._system(call, f"{target} not reached: {why}")
            case events.HumanJoined(human=human):
                self._system(call, f"joined with {human}")
            case events.CallOver() as over:
                self._records.slots(call, over.slots)
                self._records.call_ended(
                    call, over.outcome, over.reason, over.resolved, over.summary, over.media, self._at
                )

    def _system(self, call: str, text: str) -> None:
        self._write(call, Turn("system", text))

    def _write(self, call: str, turn: Turn) -> None:
        self._records.turn(call, turn, self._at)


def _without(entry: Entry, redacted: events.Redacted) -> Entry:
    """An entry as it is from now on."""
    changed = redacted.entries.get(str(entry.number))
    if changed is None:
        return entry
    kind, version = entry.event.kind, entry.event.version
    return dataclasses.replace(entry, event=events.read(kind, version, {**entry.event.data(), **changed}))
