"""Which call an INVITE with Replaces may take over (RFC 3891 section 3)."""

from __future__ import annotations

from ...sip.hop import Hop
from ...sip.message import SipError
from ...sip.replaces import Replaces
from ..dialog.early import EarlyDialog
from ..dialog.sipleg import SipLeg
from ..dialog_table import DialogTable
from .incoming import IdentifiedCaller


def find_replaced(
    dialogs: DialogTable, replaces: Replaces, caller: IdentifiedCaller, source: Hop
) -> SipLeg | EarlyDialog:
    """The leg to go on with the sender of the INVITE, or the call that we are dialling and he picks up.

    Raises SipError: 481 there is none (a call that rings here counts as none), 603 it is over, 486 it is answered and
    the sender wanted it only while it rang, 403 it is none of his business.
    """
    found = dialogs.replaced(replaces)
    if found is None:
        raise SipError(603 if dialogs.ended(replaces) else 481, "")
    if isinstance(found, EarlyDialog) and found.pick_up is None:
        raise SipError(481, "")
    if not _may(found, caller, source):
        raise SipError(403, "")
    if isinstance(found, EarlyDialog):
        return found
    if found.closed.done():
        raise SipError(603, "")
    if replaces.early_only:
        raise SipError(486, "")
    return found


def _may(found: SipLeg | EarlyDialog, caller: IdentifiedCaller, source: Hop) -> bool:
    """RFC 3891 section 5: the same trunk, somebody who has proved himself, or without trunks the same host."""
    if caller.user:
        return True
    trunk = "" if caller.trunk is None else caller.trunk.name
    return trunk == found.terms.trunk and (bool(trunk) or source.host == found.dialog.hop.host)
