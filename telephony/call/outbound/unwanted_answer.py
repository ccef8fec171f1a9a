"""Answers to our INVITE that nobody wants: each is acknowledged, as often as it comes, and its dialog hung up.

They cross our CANCEL, or come from a second branch of a fork (RFC 3261 sections 9.1 and 13.2.2.4).
"""

from __future__ import annotations

from ...sip.dialog import Dialog
from ...sip.endpoint import Endpoint
from ...sip.message import Request, Response
from ...sip.reason_header import Reason
from ..dialog.requests import DialogRequests


class UnwantedAnswer:
    """One unwanted dialog.

    Args:
        endpoint: the SIP port.
        dialog: as the 2xx made it.
        invite: that it answers.
        reason: goes into the BYE.
        body: of the ACK: the answer to an offer in the 2xx.
    """

    def __init__(self, endpoint: Endpoint, dialog: Dialog, invite: Request, reason: Reason, body: bytes = b"") -> None:
        self._requests = DialogRequests(endpoint, dialog, lambda _: None)
        self._ack = self._requests.ack(invite.head.seq, body, invite)
        self._requests.over = True
        self._requests.send("BYE", _nothing, [("Reason", str(reason))])

    def again(self) -> None:
        """The 2xx came once more: our ACK was lost."""
        self._requests.ack_again(self._ack)


def _nothing(event: Response | int) -> None:
    """How the peer takes it changes nothing."""
