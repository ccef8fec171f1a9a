"""Being sent elsewhere: REFER in. Taken from peers that may (`Terms.refer_in`) and by applications that want it."""

from __future__ import annotations

from collections.abc import Callable

from ...sip.grammar import NameAddr, split_list
from ...sip.message import REASONS, Request, SipError, parse_uri
from ...sip.replaces import Replaces
from ...sip.transaction import Transaction
from .requests import DialogRequests

EXPIRES_S = 60


class Referral:
    """What a peer wants us to do. Its texts are the peer's: hostile, and to be checked against what may be called."""

    def __init__(self, requests: DialogRequests, request: Request) -> None:
        """Raises SipError when it is no referral that could be followed."""
        self.uri, self.replaces = _target(request)
        """Whom to call, without headers; and the dialog to take the place of there, for the INVITE's Replaces."""
        self.referred_by = request.headers.get("Referred-By") or ""
        self._requests = requests
        self._id = request.head.seq
        self._quiet = (request.headers.get("Refer-Sub") or "").strip().lower() == "false"
        self._ended = False

    def tell(self, status: int, reason: str = "") -> None:
        """Tell the peer how it goes; a final status is the last word."""
        if self._quiet or self._ended or self._requests.over:
            return
        self._ended = status >= 200
        state = "terminated;reason=noresource" if self._ended else f"active;expires={EXPIRES_S}"
        headers = [("Event", f"refer;id={self._id}"), ("Subscription-State", state)]
        body = f"SIP/2.0 {status} {reason or REASONS.get(status, 'Unknown')}\r\n".encode()
        self._requests.send("NOTIFY", self._on_answer, headers, body, "message/sipfrag;version=2.0")

    def _on_answer(self, event: object) -> None:
        """The peer may refuse to be told; that changes nothing."""


OnRefer = Callable[[Referral], bool]
"""Whether the application follows it, and then reports with `Referral.tell`."""


def on_refer(requests: DialogRequests, transaction: Transaction, handler: OnRefer | None) -> None:
    """Answer a REFER. Raises SipError."""
    referral = Referral(requests, transaction.request)
    if handler is None or not handler(referral):
        raise SipError(603, "")
    headers = [("Contact", requests.contact())]
    if (transaction.request.headers.get("Refer-Sub") or "").strip().lower() == "false":
        headers.append(("Refer-Sub", "false"))
    requests.reply(transaction, 202, headers=headers)
    referral.tell(100)


def _target(request: Request) -> tuple[str, Replaces | None]:
    try:
        values = [item for value in request.headers.getlist("Refer-To") for item in split_list(value)]
        if len(values) != 1:
            raise SipError(400, "Exactly One Refer-To Wanted")
        uri, _, headers = NameAddr.parse(values[0]).uri.partition("?")
    except ValueError:
        raise SipError(400, "Malformed Refer-To") from None
    if (parse_uri(uri).parameters.get("method") or "INVITE").upper() != "INVITE":
        raise SipError(403, "Only INVITE Can Be Referred To")
    return uri, Replaces.from_uri(headers)
