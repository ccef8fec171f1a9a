"""A call to be placed, its progress, and how it fails: what dialling and its attempts share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sipmessage import URI

from ...call_policy import Terms
from ...leg import LegError
from ...media.engine import MediaSession
from ...sip.endpoint import Endpoint
from ...sip.message import Response, new_tag
from ...sip.reason_header import read as read_reasons
from ..dialog.sipleg import SipLeg, TransferTarget
from ..dialog_table import DialogTable


class CallFailed(LegError):
    """A call that was not answered.

    Attributes:
        response: the peer's refusal; None when nobody answered at all.
        reasons: why, as the peer's Reason headers say (RFC 3326), often the Q.850 cause of a telephone network.
    """

    def __init__(self, status: int, reason: str, response: Response | None = None) -> None:
        self.response = response
        self.reasons = read_reasons(list(response.headers.getlist("Reason"))) if response is not None else []
        text = next((one.text for one in self.reasons if one.text), "")
        super().__init__(status, f"{reason} ({text})" if text and text != reason else reason)

    @property
    def next_hop_may_help(self) -> bool:
        """RFC 3263 section 4.3: the transport failed, nobody answered, or 503."""
        return self.response is None or self.response.code == 503


@dataclass(frozen=True, slots=True)
class CallProgress:
    """A provisional response."""

    status: int
    reason: str
    early_media: bool
    """The called party sends audio already."""


@dataclass(slots=True)
class CallRequest:
    """A call to be placed: what all its attempts share."""

    endpoint: Endpoint
    dialogs: DialogTable
    media: MediaSession
    uri: URI
    """Whom to call, in the application's words: its host may be a trunk's name."""
    terms: Terms
    call_id: str
    elsewhere: TransferTarget
    """Where who answers may be sent, see `SipLeg`."""
    headers: tuple[tuple[str, str], ...] = ()
    late_offer: bool = False
    """Send no offer; take the peer's."""
    on_progress: Callable[[CallProgress], None] = lambda _: None
    on_over: Callable[[SipLeg], None] = lambda _: None
    tag: str = field(default_factory=new_tag)
    to: str = ""
    """The same in all tries (RFC 3261 section 8.1.3.4): the Request-URI of the first one."""
    seq: int = 0
