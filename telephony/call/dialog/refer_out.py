"""Sending the other party elsewhere: REFER out, blind or attended, and the NOTIFYs that tell how it went.

RFC 3515, RFC 3891 (Replaces), RFC 3892 (Referred-By), RFC 4488 (Refer-Sub), RFC 5589 (call flows).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sipmessage import URI

from ...leg import LegError
from ...sip.body import media_type
from ...sip.dialog import Dialog
from ...sip.grammar import NameAddr, parse_params
from ...sip.message import Request, Response, SipError, parse_uri
from ...sip.replaces import Replaces
from ...sip.transaction import Transaction
from ..capabilities import Headers
from .requests import DialogRequests, SentRequest

NOTIFY_PATIENCE_S = 40.0
"""How long the peer may leave open what became of the transfer."""
_FRAGMENT = re.compile(rb"\s*SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]{0,200}))?", re.IGNORECASE)

OnProgress = Callable[[int, str], None]
ReferTarget = Callable[[URI], URI | None]
"""Where our peer may be sent, in words that it understands; None: it may not be sent there."""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """A transfer that has worked, as far as the peer says."""

    status: int
    """200: the target has answered the peer. 202: the peer took it on, and hung up or said that it tells no more."""
    reason: str


def replaces_of(dialog: Dialog) -> Replaces:
    """How the peer of `dialog` finds it: the tags are named from its side (RFC 3891 section 3)."""
    return Replaces(dialog.call_id, dialog.remote_tag or "0", dialog.local_tag)


def destination(candidates: Sequence[str], elsewhere: ReferTarget) -> str:
    """The first of the candidates that the peer may be sent to.

    Raises ValueError for a URI that cannot be called, or that brings headers of its own; LegError 403 when it may be
    sent to none of them.
    """
    for text in candidates:
        try:
            NameAddr.parse(f"<{text}>")
            uri = parse_uri(text)
        except SipError as error:
            raise ValueError(f"{text!r} cannot be called: {error.reason}") from error
        if "?" in text:
            raise ValueError(f"{text!r} carries headers")
        allowed = elsewhere(uri)
        if allowed is not None:
            return text if allowed == uri else str(allowed)
    raise LegError(403, f"{' and '.join(candidates)} is not among the destinations of the peer's trunk")


def refer_to(uri: str, replaces: Dialog | None) -> str:
    """The Refer-To value."""
    return f"<{uri}>" if replaces is None else f"<{uri}?Replaces={quote(str(replaces_of(replaces)), safe='')}>"


class ReferSender:
    """The transfers of one dialog, one at a time."""

    def __init__(self, requests: DialogRequests) -> None:
        self._requests = requests
        self._sent: SentRequest | None = None
        self.accepted = False
        """The peer has taken a transfer on, and not told yet how it went."""
        self._result: asyncio.Future[TransferResult] | None = None
        self._on_progress: OnProgress | None = None
        self._any = False

    async def refer(
        self,
        uri: str,
        replaces: Dialog | None = None,
        *,
        on_progress: OnProgress | None = None,
        subscribe: bool = True,
        patience_s: float = NOTIFY_PATIENCE_S,
    ) -> TransferResult:
        """Ask the peer to call `uri`, in the place of `replaces`, and wait until it has or has not.

        Args:
            uri: SIP, SIPS or TEL, as `destination` gives it.
            replaces: our dialog with the target, for an attended transfer.
            on_progress: gets each status that the target answers the peer with, as far as the peer tells.
            subscribe: False asks for no NOTIFYs (RFC 4488); acceptance is the result, where the peer agrees.
            patience_s: for the whole.

        Raises LegError when the peer refuses, when the target does, 408 when nothing more is heard, 491 when another
        transfer is going on.
        """
        target = refer_to(uri, replaces)
        if self._result is not None:
            raise LegError(491, "A Transfer Is Going On")
        if self._requests.over:
            raise LegError(481, "The Call Is Over")
        headers: Headers = [("Refer-To", target), ("Referred-By", self._referrer())]
        if not subscribe:
            headers += [("Refer-Sub", "false"), ("Supported", "norefersub")]
        self._result = asyncio.get_running_loop().create_future()
        self._on_progress, self._any = on_progress, True
        self._sent = self._requests.send("REFER", self._on_answer, headers)
        try:
            async with asyncio.timeout(patience_s):
                return await self._result
        except TimeoutError:
            raise LegError(408, "No Word Of The Transfer") from None
        finally:
            self._result = self._sent = self._on_progress = None
            self.accepted = False

    def _on_answer(self, event: Response | int) -> None:
        if isinstance(event, int):
            self._fail(event, "No Answer" if event == 408 else "Unreachable")
        elif event.code >= 300:
            self._fail(event.code, event.phrase)
        elif event.code >= 200:
            self.accepted = self._result is not None and not self._result.done()
            if (event.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower() == "false":
                self._succeed(202, event.phrase)

    def _referrer(self) -> str:
        """Who we are to the peer: its To, or our Contact where that has no URI."""
        try:
            return f"<{NameAddr.parse(self._requests.dialog.local).uri}>"
        except ValueError:
            return self._requests.contact()

    def on_notify(self, transaction: Transaction, request: Request) -> None:
        """A NOTIFY of this dialog."""
        package, _, rest = (request.headers.get("Event") or "").partition(";")
        if package.strip().lower() != "refer":
            self._requests.reply(transaction, 489, "Bad Event", [("Allow-Events", "refer")])
            return
        if not self._any or not self._ours(rest):
            self._requests.reply(transaction, 481)
            return
        fragment = _FRAGMENT.match(request.body)
        kind = media_type(request)
        if request.body and (fragment is None or kind != "message/sipfrag"):
            status = 415 if kind != "message/sipfrag" else 400
            self._requests.reply(transaction, status, headers=[("Accept", "message/sipfrag")])
            return
        self._requests.reply(transaction, 200)
        if fragment is not None:
            self._heard(int(fragment[1]), (fragment[2] or b"").decode("utf-8", "replace"))
        state = (request.headers.get("Subscription-State") or "").partition(";")[0].strip().lower()
        if state == "terminated":
            self._fail(408, "The Peer Gave Up Without A Word")

    def close(self) -> None:
        """The call is over. A peer that had taken the transfer on and hung up has left for the target."""
        if self.accepted:
            self._succeed(202, "The Peer Has Hung Up")
        else:
            self._fail(481, "The Call Is Over")

    def _ours(self, params: str) -> bool:
        """Whether a NOTIFY's Event means the REFER that we sent last; its id is the number of that (RFC 3515)."""
        try:
            number = parse_params(f";{params}" if params.strip() else "").get("id")
        except ValueError:
            return False
        return number is None or self._sent is None or number == str(self._sent.request.head.seq)

    def _heard(self, status: int, reason: str) -> None:
        if self._on_progress is not None:
            self._on_progress(status, reason)
        if 200 <= status < 300:
            self._succeed(status, reason)
        elif status >= 300:
            self._fail(status, reason)

    def _succeed(self, status: int, reason: str) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_result(TransferResult(status, reason))

    def _fail(self, status: int, reason: str) -> None:
        self.accepted = False
        if self._result is not None and not self._result.done():
            self._result.set_exception(LegError(status, reason))
