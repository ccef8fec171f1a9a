"""The messages of a call as a story: who said what to whom and when, what it means, and how it ended. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from telephony.routing.call_facts import clean
from telephony.sip.body import sdp_of
from telephony.sip.grammar import split_list
from telephony.sip.message import Request, Response, SipError, parse
from telephony.sip_trace import TraceEntry

from . import sdp_summary
from .call_trace import CallTrace
from .status_meanings import remedy

LATE_S = 0.2
"""A repeated message this soon is a duplicate of the network, later a retransmission."""
MAX_STEPS = 3000


@dataclass(slots=True)
class SequenceStep:
    """One message or remark. All texts are one printable line."""

    at_s: float
    """After the first message of the call."""
    entry: TraceEntry
    label: str
    """Its first line, short; the remark itself for a remark."""
    notes: list[str] = field(default_factory=list)
    party: str = ""
    """The other side's address; empty for a remark."""
    repeated: int = 0
    """Which retransmission this is; 0 for the first time."""
    failure: bool = False


@dataclass(slots=True)
class MessageSequence:
    """A whole call."""

    call: str
    began_s: float
    """Seconds since 1970."""
    steps: list[SequenceStep]
    facts: list[str]
    """Timings, outcome, who hung up and why."""
    parties: list[str]
    """Addresses of the others, in order of appearance."""
    local: str
    """Our address."""


def read_sequence(trace: CallTrace) -> MessageSequence:
    """Read a call's messages; what cannot be read becomes a step that says so."""
    entries = trace.entries[:MAX_STEPS]
    teller = _SequenceReader(entries)
    for entry in entries:
        teller.take(entry)
    began = entries[0].wall_s if entries else 0.0
    facts = teller.facts()
    parties = list(dict.fromkeys(clean(entry.remote, 60) for entry in entries if entry.data))
    local = next((clean(entry.local, 60) for entry in entries if entry.data), "")
    return MessageSequence(clean(trace.call), began, teller.steps, facts, parties, local)


@dataclass(slots=True)
class _Leg:
    """What has been seen of one Call-ID."""

    invited_s: float | None = None
    invited_by_us: bool = False
    ringing_s: float | None = None
    ringing: str = ""
    media_s: float | None = None
    answered_s: float | None = None
    acked: bool = False
    refused: str = ""
    cancelled: str = ""
    ended_s: float | None = None
    ended: str = ""
    retransmissions: int = 0
    offer: list[sdp_summary.StreamSummary] = field(default_factory=list)
    offer_ours: bool = False
    before: list[sdp_summary.StreamSummary] = field(default_factory=list)
    """What held before the offer, of the side that made it."""
    last: dict[bool, list[sdp_summary.StreamSummary]] = field(default_factory=dict)
    """By whether it was ours: the last description of that side."""


class _SequenceReader:
    def __init__(self, entries: Sequence[TraceEntry]) -> None:
        self.steps: list[SequenceStep] = []
        self._start_s = entries[0].at_s if entries else 0.0
        self._legs: dict[tuple[str, bool], _Leg] = {}
        """By Call-ID and whether we are the caller."""
        self._callers: dict[str, str] = {}
        """Call-ID → tag of who called."""
        self._seen: dict[tuple[bool, bytes], tuple[float, int]] = {}

    def take(self, entry: TraceEntry) -> None:
        at_s = entry.at_s - self._start_s
        if not entry.data:
            self.steps.append(SequenceStep(at_s, entry, clean(entry.remark, 400)))
            return
        first = clean(entry.data.lstrip(b"\r\n").partition(b"\r\n")[0].decode("utf-8", "replace"), 160)
        step = SequenceStep(at_s, entry, first or "(keep-alive)", party=clean(entry.remote, 60))
        self.steps.append(step)
        if entry.remark:
            step.notes.append(clean(entry.remark, 400))
        try:
            message = parse(entry.data)
        except SipError as error:
            step.notes.append(f"cannot be read: {clean(str(error))}")
            step.failure = True
            return
        leg = self._leg(message, entry.outgoing)
        step.label = _label(message, first)
        if self._repeated(step, entry, leg):
            return
        if isinstance(message, Request):
            self._request(step, message, leg)
        else:
            self._response(step, message, leg)
        if sdp_of(message):
            self._describe(step, message, leg)

    def _leg(self, message: Request | Response, outgoing: bool) -> _Leg:
        """A call that comes back through a proxy has one Call-ID for both of its legs; in one we are the caller."""
        head = message.head
        caller = self._callers.setdefault(head.call_id, head.from_.tag)
        asked_by_us = outgoing if isinstance(message, Request) else not outgoing
        return self._legs.setdefault((head.call_id, (head.from_.tag == caller) == asked_by_us), _Leg())

    def _repeated(self, step: SequenceStep, entry: TraceEntry, leg: _Leg) -> bool:
        key = (entry.outgoing, entry.data)
        before = self._seen.get(key)
        self._seen[key] = (step.at_s, 0 if before is None else before[1] + 1)
        if before is None:
            return False
        step.repeated = before[1] + 1
        apart_s = step.at_s - before[0]
        leg.retransmissions += 1
        what = "the same again" if apart_s < LATE_S else "retransmission"
        step.notes.append(f"{what} (no. {step.repeated}, after {apart_s:.2f} s)")
        return True

    def _request(self, step: SequenceStep, request: Request, leg: _Leg) -> None:
        ours = step.entry.outgoing
        who = "we" if ours else "the other side"
        reason = clean(request.headers.get("Reason") or "", 120)
        match request.method:
            case "INVITE" if leg.invited_s is None or leg.answered_s is None:
                if leg.invited_s is None:
                    leg.invited_s, leg.invited_by_us = step.at_s, ours
                if request.headers.get("Authorization") or request.headers.get("Proxy-Authorization"):
                    step.notes.append("with the answer to the challenge")
                if not request.body:
                    step.notes.append("no offer: the description comes with the answer (late offer)")
            case "INVITE":
                step.notes.append(f"{who} would change the call (re-INVITE)")
            case "ACK":
                leg.acked = leg.acked or leg.answered_s is not None
            case "BYE":
                if leg.ended_s is None:
                    leg.ended_s = step.at_s
                    leg.ended = f"{who} hung up" + (f": {reason}" if reason else "")
                step.notes.append(leg.ended)
            case "CANCEL":
                leg.cancelled = f"{who} gave up before an answer" + (f": {reason}" if reason else "")
                step.notes.append(leg.cancelled)
            case "REFER":
                step.notes.append(f"{who} would transfer the call to {clean(request.headers.get('Refer-To') or '?')}")
            case "UPDATE":
                step.notes.append(f"{who} would {'change the call' if request.body else 'keep the call alive'}")
            case "PRACK":
                step.notes.append("confirms a provisional answer (100rel)")
            case "INFO":
                step.notes.append(f"INFO with {clean(request.headers.get('Content-Type') or 'nothing', 60)}")
            case "NOTIFY":
                step.notes.append(clean(request.body[:60].decode("utf-8", "replace")))

    def _response(self, step: SequenceStep, response: Response, leg: _Leg) -> None:
        code, method = response.code, response.head.method
        if code >= 300:
            step.failure = True
            words = remedy(code, method, response.headers.get("Warning") or "", step.entry.outgoing)
            step.notes += [words] if words else []
            wait = response.headers.get("Retry-After")
            step.notes += [f"try again after {clean(wait, 20)} s"] if wait else []
            if method in ("INVITE", "UPDATE") and leg.offer:  # a refused offer changes nothing
                leg.last[leg.offer_ours] = leg.before
                leg.offer = []
        if method != "INVITE":
            return
        if 101 <= code < 200 and leg.ringing_s is None:
            leg.ringing_s, leg.ringing = step.at_s, f"{code}"
        if 101 <= code < 200 and response.body and leg.media_s is None:
            leg.media_s = step.at_s
            step.notes.append("early media may flow from here on")
        if 200 <= code < 300 and leg.answered_s is None:
            leg.answered_s = step.at_s
            leg.refused = ""
        elif code >= 300 and leg.answered_s is None and code not in (401, 407):
            leg.refused = f"{code} {clean(response.phrase, 80)}"
            leg.refused += " by us" if step.entry.outgoing else " by the other side"
        elif code in (401, 407) and leg.answered_s is None:
            leg.refused = f"{code} {clean(response.phrase, 80)} (asked for a password)"

    def _describe(self, step: SequenceStep, message: Request | Response, leg: _Leg) -> None:
        streams = sdp_summary.read(message.body)
        ours = step.entry.outgoing
        if not streams:
            step.notes.append("a description without streams")
            return
        before = leg.last.get(ours) or []
        leg.last[ours] = streams
        if leg.offer and leg.offer_ours != ours:
            step.notes += [f"answer: {stream}" for stream in streams]
            step.notes += sdp_summary.outcome(leg.offer, streams)
            leg.offer = []
        elif not leg.offer and (isinstance(message, Request) or before != streams):
            leg.offer, leg.offer_ours, leg.before = streams, ours, before
            step.notes += [f"offer: {stream}" for stream in streams]
            step.notes += sdp_summary.changes(before, streams) if before else []

    def facts(self) -> list[str]:
        """Timings and outcome of each leg."""
        legs = [(key, leg) for key, leg in self._legs.items() if leg.invited_s is not None]
        found = []
        for (call_id, ours), leg in legs:
            lines = _facts(leg, leg.invited_s or 0.0)
            if len(legs) > 1:
                found.append(f"{'we called' if ours else 'we were called'}, Call-ID {clean(call_id, 80)}:")
                lines = [f"  {line}" for line in lines]
            found += lines
        return found


def _facts(leg: _Leg, invited_s: float) -> list[str]:
    found = []
    if leg.ringing_s is not None:
        found.append(f"first sign of ringing ({leg.ringing}) after {_ms(leg.ringing_s - invited_s)}"
                     " (post-dial delay)")  # fmt: skip
    if leg.answered_s is not None:
        found.append(f"answered after {_ms(leg.answered_s - invited_s)} (set-up time)")
        if not leg.acked:
            found.append("the answer was never confirmed: no ACK came; look at Contact, Record-Route and the firewall")
    elif leg.cancelled:
        found.append(f"not answered: {leg.cancelled}")
    elif leg.refused:
        found.append(f"not answered: {leg.refused}")
    else:
        found.append("not answered yet, and not refused: no final response is in the trace")
    if leg.answered_s is not None and leg.ended_s is not None:
        found.append(f"{leg.ended}, after {leg.ended_s - leg.answered_s:.1f} s of talk")
    elif leg.answered_s is not None:
        found.append("no BYE is in the trace: the call goes on, or its end was lost")
    if leg.retransmissions:
        found.append(f"{leg.retransmissions} message(s) came more than once: packets are lost, or answers come late")
    return found


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _label(message: Request | Response, first: str) -> str:
    if isinstance(message, Response):
        head = message.head
        tail = f" ({clean(head.method, 20)})" if head.method != "INVITE" else ""
        needs = {item.lower() for value in message.headers.getlist("Require") for item in _items(value)}
        return clean(f"{message.code} {message.phrase}{tail}", 120) + (", to be confirmed" if "100rel" in needs else "")
    return clean(first.rpartition(" SIP/2.0")[0] or first, 120)


def _items(value: str) -> list[str]:
    try:
        return split_list(value)
    except ValueError:
        return []
