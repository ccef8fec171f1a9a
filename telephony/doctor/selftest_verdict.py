"""What a test call says about a trunk: one-way audio told from none, wrong codecs, lost keys, bad lines. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from telephony.media.stats import MediaStats

from .findings import Finding
from .sine_tone import HeardTone

HEARD_S = 1.0
"""So much of the tone has to arrive for a direction to count as good."""
MAX_LOSS_PERCENT = 1.0
MAX_JITTER_MS = 30.0
MAX_LEVEL_DROP_DB = 10.0
SLOW_SET_UP_S = 4.0
_NOT_SENT = (
    "what we send does not arrive: let UDP out to the address and port of the answer's c= and m= (see the ladder), "
    "and see that sip.advertise is right"
)
_NO_ECHO = (
    "whoever answers is no echo, or the codec is another one than agreed (noise, wrong speed): "
    "allow one codec only and try again"
)
_SERVER_ANSWERS = (
    "if the number leads back to us, the running server has answered: stop it, and the test answers and measures both "
    "directions; otherwise whoever answers is no echo, or the codec is another one than agreed"
)
_PORTS = "the firewall has to let UDP in to the RTP ports, and sip.advertise has to be an address that the peer reaches"


@dataclass(frozen=True, slots=True)
class MeasuredEnd:
    """One end of the call: what it said and heard."""

    stats: MediaStats = field(default_factory=MediaStats)
    codec: str = ""
    sound: HeardTone = field(default_factory=HeardTone)
    """Heard there, against the tone of the other end."""
    keys: str = ""
    """Heard there."""
    refused_security: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredCall:
    """A test call."""

    set_up_s: float
    near: MeasuredEnd
    """Where we called from."""
    far: MeasuredEnd | None
    """Where the call came back to us; None: somebody else answered, who should be an echo."""
    sent_dbm0: float
    keys: str
    """Pressed at each end."""
    wished: tuple[str, ...] = ()
    """Codecs of the trunk, best first."""
    beside_server: bool = False
    """The server was running, so a call that comes back to us was answered by it."""
    ended: str = ""
    """Why the call ended before we hung up; empty when it did not."""


def judge(seen: MeasuredCall) -> Iterator[Finding]:
    """The findings, the gravest things first."""
    slow = seen.set_up_s > SLOW_SET_UP_S
    remedy = "see voicebot trunk probe for slow DNS or servers, and the ladder for redirects" if slow else ""
    where = "came back to us (loop)" if seen.far is not None else "was answered by somebody else (taken for an echo)"
    yield Finding("warning" if slow else "ok", "call", where, remedy, seen.set_up_s)
    if seen.ended:
        yield Finding("problem", "call", f"ended by itself: {seen.ended}", "look at it with: voicebot trunk ladder")
    for end in (seen.near, seen.far):
        if end is not None and end.refused_security:
            yield Finding(
                "problem", "srtp", end.refused_security, "compare `srtp` of the trunk with what the peer does"
            )
    yield from _codec(seen)
    yield from _loop(seen, seen.far) if seen.far is not None else _echo(seen)
    lines = [("line to us", seen.near)] + ([("line to the far end", seen.far)] if seen.far is not None else [])
    for _, one in lines:
        if one.stats.unagreed_event_type is not None:
            yield _unagreed(one.stats.unagreed_event_type)
    for name, one in lines:
        if one.stats.packets_received:
            yield from _line(name, one.stats)


def _codec(seen: MeasuredCall) -> Iterator[Finding]:
    codec = seen.near.codec
    if seen.wished and codec != seen.wished[0]:
        words = f"{codec} was agreed, though the trunk would rather have {seen.wished[0]}"
        yield Finding(
            "warning", "codec", words, f"the peer does not offer it: put {codec} first, or ask the peer for it"
        )
    else:
        yield Finding("ok", "codec", f"{codec} was agreed")


# ── sound ──


def _loop(seen: MeasuredCall, far: MeasuredEnd) -> Iterator[Finding]:
    """Both ends are ours: each direction is judged by itself."""
    there, back = far.stats.packets_received > 0, seen.near.stats.packets_received > 0
    if not there and not back:
        words = "no audio in either direction: not one RTP packet arrived at either end"
        yield Finding("problem", "audio", words, _PORTS)
        return
    if there != back:
        good, bad = ("there", "back") if there else ("back", "there")
        words = f"one-way audio: the way {good} works, on the way {bad} no RTP packet arrives"
        yield Finding("problem", "audio", words, "the peer sends to a wrong address for one of the two calls, or drops "
                      f"one: compare c= and m= in the ladder of both; {_PORTS}")  # fmt: skip
    if there:
        yield _way("audio there", seen, far)
        yield _keys("keys there", seen.keys, far.keys, certain=True)
    if back:
        yield _way("audio back", seen, seen.near)
        yield _keys("keys back", seen.keys, seen.near.keys, certain=True)


def _echo(seen: MeasuredCall) -> Iterator[Finding]:
    """Only what comes back is seen: from it, and the peer's reports, it is told where it breaks."""
    stats, sound = seen.near.stats, seen.near.sound
    if stats.packets_received == 0:
        yield _nothing_back(stats)
        return
    if sound.level_dbm0 is None and sound.other_s < HEARD_S:
        reported = stats.peer_lost_percent
        if reported is not None and reported < 100:
            words = "packets come, but our tone does not come back; the peer reports that it gets our packets"
            yield Finding("problem", "audio", words, "it is no echo, or it mutes us: try another number")
        else:
            words = "one-way audio: we hear the peer's packets (silence), but our tone does not come back from there"
            yield Finding("problem", "audio", words, _NOT_SENT)
        return
    yield _way("audio", seen, seen.near)
    yield _keys("keys", seen.keys, seen.near.keys, certain=False)


def _nothing_back(stats: MediaStats) -> Finding:
    if stats.malformed or stats.wrong_source or stats.forged:
        found = []
        if stats.wrong_source:
            found.append(f"{stats.wrong_source} from another address than the one agreed")
        if stats.malformed:
            found.append(f"{stats.malformed} of a payload type that was not agreed")
        if stats.forged:
            found.append(f"{stats.forged} with a wrong SRTP tag or none")
        words = f"no audio is accepted: {', '.join(found)}"
        remedy = "the peer sends other than it has answered: show it the ladder and pcap"
        if stats.wrong_source:
            remedy += "; where its telephones send by themselves, say `symmetric: true` in the trunk's file"
        return Finding("problem", "audio", words, remedy)
    if stats.peer_lost_percent is not None and stats.peer_lost_percent < 100:
        words = "one-way audio: the peer reports that it gets our packets, but none of its packets arrives here"
        return Finding("problem", "audio", words, _PORTS)
    words = "no audio: not one RTP packet came, and no report that ours arrive"
    return Finding("problem", "audio", words, f"the peer sends none, or it is lost on the way: {_PORTS}")


def _way(subject: str, seen: MeasuredCall, end: MeasuredEnd) -> Finding:
    """One direction in which packets arrive."""
    sound = end.sound
    if sound.level_dbm0 is None:
        if end.stats.malformed > end.stats.packets_received:
            return Finding("problem", subject, "packets of another payload type than agreed arrive: a wrong codec",
                           "allow one codec only on this trunk, and show the peer the ladder")  # fmt: skip
        if sound.other_s >= HEARD_S and sound.strongest_hz is not None:
            words = f"sound arrives, but not our tone: mostly {sound.strongest_hz:.0f} Hz"
            return Finding("problem", subject, words, _SERVER_ANSWERS if seen.beside_server else _NO_ECHO)
        return Finding("problem", subject, "packets arrive, but they carry silence: the tone is lost on the way",
                       "a gateway mutes the call (hold, announcement, missing transcoder): ask the peer")  # fmt: skip
    words = f"the tone is heard for {sound.tone_s:.1f} s at {sound.level_dbm0:.0f} dBm0 (sent {seen.sent_dbm0:.0f})"
    if sound.tone_s < HEARD_S:
        return Finding("problem", subject, f"broken: {words}", "packets are lost or come too late; see the line below")
    drop = seen.sent_dbm0 - sound.level_dbm0
    if abs(drop) > MAX_LEVEL_DROP_DB:
        remedy = "a gateway changes the level: ask the peer for 0 dB"
        return Finding(
            "warning", subject, f"{words}: {'quieter' if drop > 0 else 'louder'} by {abs(drop):.0f} dB", remedy
        )
    return Finding("ok", subject, words)


def _keys(subject: str, pressed: str, heard: str, *, certain: bool) -> Finding:
    if heard == pressed:
        return Finding("ok", subject, f"{heard} arrived")
    if not certain and not heard:
        words = "none came back; many echoes return the voice only"
        return Finding("warning", subject, words, "test keys with a number that leads back to us")
    words = f"{pressed} was pressed, {heard or 'nothing'} arrived"
    remedy = "try `keys: info` or `keys: inband` in the trunk; the ladder says whether telephone-event was agreed"
    return Finding("problem", subject, words, remedy)


def _unagreed(payload_type: int) -> Finding:
    words = f"keys come as telephone events of payload type {payload_type}, which was not agreed; they are taken"
    remedy = (
        f"the peer should put {payload_type} in its m= line, with a=rtpmap:{payload_type} telephone-event/8000: "
        "others drop such packets; see offer and answer in the ladder"
    )
    return Finding("warning", "keys", words, remedy)


def _line(name: str, stats: MediaStats) -> Iterator[Finding]:
    expected = stats.packets_received + stats.lost
    loss = 100 * stats.lost / expected
    words = f"{stats.packets_received} packets, {loss:.1f} % lost, {stats.jitter_ms:.0f} ms jitter"
    if stats.round_trip_ms is not None:
        words += f", {stats.round_trip_ms:.0f} ms there and back"
    bad = loss > MAX_LOSS_PERCENT or stats.jitter_ms > MAX_JITTER_MS
    remedy = "give voice priority (DSCP 46) on the way to the peer, and see who fills the line" if bad else ""
    yield Finding("warning" if bad else "ok", name, words, remedy)
