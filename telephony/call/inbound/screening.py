"""Who may open a call, and on what terms: the checks of an INVITE, the cheap ones first.

Refusal (a SipError)         carries the answer and its headers
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from ...call_policy import Terms
from ...clock import now_s
from ...descriptors import OUT_OF_DESCRIPTORS
from ...events import OnEvent, SourceRefused
from ...sdp.negotiation import SdpError, check_offer
from ...sip.body import check_body
from ...sip.challenge import Challenger
from ...sip.endpoint import RETRY_AFTER_S, Endpoint
from ...sip.flood_guard import FloodGuard
from ...sip.hop import Hop
from ...sip.message import Request, SipError
from ...trunk.limits import ChannelLease, TrunkFull
from ...trunk.model import Trunk
from ...trunk.registry import Trunks
from ..capabilities import EXTENSIONS, Headers
from ..dialog.reliable_provisional import EXTENSION as RELIABLE
from ..dialog.reliable_provisional import has_tag
from ..dialog.session_timer import SessionTimer
from .admission import Admission, Why
from .callers_without_trunk import TrunklessLimit
from .incoming import IdentifiedCaller

MAX_TAGS = 32
"""Extensions named in a 420."""


class RequestRejected(SipError):
    """An answer with headers.

    Attributes:
        cheap: it is given to many; no state is kept for it.
    """

    def __init__(self, status: int, headers: Headers | None = None, *, reason: str = "", cheap: bool = False) -> None:
        super().__init__(status, reason, headers=headers or ())
        self.cheap = cheap


class CallScreening:
    """The checks of one user agent.

    Args:
        endpoint: knows our addresses.
        trunks: whom we know.
        admission: what this machine can carry.
        calls: how many there are now.
        anonymous: places for callers without a trunk; None: they are not taken.
        guard: is told of wrong and right passwords.
        on_event: is told of refusals.
        challenger: of callers who have to prove themselves.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        trunks: Trunks,
        admission: Admission,
        calls: Callable[[], int],
        *,
        anonymous: TrunklessLimit | None,
        guard: FloodGuard | None,
        on_event: OnEvent,
        challenger: Challenger,
    ) -> None:
        self._endpoint = endpoint
        self._trunks = trunks
        self._admission = admission
        self._calls = calls
        self._anonymous = anonymous
        self._guard = guard
        self._on_event = on_event
        self._challenger = challenger
        self._secret = secrets.token_bytes(16)

    def tag(self, request: Request) -> str:
        """The To tag of an answer without state: the same for each retransmission (RFC 3261 section 8.2.7)."""
        head = request.head
        text = f"{head.call_id}\n{head.from_.tag}\n{head.seq}".encode("utf-8", "replace")
        return hmac.digest(self._secret, text, hashlib.sha256).hex()[:16]

    def identify(self, request: Request, source: Hop) -> IdentifiedCaller:
        """Whose request this is. Raises Refusal, the same whoever is called: 403 or 401."""
        trunk = self._trunks.identify(source, request)
        if trunk is None:
            if self._anonymous is None:
                self._on_event(SourceRefused("unlisted", source.host))
                raise RequestRejected(403, cheap=True)
            return IdentifiedCaller(None, self._trunks.terms(None))
        return IdentifiedCaller(trunk, self._trunks.terms(trunk), self._prove(trunk, request, source))

    def _prove(self, trunk: Trunk, request: Request, source: Hop) -> str:
        """As whom the caller has proved himself. Raises Refusal 401."""
        passwords = self._trunks.passwords(trunk)
        if not passwords:
            return ""
        verdict = self._challenger.verify(request, "Authorization", passwords, trunk.digest, source=source.host)
        if verdict.ok:
            if self._guard is not None:
                self._guard.proved(source.host, now_s())
            return verdict.user
        if verdict.result == "wrong":
            self._on_event(SourceRefused("digest", source.host, trunk.name))
            certain = verdict.solicited or source.reliable
            if self._guard is not None and self._guard.failed(source.host, now_s(), certain=certain):
                raise RequestRejected(403, cheap=True)
        stale = verdict.result in ("stale", "replayed")
        challenge = self._challenger.challenge(stale, algorithms=trunk.digest, source=source.host)
        raise RequestRejected(401, challenge, cheap=True)

    def check(self, request: Request, source: Hop, terms: Terms) -> None:
        """Refuse at once what could not be answered later (RFC 3261 section 8.2). Raises SipError."""
        if request.uri.scheme == "sips" and source.protocol != "tls":
            raise SipError(416, "SIPS Needs TLS")
        check_extensions(request, terms)
        try:
            offer = check_body(request)
        except SipError as error:
            raise RequestRejected(error.status, error.headers, reason=error.reason, cheap=True) from error
        short = SessionTimer(terms.timer).refusal(request)
        if short is not None:
            raise RequestRejected(422, short, reason="Session Interval Too Small")
        if not offer:
            return
        try:
            check_offer(offer, self._endpoint.local_host(source), terms)
        except SdpError as error:
            raise RequestRejected(error.status, error.headers, reason=str(error), cheap=True) from error

    def full(self, host: str, trunk: Trunk | None = None) -> None:
        """Refuse a call that nobody has time for, before more is looked at. Raises Refusal 503."""
        why = self._admission.full(self._calls(), now_s())
        if why is not None:
            raise self._no_room(why, host, trunk)

    def admit(self, caller: IdentifiedCaller, host: str) -> ChannelLease:
        """A place for the call. Raises Refusal: 503 with Retry-After, or what its trunk says."""
        trunk = caller.trunk
        if trunk is None:
            return self._admit_anonymous(host)
        why = self._admission.refuses(self._calls(), now_s(), known=True)
        if why is not None:
            raise self._no_room(why, host, trunk)
        lease = self._trunks.admit(trunk, now_s())
        if isinstance(lease, TrunkFull):
            self._on_event(SourceRefused(lease.why, host, trunk.name))
            after = lease.retry_after_s
            raise RequestRejected(lease.status, [] if after is None else [("Retry-After", str(after))], cheap=True)
        return lease

    def _admit_anonymous(self, host: str) -> ChannelLease:
        place = None if self._anonymous is None else self._anonymous.admit(host)
        if place is None:
            raise self._no_room("calls", host, None)
        why = self._admission.refuses(self._calls(), now_s(), known=False)
        if why is not None:
            place.release()
            raise self._no_room(why, host, None)
        return place

    def _no_room(self, why: Why, host: str, trunk: Trunk | None) -> RequestRejected:
        self._on_event(SourceRefused(why, host, "" if trunk is None else trunk.name))
        reason = OUT_OF_DESCRIPTORS if why == "descriptors" else ""
        return RequestRejected(503, [("Retry-After", str(RETRY_AFTER_S))], reason=reason, cheap=True)


def check_extensions(request: Request, terms: Terms) -> None:
    """RFC 3261 section 8.2.2.3; 421 when we demand 100rel and the caller has it not. Raises Refusal."""
    required = list(request.headers.getlist("Require"))
    wanted = [tag.strip() for value in required for tag in value.split(",") if tag.strip()]
    known = [one for one in EXTENSIONS if one != RELIABLE or terms.reliable != "off"]
    unknown = [tag for tag in wanted if tag.lower() not in known]
    if unknown:
        raise RequestRejected(420, [("Unsupported", ", ".join(unknown[:MAX_TAGS]))])
    supported = [*request.headers.getlist("Supported"), *required]
    if request.method == "INVITE" and terms.reliable == "required" and not has_tag(supported, RELIABLE):
        raise RequestRejected(421, [("Require", RELIABLE)], reason="Extension Required")
