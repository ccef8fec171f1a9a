"""sipp scenarios written as a few steps each: what a called party or a caller sends, and what it insists on.

    write(folder, invite(), reply(183, sdp=True, more="Require: 100rel\\nRSeq: 1"), request("PRACK"), ok(), …)

sipp fails the run when anything else comes, or when a header does not match.
"""

from __future__ import annotations

import itertools
from pathlib import Path

SDP = """v=0
o=u 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=sendrecv
"""
_numbers = itertools.count(20)
_used: list[int] = []

_KEPT = {"Via:": 1, "CSeq:": 2, "To:": 3, "From:": 4}


def _check(pairs: dict[str, str], where: str = "hdr") -> str:
    """Expressions that headers, or with `where` body the body, have to match."""
    text = ""
    for name, pattern in pairs.items():
        number = next(_numbers)
        _used.append(number)
        place = f'search_in="hdr" header="{name}:"' if name else f'search_in="{where}"'
        text += f'<ereg regexp="{pattern}" {place} check_it="true" assign_to="{number}"/>'
    return text


def _actions(check: dict[str, str] | None, body: str = "") -> str:
    inner = _check(check or {}) + (_check({"": body}, "body") if body else "")
    return f"<action>{inner}</action>" if inner else ""


def _message(lines: str, sdp: bool) -> str:
    tail = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{SDP}" if sdp else "Content-Length: 0\n\n"
    return f"<send><![CDATA[\n{lines}{tail}\n]]></send>\n"


# ── a called party ──


def invite(check: dict[str, str] | None = None, body: str = "") -> str:
    """Take the INVITE and keep what its responses need."""
    kept = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{name}" assign_to="{number}"/>' for name, number in _KEPT.items()
    )
    inner = _check(check or {}) + (_check({"": body}, "body") if body else "")
    return f'<recv request="INVITE"><action>{kept}{inner}</action></recv>\n'


def reply(status: int, tag: str = "u", *, sdp: bool = False, more: str = "", contact: str = "") -> str:
    """A response to the INVITE."""
    contact = contact or "<sip:uas@[local_ip]:[local_port];transport=[transport]>"
    lines = (
        f"SIP/2.0 {status} Said By Sipp\nVia:[$1]\nFrom:[$4]\nTo:[$3];tag=[pid]{tag}[call_number]\n[last_Call-ID:]\n"
        f"CSeq:[$2]\nContact: {contact}\n" + (f"{more}\n" if more else "")
    )
    return _message(lines, sdp)


def request(method: str, check: dict[str, str] | None = None, body: str = "", *, optional: bool = False) -> str:
    """Wait for a request."""
    maybe = ' optional="true"' if optional else ""
    return f'<recv request="{method}"{maybe}>{_actions(check, body)}</recv>\n'


def ok(status: int = 200, *, sdp: bool = False) -> str:
    """Answer the last request."""
    lines = f"SIP/2.0 {status} OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n"
    return _message(lines + "Contact: <sip:uas@[local_ip]:[local_port];transport=[transport]>\n", sdp)


def pause(ms: int) -> str:
    """Do nothing."""
    return f'<pause milliseconds="{ms}"/>\n'


# ── a caller ──


def call(*, sdp: bool = True, more: str = "") -> str:
    """Send an INVITE."""
    return _message(_head("INVITE", 1, "[branch]", "") + (f"{more}\n" if more else ""), sdp)


def send(method: str, seq: int, *, sdp: bool = False, more: str = "", branch: str = "[branch]") -> str:
    """A request in the dialog."""
    return _message(_head(method, seq, branch, "[peer_tag_param]") + (f"{more}\n" if more else ""), sdp)


def cancel(steps_back: int) -> str:
    """Cancel the INVITE that was sent so many messages ago."""
    lines = _head("CANCEL", 1, f"[branch-{steps_back}]", "")
    return _message(lines, False)


def ack_refusal(steps_back: int) -> str:
    """Acknowledge a final response that is no 2xx."""
    return _message(_head("ACK", 1, f"[branch-{steps_back}]", "[peer_tag_param]"), False)


def response(status: int, check: dict[str, str] | None = None, body: str = "", *, keep: dict[str, int] | None = None,
             optional: bool = False) -> str:  # fmt: skip
    """Wait for a response; `keep` puts numbers out of headers into variables."""
    inner = _check(check or {}) + (_check({"": body}, "body") if body else "")
    for name, number in (keep or {}).items():
        _used.append(number)
        inner += f'<ereg regexp="[0-9]+" search_in="hdr" header="{name}:" check_it="true" assign_to="{number}"/>'
    maybe = ' optional="true"' if optional else ""
    return f'<recv response="{status}"{maybe}>{f"<action>{inner}</action>" if inner else ""}</recv>\n'


def _head(method: str, seq: int, branch: str, to_tag: str) -> str:
    return (
        f"{method} sip:bot@[remote_ip]:[remote_port] SIP/2.0\n"
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n"
        "From: <sip:ann@[local_ip]:[local_port]>;tag=[pid]a[call_number]\n"
        f"To: <sip:bot@[remote_ip]:[remote_port]>{to_tag}\nCall-ID: [call_id]\nCSeq: {seq} {method}\n"
        "Contact: <sip:ann@[local_ip]:[local_port];transport=[transport]>\nMax-Forwards: 70\n"
    )


def write(folder: Path, *steps: str) -> Path:
    """Put a scenario together; returns its file."""
    text = "".join(steps)
    used = [n for n in _used if f'assign_to="{n}"' in text]
    kept = list(_KEPT.values()) if 'assign_to="1"' in text else []
    names = ",".join(str(n) for n in sorted({*used, *kept}))
    reference = f'<Reference variables="{names}"/>\n' if names else ""
    path = folder / f"scenario-{next(_numbers)}.xml"
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="s">\n{text}{reference}</scenario>\n')
    return path
