"""sipp scenarios of a called party, written as a few steps each: what it sends, and what it insists on.

    write(folder, invite(), reply(183, body=sdp(), more="Require: 100rel\\nRSeq: 1"), request("PRACK"), ok(), …)

sipp fails the run when anything else comes, or when a header does not match. `sippscript` does the same for callers.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import quoteattr

from .sippscript import mark

__all__ = ["invite", "mark", "ok", "pause", "reply", "request", "write"]

_KEPT = {"Via:": 1, "CSeq:": 2, "To:": 3, "From:": 4}
_FIRST = 20
_CONTACT = "<sip:uas@[local_ip]:[local_port];transport=[transport]>"


def invite(check: dict[str, str] | None = None) -> str:
    """Take the INVITE and keep what its responses need. The empty name in `check` means the whole message."""
    kept = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{name}" assign_to="{number}"/>' for name, number in _KEPT.items()
    )
    return _receive("INVITE", check, "", kept)


def request(method: str, check: dict[str, str] | None = None, body: str = "") -> str:
    """Wait for a request; `check` and `body` are expressions that have to be found in its headers and its body."""
    return _receive(method, check, body)


def reply(status: int, tag: str = "u", *, body: str = "", more: str = "", contact: str = _CONTACT) -> str:
    """A response to the INVITE; another `tag` is another called party of a fork."""
    return _message(
        f"SIP/2.0 {status} Said By Sipp\nVia:[$1]\nFrom:[$4]\nTo:[$3];tag=[pid]{tag}[call_number]\n[last_Call-ID:]\n"
        f"CSeq:[$2]\nContact: {contact}\n" + (f"{more}\n" if more else ""),
        body,
    )


def ok() -> str:
    """Answer the last request with 200."""
    return _message(
        f"SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContact: {_CONTACT}\n",
        "",
    )


def pause(ms: int) -> str:
    """Do nothing."""
    return f'<pause milliseconds="{ms}"/>\n'


def write(folder: Path, *steps: str) -> str:
    """Put a scenario together. Returns the name for `siprun.sipp`."""
    number = iter(range(_FIRST, 1000))
    text = re.sub("NUMBER", lambda _: str(next(number)), "".join(steps))
    used = ",".join(sorted(set(re.findall(r'assign_to="(\d+)"', text)), key=int))
    path = folder / f"called-{len(list(folder.iterdir()))}.xml"
    reference = f'<Reference variables="{used}"/>\n' if used else ""
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="called">\n{text}{reference}</scenario>\n')
    return str(path.with_suffix(""))


def _receive(method: str, check: dict[str, str] | None, body: str, actions: str = "") -> str:
    wanted = [
        (f'search_in="hdr" header="{name}:"' if name else 'search_in="msg"', pattern)
        for name, pattern in (check or {}).items()
    ]
    wanted += [('search_in="body"', body)] if body else []
    for where, pattern in wanted:
        actions += f'<ereg regexp={quoteattr(pattern)} {where} check_it="true" assign_to="NUMBER"/>'
    return f'<recv request="{method}">{f"<action>{actions}</action>" if actions else ""}</recv>\n'


def _message(lines: str, body: str) -> str:
    kind = "Content-Type: application/sdp\n" if body else ""
    return f"<send><![CDATA[\n{lines}{kind}Content-Length: [len]\n\n{body}\n]]></send>\n"
