"""sipp scenarios of a caller, written as a list of what it sends and what it insists on getting."""

from __future__ import annotations

import shlex
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

SDP = (
    "v=0\no=u 1 {version} IN IP[local_ip_type] [local_ip]\ns=-\nc=IN IP[media_ip_type] {address}\nt=0 0\n"
    "m=audio [media_port] RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na={direction}\n"
)

KEPT = 900
"""Variable of the last RSeq."""


def sdp(version: int = 1, direction: str = "sendrecv", address: str = "[media_ip]") -> str:
    """A body."""
    return SDP.format(version=version, direction=direction, address=address)


def mark(path: Path) -> str:
    """A step that makes a file."""
    return f"<nop><action><exec command={quoteattr(f'touch {shlex.quote(str(path))}')}/></action></nop>\n"


class Script:
    """Begins with a call that is answered, unless it is told how the call is to begin."""

    def __init__(self, extra: str = "") -> None:
        self._steps: list[str] = []
        self._seq = 0
        self._invite = (0, 0)
        self._matches = 0
        self._tag = ""
        self._extra = extra
        self._kept = False

    def answered(self) -> Script:
        """INVITE, 200, ACK."""
        return self.send("INVITE", sdp()).expect(200).ack()

    def send(self, method: str, body: str = "", extra: str = "", kind: str = "application/sdp") -> Script:
        """A request of the dialog."""
        self._seq += 1
        if method == "INVITE":
            self._invite = (self._seq, len(self._steps))
        return self._request(method, self._seq, "[branch]", body, extra, kind)

    def ack(self, body: str = "", *, refused: bool = False) -> Script:
        """To the last INVITE: a new request after 2xx, of the INVITE's own transaction after a refusal."""
        seq, step = self._invite
        branch = f"[branch-{len(self._steps) - step}]" if refused else "[branch]"
        return self._request("ACK", seq, branch, body, "", "application/sdp")

    def cancel(self) -> Script:
        """Give up the last INVITE."""
        seq, step = self._invite
        tag, self._tag = self._tag, ""
        self._request("CANCEL", seq, f"[branch-{len(self._steps) - step}]", "", "", "")
        self._tag = tag
        return self

    def prack(self, body: str = "") -> Script:
        """Acknowledge the response that `expect` was told to keep the RSeq of, and get a 200."""
        return self.send("PRACK", body, f"RAck: [${KEPT}] {self._invite[0]} INVITE").expect(200)

    def _request(self, method: str, seq: int, branch: str, body: str, extra: str, kind: str) -> Script:
        lines = [
            f"{method} sip:bot@[remote_ip]:[remote_port] SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport",
            'From: "Ann" <sip:ann@[local_ip]:[local_port]>;tag=[pid]a[call_number]',
            f"To: <sip:bot@[remote_ip]:[remote_port]>{self._tag}",
            "Call-ID: [call_id]",
            f"CSeq: {seq} {method}",
            "Contact: <sip:ann@[local_ip]:[local_port];transport=[transport]>",
            "Max-Forwards: 70",
            *([self._extra] if self._extra and method in ("INVITE", "UPDATE") else []),
            *([extra] if extra else []),
        ]
        return self._message(lines, body, kind)

    def _message(self, lines: list[str], body: str, kind: str) -> Script:
        if body:
            lines.append(f"Content-Type: {kind}")
        text = "\n".join([*lines, "Content-Length: [len]", "", body])
        self._steps.append(f"<send><![CDATA[\n{text}\n]]></send>")
        return self

    def expect(
        self, status: int, *, header: tuple[str, str] | None = None, body: str = "", keep: bool = False
    ) -> Script:
        """A response; `header` and `body` are expressions that have to be found in it, `keep` keeps its RSeq."""
        if status < 300:
            self._tag = "[peer_tag_param]"
        self._steps.append('<recv response="100" optional="true"></recv>')
        auth = ' auth="true"' if status in (401, 407) else ""  # sipp remembers the challenge for [authentication]
        return self._receive(f'response="{status}"{auth}', header, body, keep)

    def wanted(self, method: str, *, header: tuple[str, str] | None = None, body: str = "") -> Script:
        """A request."""
        return self._receive(f'request="{method}"', header, body)

    def _receive(self, what: str, header: tuple[str, str] | None, body: str, keep: bool = False) -> Script:
        actions = ""
        if keep:
            self._kept = True
            actions += f'<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="{KEPT}"/>'
        if header is not None:
            actions += self._match(f'search_in="hdr" header={quoteattr(header[0] + ":")}', header[1])
        if body:
            actions += self._match('search_in="body"', body)
        self._steps.append(f"<recv {what}>{f'<action>{actions}</action>' if actions else ''}</recv>")
        return self

    def _match(self, where: str, expression: str) -> str:
        self._matches += 1
        return f'<ereg regexp={quoteattr(expression)} {where} check_it="true" assign_to="{self._matches}"/>'

    def reply(self, status: str, body: str = "", extra: str = "") -> Script:
        """Answer the request that came last."""
        lines = [
            f"SIP/2.0 {status}",
            *["[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]"],
            "Contact: <sip:ann@[local_ip]:[local_port];transport=[transport]>",
            *([extra] if extra else []),
        ]
        return self._message(lines, body, "application/sdp")

    def pause(self, ms: int) -> Script:
        """Wait."""
        self._steps.append(f'<pause milliseconds="{ms}"/>')
        return self

    def play(self, path: Path) -> Script:
        """Begin to send the packets of a capture file, as they are; `pause` for as long as that takes."""
        play = f"<exec play_pcap_audio={quoteattr(str(path))}/>"
        self._steps.append(f"<nop><action>{play}</action></nop>")
        return self

    def act(self, action: str) -> Script:
        """One of sipp's own actions, such as ``play_dtmf="1"``."""
        self._steps.append(f"<nop><action><exec {action}/></action></nop>")
        return self

    def mark(self, path: Path) -> Script:
        """Make that file: who waits for it knows that the steps so far are done."""
        self._steps.append(mark(path))
        return self

    def bye(self) -> Script:
        """The caller hangs up."""
        return self.send("BYE").expect(200)

    def write(self, folder: Path) -> str:
        """Make a file of it. Returns the name for `siprun.sipp`."""
        used = ",".join(str(number) for number in [*range(1, self._matches + 1), *([KEPT] if self._kept else [])])
        reference = f'<Reference variables="{used}"/>' if used else ""
        path = folder / "scenario.xml"
        text = f'<scenario name="{escape(path.stem)}">\n' + "\n".join(self._steps) + f"\n{reference}</scenario>\n"
        path.write_text('<?xml version="1.0" encoding="UTF-8"?>\n' + text)
        return str(path.with_suffix(""))
