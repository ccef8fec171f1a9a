"""What our BYE says about the end of a call (RFC 3326)."""

from __future__ import annotations

from .sip.reason import Reason

EXPIRED = "failed: session expired"
NORMAL = Reason("Q.850", 16, "Normal call clearing")
REPLACED = Reason("SIP", 200, "Replaced")
_KNOWN = {
    "no-media": Reason("Q.850", 102, "No media"),
    EXPIRED: Reason("SIP", 408, "Session expired"),
    "transferred": Reason("SIP", 200, "Transferred"),
}


def reason_of(why: str) -> Reason:
    """The Reason for what `Leg.closed` says; a failure without a number of its own says its words."""
    if why in _KNOWN:
        return _KNOWN[why]
    if why.startswith("failed: "):
        return Reason("SIP", 500, why.removeprefix("failed: "))
    return NORMAL
