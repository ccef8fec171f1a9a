"""Our registration with one provider, without I/O (RFC 3261 section 10.2, RFC 3608).

Time goes in and `Output`s come out. Who drives it looks up registrars (`LookUpRegistrar` → `found`), sends requests
(`SendRegister` → `answered` or `failed`) and calls `poll` at `next_s`. One attempt is under way at a time; answers to
earlier ones are dropped by their number.

    offline ──► finding ──► asking ──► registered ──┐ refresh, or its connection is lost
       ▲                      │  ▲                  │
       │ back-off             │  └──────────────────┘
       └── down, refused ◄────┘         stop: asking with 0 seconds, then over
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from sipmessage import URI

from ..sip.digest import Credentials, DigestClient
from ..sip.hop import Hop, bracketed
from ..sip.message import Request, Response
from .health import place
from .model import Register
from .register_response import LONGEST_S, granted_s, refresh_s, seconds, service_route

ATTEMPT_S = 10.0
"""A registrar that has not answered by then is given up for the next one; RFC 3261 would wait 32 s."""
MAX_ASKS = 5
"""Requests to one hop in one attempt: the first, challenges, 423."""
SOON_S = (0.1, 2.0)
"""After a lost connection, so that not all customers of a restarted provider come back at once."""
FIRST_WAIT_S = 4.0
LONGEST_WAIT_S = 300.0
"""Between rounds in which nobody answered: doubled each time, half of it random."""
REFUSED_WAIT_S = 60.0
LONGEST_REFUSED_WAIT_S = 3600.0
"""After a refusal (wrong password, unknown number): slower, because providers block who tries on."""

State = Literal["offline", "registered", "down", "refused", "over"]


@dataclass(frozen=True, slots=True)
class LookUpRegistrar:
    """Look this registrar up."""

    attempt: int
    registrar: str


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Send a REGISTER."""

    attempt: int
    hop: Hop
    request: Request
    """Whole but for Via and Contact, which depend on the socket."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state has changed."""

    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class AddressMismatch:
    """The registrar sees us at another address than the one that we told him."""

    host: str
    port: int
    told_host: str
    told_port: int


Output = LookUpRegistrar | SendRegister | StateChanged | AddressMismatch


class Registration:
    """One registration.

    Args:
        settings: who we are there, and what is asked for.
        credentials: for the registrar's challenges.
        registrars: URIs, best first; not empty.
        token: names us in our Contact, see `contact_of`.
        dice: spreads refreshes and retries.
    """

    def __init__(
        self,
        settings: Register,
        credentials: Credentials,
        registrars: tuple[str, ...],
        token: str,
        dice: random.Random,
    ) -> None:
        self.state: State = "offline"
        self.why = ""
        self.hop: Hop | None = None
        """Where we are registered, or were last."""
        self.service_route: tuple[str, ...] = ()
        self.expires_at_s: float | None = None
        self._settings = settings
        self._registrars = registrars
        self._token = token
        self._dice = dice
        self._login = DigestClient(credentials)
        self._call_id, self._tag = f"{dice.getrandbits(128):032x}", f"{dice.getrandbits(64):016x}"
        self._attempt = 0
        self._deadline_s: float | None = None
        self._due_s: float | None = None
        self._place = 0
        self._hops: list[Hop] = []
        self._dead: set[tuple[str, str, int]] = set()
        self._asking: Hop | None = None
        self._asks = 0
        self._seq = 0
        self._expires_s = settings.expires_s
        self._rounds = 0
        self._refusals = 0
        self._retry_after_s = 0.0
        self._failure = ""
        self._seen: AddressMismatch | None = None
        self._out: list[Output] = []

    # ── time ──

    def next_s(self) -> float | None:
        """When `poll` wants to be called; None: not before something else happens."""
        times = [t for t in (self._deadline_s, self._due_s) if t is not None]
        return min(times, default=None)

    def start(self, now_s: float) -> list[Output]:
        """Register."""
        self._begin(now_s)
        return self._flush()

    def poll(self, now_s: float) -> list[Output]:
        """Do what is due."""
        if self._deadline_s is not None and now_s >= self._deadline_s:
            self._fail("no answer", now_s)
        elif self._due_s is not None and now_s >= self._due_s:
            self._due_s = None
            if self.state == "registered" and self.hop is not None and self._asking is None:
                self._refresh(now_s)
            else:
                self._begin(now_s)
        return self._flush()

    def stop(self, now_s: float) -> list[Output]:
        """End the registration; it is over when the state says so."""
        hop = self._asking or (self.hop if self.state == "registered" else None)
        if hop is not None:
            self._due_s = None
            self._expires_s = 0
            self._ask(hop, now_s)
        else:
            self._over("stopped")
        return self._flush()

    def lost(self, hop: Hop, why: str, now_s: float) -> list[Output]:
        """The flow to this hop is dead; calls to us would have come by it."""
        if self.state == "registered" and self.hop is not None and place(hop) == place(self.hop):
            self._drop_attempt()
            self._due_s = now_s + self._dice.uniform(*SOON_S)
            self._tell("down", f"{_shown(hop)}: {why or 'the connection is lost'}")
        return self._flush()

    # ── answers ──

    def found(self, attempt: int, hops: list[Hop], why: str, now_s: float) -> list[Output]:
        """The registrar has these addresses; none: `why` says what is wrong."""
        if attempt == self._attempt and self.state != "over":
            self._hops = [hop for hop in hops if place(hop) not in self._dead]
            if not hops:
                self._failure = why
            self._next(now_s)
        return self._flush()

    def failed(self, attempt: int, why: str, now_s: float) -> list[Output]:
        """No answer came, or the request was not delivered."""
        if attempt == self._attempt and self._asking is not None:
            self._fail(why, now_s)
        return self._flush()

    def answered(self, attempt: int, response: Response, now_s: float) -> list[Output]:
        """A response came."""
        hop = self._asking
        if attempt != self._attempt or hop is None or response.code < 200:
            return self._flush()
        self._look_at_via(response, hop)
        if response.code < 300:
            self._granted(response, hop, now_s)
        elif response.code in (401, 407) and self._asks < MAX_ASKS and self._ask(hop, now_s, response):
            pass
        elif self._expires_s == 0:
            self._over(f"{response.code} {response.phrase}")
        elif response.code in (401, 407):
            self._refuse(f"{response.code}: user name or password is refused", response, now_s)
        elif response.code == 423:
            self._extend(response, hop, now_s)
        elif response.code == 408 or 500 <= response.code < 600:
            self._retry_after_s = max(self._retry_after_s, seconds(response, "Retry-After"))
            self._fail(f"{response.code} {response.phrase}", now_s)
        else:
            self._refuse(f"{response.code} {response.phrase}", response, now_s)
        return self._flush()

    def _granted(self, response: Response, hop: Hop, now_s: float) -> None:
        if self._expires_s == 0:
            self._over("stopped")
            return
        granted = granted_s(response, self._token, self._expires_s)
        if granted <= 0:
            self._refuse("registered for 0 s", response, now_s)
            return
        self.hop, self._asking, self._deadline_s = hop, None, None
        self.service_route = service_route(response)
        self.expires_at_s = now_s + granted
        self._expires_s = max(self._settings.expires_s, min(self._expires_s, granted))
        self._rounds = self._refusals = 0
        self._due_s = now_s + refresh_s(granted) * self._dice.uniform(0.9, 1.0)
        self._tell("registered", f"at {_shown(hop)} for {granted} s")

    def _extend(self, response: Response, hop: Hop, now_s: float) -> None:
        """423: ask for as long as the registrar wants it at least."""
        least_s = seconds(response, "Min-Expires")
        if self._expires_s < least_s <= LONGEST_S and self._asks < MAX_ASKS:
            self._expires_s = least_s
            self._ask(hop, now_s)
        else:
            self._refuse("423 without a Min-Expires that can be met", response, now_s)

    def _look_at_via(self, response: Response, hop: Hop) -> None:
        via = response.head.vias[0]
        host = (via.params.get("received") or via.host).strip("[]")
        rport = via.params.get("rport") or ""
        port = int(rport) if rport.isascii() and rport.isdigit() and len(rport) <= 5 else 0
        told_port = via.port or 5060
        if hop.reliable or not port:
            port = told_port  # connections of ours have a port of their own
        if (host, port) == (via.host.strip("[]"), told_port):
            return
        seen = AddressMismatch(host, port, via.host.strip("[]"), told_port)
        if seen != self._seen:
            self._seen = seen
            self._out.append(seen)

    # ── attempts ──

    def _begin(self, now_s: float) -> None:
        """A new round over all registrars."""
        self._place, self._failure, self._retry_after_s = -1, "", 0.0
        self._dead.clear()
        self._hops = []
        self._due_s = None
        self._next(now_s)

    def _refresh(self, now_s: float) -> None:
        assert self.hop is not None
        self._place, self._failure, self._retry_after_s = -1, "", 0.0
        self._dead.clear()
        self._hops = []
        self._asks = 0
        self._ask(self.hop, now_s)

    def _next(self, now_s: float) -> None:
        """On to the next address, else the next registrar, else wait."""
        self._asks = 0
        if self._hops:
            self._ask(self._hops.pop(0), now_s)
            return
        self._place += 1
        if self._place < len(self._registrars):
            self._attempt += 1
            self._asking = None
            self._deadline_s = now_s + ATTEMPT_S
            self._out.append(LookUpRegistrar(self._attempt, self._registrars[self._place]))
            return
        self._rounds += 1
        wait_s = min(FIRST_WAIT_S * 2 ** min(self._rounds - 1, 20), LONGEST_WAIT_S) * self._dice.uniform(0.5, 1.0)
        self._rest("down", self._failure or "no registrar has an address", wait_s, now_s)

    def _ask(self, hop: Hop, now_s: float, challenge: Response | None = None) -> bool:
        """Send a REGISTER; False when there is no answer to the challenge, and nothing is sent."""
        request = self._make()
        if challenge is None:
            self._login.add_credentials(request)
        elif not self._login.answer(challenge, request):
            return False
        self._attempt += 1
        self._asks += 1
        self._asking = hop
        self._deadline_s = now_s + ATTEMPT_S
        self._out.append(SendRegister(self._attempt, hop, request))
        return True

    def _make(self) -> Request:
        registrar = URI.parse(self._registrars[max(self._place, 0)])
        host = self._settings.domain or registrar.host
        address = f"<sip:{self._settings.user}@{host}>"
        self._seq += 1
        request = Request("REGISTER", URI(registrar.scheme, host))
        headers = request.headers
        headers.set("Max-Forwards", "70")
        headers.set("From", f"{address};tag={self._tag}")
        headers.set("To", address)
        headers.set("Call-ID", self._call_id)
        headers.set("CSeq", f"{self._seq} REGISTER")
        headers.set("Expires", str(self._expires_s))
        headers.set("Supported", "path")
        return request

    def _fail(self, why: str, now_s: float) -> None:
        """This hop does not do; try the next."""
        hop, self._asking, self._deadline_s = self._asking, None, None
        if hop is None:
            why = "its name could not be looked up in time"
        else:
            self._dead.add(place(hop))
            why = f"{_shown(hop)}: {why}"
        self._failure = why
        if self._expires_s == 0:
            self._over(why)
        else:
            self._next(now_s)

    def _refuse(self, why: str, response: Response, now_s: float) -> None:
        self._refusals += 1
        longest = LONGEST_REFUSED_WAIT_S
        wait_s = min(REFUSED_WAIT_S * 2 ** min(self._refusals - 1, 20), longest) * self._dice.uniform(0.5, 1.0)
        self._retry_after_s = seconds(response, "Retry-After")
        self._rest("refused", why, wait_s, now_s)

    def _rest(self, state: State, why: str, wait_s: float, now_s: float) -> None:
        self._drop_attempt()
        self._due_s = now_s + max(wait_s, min(self._retry_after_s, LONGEST_REFUSED_WAIT_S))
        self._expires_s = self._settings.expires_s
        self._tell(state, why)

    def _over(self, why: str) -> None:
        self._drop_attempt()
        self._due_s = None
        self._tell("over", why)

    def _drop_attempt(self) -> None:
        self._attempt += 1
        self._asking = self._deadline_s = None

    def _tell(self, state: State, why: str) -> None:
        if state != "registered":
            self.service_route = ()
        if (state, why) != (self.state, self.why):
            self.state, self.why = state, why
            self._out.append(StateChanged(state, why))

    def _flush(self) -> list[Output]:
        out, self._out = self._out, []
        return out


def _shown(hop: Hop) -> str:
    return f"{hop.protocol}:{bracketed(hop.host)}:{hop.port}"
