"""SIP and SDP of the bench's own callers, so that the server is not measured by itself (RFC 3261, RFC 4566)."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

from telephony.media.codecs import FORMATS, Codec
from telephony.media.srtp import Suite

SUITE: Suite = "AES_CM_128_HMAC_SHA1_80"
_EVENTS = 101
_CALL_ID = re.compile(r"^Call-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)
_CSEQ = re.compile(r"^CSeq: *\d+ +(\S+)", re.MULTILINE | re.IGNORECASE)
_TAG = re.compile(r"^To:.*;tag=([^\s;]+)", re.MULTILINE | re.IGNORECASE)
_AUDIO = re.compile(r"^m=audio (\d+)", re.MULTILINE)
_RETRY_AFTER = re.compile(r"^Retry-After: *\d+", re.MULTILINE | re.IGNORECASE)
_ECHOED = re.compile(r"^(?:Via|From|To|Call-ID|CSeq):.*\r\n", re.MULTILINE | re.IGNORECASE)


class ParsedMessage(NamedTuple):
    """What a caller wants to know of a message."""

    status: int
    """0 for a request."""
    method: str
    """Of the request, or of the request that is answered."""
    call: str
    tag: str
    """Of To; empty without one."""
    media_port: int
    """0 without SDP."""
    retry_after: bool
    text: str


def read(datagram: bytes) -> ParsedMessage | None:
    """None for what is no SIP message."""
    text = datagram.decode("utf-8", "replace")
    call, cseq = _CALL_ID.search(text), _CSEQ.search(text)
    if call is None or cseq is None:
        return None
    status = int(text[8:11]) if text.startswith("SIP/2.0 ") and text[8:11].isdecimal() else 0
    tag, audio = _TAG.search(text), _AUDIO.search(text)
    port = int(audio[1]) if audio else 0
    return ParsedMessage(
        status, cseq[1], call[1], tag[1] if tag else "", port, _RETRY_AFTER.search(text) is not None, text
    )


def request(
    method: str,
    call: str,
    local: tuple[str, int],
    target: tuple[str, int],
    *,
    tag: str = "",
    seq: int = 1,
    body: str = "",
) -> bytes:
    """One request of a caller; `tag` is the server's, of a dialog."""
    host, port = local
    server = f"{target[0]}:{target[1]}"
    lines = [
        f"{method} sip:bench@{server} SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call}.{seq}.{method};rport",
        f"From: <sip:{call}@{host}>;tag={call}",
        f"To: <sip:bench@{server}>" + (f";tag={tag}" if tag else ""),
        f"Call-ID: {call}",
        f"CSeq: {seq} {method}",
        f"Contact: <sip:{call}@{host}:{port}>",
        "Max-Forwards: 70",
        "User-Agent: voicebot-bench",
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def confirm(message: ParsedMessage) -> bytes:
    """200 to a request of the server."""
    echoed = "".join(_ECHOED.findall(message.text))
    return f"SIP/2.0 200 OK\r\n{echoed}Content-Length: 0\r\n\r\n".encode()


def offer(host: str, port: int, codec: Codec, key: bytes) -> str:
    """SDP for one codec; with a key, SRTP by SDES (RFC 4568)."""
    form = FORMATS[codec]
    number = form.payload_type
    channels = f"/{form.channels}" if form.channels > 1 else ""
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/{'SAVP' if key else 'AVP'} {number} {_EVENTS}",
        f"a=rtpmap:{number} {codec}/{form.clock_hz}{channels}",
        f"a=rtpmap:{_EVENTS} telephone-event/{form.clock_hz}",
        *([f"a=crypto:1 {SUITE} inline:{base64.b64encode(key).decode()}"] if key else []),
    ]
    return "\r\n".join(lines) + "\r\n"
