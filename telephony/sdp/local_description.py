"""SDP offers and answers for one audio stream (RFC 3264, RFC 8866): our line of them.

`description` reads what a peer wrote, `agreement` says what it comes to, `negotiation` keeps the state of a dialog.
"""

from __future__ import annotations

from ..call_policy import Terms
from ..media.codecs import FORMATS, Codec
from ..media.dtls import identity
from ..media.srtp import SDES_SUITES, Crypto, new_key
from .agreement import OVER_DTLS, PLAIN, SECURE, Agreed, Security, carried, first_crypto
from .audio_line import EVENT_TYPES, AudioLine
from .description import Direction, MediaDescription, SdpError, Setup

__all__ = ["Agreed", "Direction", "SdpError", "answer_line", "offer_line"]

_DEMANDED: dict[str, Security] = {"sdes": "sdes", "dtls": "dtls"}
_OFFERED_PROFILE: dict[Security, str] = {"plain": PLAIN[0], "sdes": SECURE[0], "dtls": OVER_DTLS[0]}


def offer_line(terms: Terms, port: int, direction: Direction, *, past: Agreed | None = None) -> AudioLine:
    """All that the terms allow, protected as it was before or else as the terms demand.

    SDES gets fresh keys, in a running session those in use (RFC 4568 section 7.1.4).
    """
    codecs, events = _numbered(terms, past)
    security: Security = past.security if past is not None else _DEMANDED.get(terms.srtp, "plain")
    crypto: tuple[Crypto, ...] = ()
    if past is not None and past.keys is not None:
        crypto = (Crypto(1, past.keys.suite, past.keys.ours),)
    elif security == "sdes":
        crypto = tuple(Crypto(tag, suite, new_key(suite)) for tag, suite in enumerate(SDES_SUITES, 1))
    return AudioLine(
        port,
        _OFFERED_PROFILE[security],
        codecs,
        events,
        direction,
        terms.ptime_ms,
        rtcp_mux=security == "dtls" if past is None else past.rtcp_mux,
        crypto=crypto,
        setup="actpass" if security == "dtls" else None,
        fingerprint=identity().fingerprint if security == "dtls" else "",
    )


def _numbered(terms: Terms, past: Agreed | None) -> tuple[tuple[tuple[int, Codec], ...], tuple[tuple[int, int], ...]]:
    """Codecs and events with our payload types.

    What was agreed comes first and keeps its numbers; no number may get another meaning (RFC 3264 section 8.3.2).
    """
    codecs: dict[int, Codec] = {}
    events: dict[int, int] = {}
    if past is not None:
        codecs[past.payload_type if past.own_payload_type is None else past.own_payload_type] = past.codec
        event = past.dtmf_payload_type if past.own_dtmf_payload_type is None else past.own_dtmf_payload_type
        if event is not None:
            events[event] = past.dtmf_clock_hz or FORMATS[past.codec].clock_hz
    for codec in carried(terms):
        form = FORMATS[codec]
        if codec not in codecs.values() and form.payload_type not in (codecs | events):
            codecs[form.payload_type] = codec
    # Beside Opus, events at 8000 Hz, too: many phones know no other.
    for clock_hz in (*(FORMATS[codec].clock_hz for codec in codecs.values()), FORMATS["PCMU"].clock_hz):
        if clock_hz not in events.values() and EVENT_TYPES[clock_hz] not in (codecs | events):
            events[EVENT_TYPES[clock_hz]] = clock_hz
    return tuple(codecs.items()), tuple(events.items())


def answer_line(stream: MediaDescription, agreed: Agreed, port: int) -> AudioLine:
    """To the offered stream, with the offerer's numbers."""
    clock_hz = agreed.dtmf_clock_hz or FORMATS[agreed.codec].clock_hz
    events = () if agreed.dtmf_payload_type is None else ((agreed.dtmf_payload_type, clock_hz),)
    crypto: tuple[Crypto, ...] = ()
    if agreed.keys is not None:
        theirs = first_crypto(stream)
        crypto = () if theirs is None else (theirs._replace(key=agreed.keys.ours),)
    setup: Setup | None = None
    if agreed.dtls is not None:
        setup = "active" if agreed.dtls.active else "passive"
    return AudioLine(
        port,
        stream.profile,
        ((agreed.payload_type, agreed.codec),),
        events,
        agreed.direction,
        agreed.ptime_ms,
        agreed.comfort_noise,
        agreed.rtcp_mux,
        crypto,
        setup,
        "" if agreed.dtls is None else identity().fingerprint,
    )
