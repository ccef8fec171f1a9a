"""Session timers (RFC 4028): both sides know when a call is over whose other end vanished. No I/O, time is an argument.

One side refreshes (UPDATE or re-INVITE) at half the interval; the other ends the call shortly before the interval is
over. Every 2xx to INVITE or UPDATE settles anew who and how long. Roles are those of one transaction: ``uac`` sent the
request, ``uas`` answered it.
"""

from __future__ import annotations

import re
from typing import Literal

from ...call_policy import SessionTimerPolicy
from ...sip.grammar import parse_params
from ...sip.message import Request, Response, SipError
from ..capabilities import Headers

DEFAULT_MIN_S = 90
"""What a missing Min-SE means (section 5)."""
MAX_S = 604_800
"""A week; a longer Session-Expires or Min-SE is read as this."""
_EXPIRES = re.compile(r"\s*([0-9]{1,10})\s*(;.*)?", re.ASCII | re.DOTALL)

Role = Literal["uac", "uas", ""]


class SessionTimer:
    """The session timer of one dialog.

    Args:
        policy: of the call's terms.
    """

    def __init__(self, policy: SessionTimerPolicy) -> None:
        self.interval_s = 0
        """Agreed; 0 while there is no session timer."""
        self.ours = False
        """It is we who refresh."""
        self._policy = policy
        self._min_s = policy.min_s
        self._since_s = 0.0
        self._refresh_s = 0.0

    # ── as the client of a transaction ──

    def request_headers(self) -> Headers:
        """For an INVITE or UPDATE of ours, the first one (section 7.1) or a later one (section 7.4)."""
        asked_s = self.interval_s or self._policy.expires_s
        if not asked_s:
            return []
        role = f";refresher={'uac' if self.ours else 'uas'}" if self.interval_s else ""
        headers = [("Session-Expires", f"{max(asked_s, self._min_s)}{role}")]
        return headers if self._min_s == DEFAULT_MIN_S else [*headers, ("Min-SE", str(self._min_s))]

    def raised(self, response: Response) -> bool:
        """Take in a 422 (section 7.3). Returns whether another try, with `request_headers` anew, makes sense."""
        wanted = _seconds(response.headers.get("Min-SE"))
        if wanted is None or wanted <= max(self._min_s, self.interval_s or self._policy.expires_s):
            return False
        self._min_s = wanted
        return True

    def answered(self, response: Response, now_s: float) -> None:
        """Take in the 2xx to our request (section 7.2); without Session-Expires there is no timer."""
        seconds, role = _read(response.headers.get("Session-Expires"))
        self._start(seconds or 0, role != "uas", now_s)

    # ── as the server ──

    def refusal(self, request: Request) -> Headers | None:
        """Headers of the 422 that an INVITE or UPDATE with too short an interval gets, or None (section 9).

        Only a client that knows session timers can be told so. Raises SipError 400 for a malformed Session-Expires.
        """
        value = request.headers.get("Session-Expires")
        seconds, _ = _read(value)
        if value is not None and seconds is None:
            raise SipError(400, "Malformed Session-Expires")
        if seconds is None or seconds >= self._policy.min_s or not _knows_timers(request):
            return None
        return [("Min-SE", str(self._policy.min_s))]

    def response_headers(self, request: Request, now_s: float) -> Headers:
        """For our 2xx, which starts the timer (section 9, table 2). To be called when it goes out, and only then."""
        knows = _knows_timers(request)
        asked_s, role = _read(request.headers.get("Session-Expires"))
        if asked_s is not None and asked_s < self._policy.min_s:
            asked_s = None  # a proxy's, and too short to follow
        wished_s = self.interval_s or self._policy.expires_s
        if asked_s is None and not (knows and wished_s):
            self._start(0, False, now_s)
            return []
        least_s = max(self._policy.min_s, _seconds(request.headers.get("Min-SE")) or 0)
        if asked_s is None:
            seconds = max(wished_s, least_s)
        else:  # never more than was asked for
            seconds = min(asked_s, max(self._policy.expires_s or asked_s, least_s))
        refresher: Role = "uas"
        if knows and asked_s is not None:
            refresher = role or "uac"
        elif knows and self.interval_s and not self.ours:
            refresher = "uac"  # it goes on as it was
        self._start(seconds, refresher == "uas", now_s)
        headers = [("Session-Expires", f"{seconds};refresher={refresher}")]
        return [*headers, ("Require", "timer")] if refresher == "uac" else headers

    # ── what is due ──

    def due(self) -> tuple[float, Literal["refresh", "expire"]] | None:
        """When what has to be done next; None without a timer."""
        if not self.interval_s:
            return None
        expires_s = self._expires_s
        return (self._refresh_s, "refresh") if self.ours and self._refresh_s < expires_s else (expires_s, "expire")

    def refreshing(self, now_s: float) -> None:
        """A refresh has begun; should it fail, the next is due after half of the time left."""
        self._refresh_s = now_s + max((self._expires_s - now_s) / 2, 1.0)

    @property
    def _expires_s(self) -> float:
        """Section 10: BYE goes out before the interval is over."""
        return self._since_s + self.interval_s - min(32.0, self.interval_s / 3)

    def _start(self, seconds: int, ours: bool, now_s: float) -> None:
        self.interval_s, self.ours = seconds, ours
        self._since_s = now_s
        self._refresh_s = now_s + seconds / 2


def _knows_timers(request: Request) -> bool:
    values = request.headers.getlist("Supported") + request.headers.getlist("Require")
    return any(item.strip().lower() == "timer" for value in values for item in value.split(","))


def _seconds(value: str | None) -> int | None:
    return _read(value)[0]


def _read(value: str | None) -> tuple[int | None, Role]:
    """``1800;refresher=uac``; (None, "") for nothing and for nonsense."""
    match = _EXPIRES.fullmatch(value or "")
    if match is None:
        return None, ""
    try:
        role = (parse_params(match[2] or "").get("refresher") or "").lower()
    except ValueError:
        return None, ""
    return min(int(match[1]), MAX_S), "uac" if role == "uac" else "uas" if role == "uas" else ""
