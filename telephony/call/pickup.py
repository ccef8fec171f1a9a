"""Which leg an INVITE with Replaces may take over (RFC 3891 section 3)."""

from __future__ import annotations

from ..sip.hop import Hop
from ..sip.message import SipError
from ..sip.replaces import Replaces
from .dialogs import Dialogs
from .early import EarlyDialog
from .incoming import Entry
from .sipleg import SipLeg


def find_replaced(dialogs: Dialogs, replaces: Replaces, entry: Entry, source: Hop) -> SipLeg:
    """The leg to go on with the sender of the INVITE.

    Raises SipError: 481 there is none (an early dialog that rings here counts as none, and so does one that we are
    dialling: whoever dials has his own means to stop), 603 it is over, 486 it is answered and the sender wanted it only
    while it rang, 403 it is none of his business.
    """
    found = dialogs.replaced(replaces)
    if found is None:
        raise SipError(603 if dialogs.ended(replaces) else 481, "")
    if isinstance(found, EarlyDialog):
        raise SipError(481, "")
    if not _may(found, entry, source):
        raise SipError(403, "")
    if found.closed.done():
        raise SipError(603, "")
    if replaces.early_only:
        raise SipError(486, "")
    return found


def _may(leg: SipLeg, entry: Entry, source: Hop) -> bool:
    """RFC 3891 section 5: the same trunk, somebody who has proved himself, or without trunks the same host."""
    if entry.user:
        return True
    trunk = "" if entry.trunk is None else entry.trunk.name
    return trunk == leg.terms.trunk and (bool(trunk) or source.host == leg.dialog.hop.host)
