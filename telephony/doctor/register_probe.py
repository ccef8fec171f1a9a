"""A REGISTER step by step: the challenge, what our answer to it was worth, and as whom the registrar sees us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from sipmessage import URI

from telephony.routing.call_facts import clean
from telephony.sip import digest
from telephony.sip.digest import Challenge, Credentials
from telephony.sip.endpoint import Endpoint
from telephony.sip.grammar import NameAddr, split_list
from telephony.sip.hop import Hop, bracketed
from telephony.sip.message import Request, Response, new_tag
from telephony.trunk.model import Trunk
from telephony.trunk.register_response import granted_s, seconds

from .findings import Finding, Stopwatch
from .status_meanings import meaning

MAX_TRIES = 4
MARK = "doctor"
"""In our Contact, so that it is told from the server's own."""
_SILENT = (
    "a registrar that answers OPTIONS but not REGISTER drops what it does not like: "
    "compare user, domain and our address with the provider's data"
)
_REMEDIES = {
    403: "the account is locked, the password wrong, or this address may not register: ask the provider",
    404: "the registrar does not know this user at this domain: check register.user and register.domain",
    405: "this server is no registrar: set register.registrars",
    406: "the registrar wants an extension: ask the provider",
    423: "nothing to do: the server asks again with the registrar's minimum",
    479: "the registrar does not like a URI of ours: check register.domain and advertise",
    501: "this server is no registrar: set register.registrars",
    503: "the registrar is overloaded; a second one in register.registrars helps",
}


class Asker(Protocol):
    """Sends a request and waits for what comes of it."""

    @property
    def endpoint(self) -> Endpoint:
        """The SIP port that it goes out by."""

    async def ask(self, request: Request, hop: Hop) -> Response | int:
        """The final response, or 408 or 503 when there is none."""


class RegisterProbe:
    """One registration.

    Args:
        trunk: with `registration`.
        registrar: from the trunk's file.
        register: bind our address for a moment; otherwise only ask which addresses are bound (RFC 3261 section 10.2.3).
    """

    def __init__(self, trunk: Trunk, registrar: URI, register: bool) -> None:
        assert trunk.registration is not None
        self._trunk = trunk
        self._own = trunk.registration
        self._host = self._own.domain or registrar.host
        self._uri = URI(registrar.scheme, self._host)
        self._register = register
        user = self._own.auth_user or self._own.user
        self._credentials = Credentials(user, self._own.password.reveal())
        self._call_id, self._tag, self._seq = new_tag() + new_tag(), new_tag(), 0
        self._answer: tuple[str, str] | None = None
        self.answered = False
        """Whether the registrar said anything at all."""

    async def run(self, asker: Asker, hop: Hop) -> AsyncIterator[Finding]:
        """All steps at one server."""
        asked: Challenge | None = None
        for _ in range(MAX_TRIES):
            stopwatch = Stopwatch()
            response = await asker.ask(self._request(asker, hop), hop)
            if isinstance(response, int):
                why = asker.endpoint.why(hop) or "no answer"
                yield stopwatch.finding("problem", "register", why, _SILENT)
                return
            self.answered = True
            if response.code not in (401, 407):
                async for finding in self._judge(asker, hop, response, stopwatch, asked):
                    yield finding
                return
            refused = asked is not None
            finding, asked = self._challenged(response, stopwatch, asked)
            yield finding
            if asked is None or (refused and finding.level == "problem"):
                return
        yield Finding("problem", "register", "the registrar goes on asking for a password", "ask the provider")

    def _challenged(
        self, response: Response, stopwatch: Stopwatch, before: Challenge | None
    ) -> tuple[Finding, Challenge | None]:
        name = "WWW-Authenticate" if response.code == 401 else "Proxy-Authenticate"
        values = response.headers.getlist(name)
        try:
            challenge = digest.choose(values)
        except ValueError:
            shown = clean("; ".join(values), 160) or "nothing"
            words = f"{response.code}, and a challenge that cannot be answered: {shown}"
            return stopwatch.finding(
                "problem", "register", words, "the provider has to offer MD5 or SHA-256 digest"
            ), None
        who = self._credentials.username
        if before is not None and not challenge.stale:
            words = f"{response.code}: the registrar refuses our answer as {who!r} for realm {clean(challenge.realm)!r}"
            remedy = "the password is wrong, or the user name of the digest is another one (register.auth_user)"
            return stopwatch.finding("problem", "register", words, remedy), None
        uri = str(self._uri)
        header = "Authorization" if response.code == 401 else "Proxy-Authorization"
        self._answer = (header, digest.authorization(challenge, self._credentials, "REGISTER", uri))
        qop = "with qop auth" if challenge.qop else "without qop"
        words = (
            f"{response.code}: a password is asked for, realm {clean(challenge.realm)!r}, {challenge.algorithm} {qop}"
        )
        words += ", as the nonce was too old" if challenge.stale else ""
        return stopwatch.finding("ok", "register", words), challenge

    async def _judge(
        self, asker: Asker, hop: Hop, response: Response, stopwatch: Stopwatch, asked: Challenge | None
    ) -> AsyncIterator[Finding]:
        if response.code >= 300:
            what, do = meaning(response.code)
            remedy = _REMEDIES.get(response.code, do)
            warning = response.headers.get("Warning")
            said = f"; Warning: {clean(warning, 160)}" if warning else ""
            yield stopwatch.finding(
                "problem", "register", f"{response.code} {clean(response.phrase, 60)} ({what}){said}", remedy
            )
            return
        if asked is None:
            words = "200 without asking for a password: the registrar knows us by our address, or believes everybody"
            yield stopwatch.finding("warning", "register", words, "see that this is what the provider means")
        elif self._register:
            granted = granted_s(response, MARK, self._own.expires_s)
            yield stopwatch.finding("ok", "register", f"200: the password is right, registered for {granted} s")
        else:
            yield stopwatch.finding("ok", "register", "200: the password is right")
        yield self._bindings(response)
        yield self._seen(hop, response)
        if self._register:
            yield await self._leave(asker, hop)

    def _bindings(self, response: Response) -> Finding:
        contacts = []
        for value in response.headers.getlist("Contact"):
            try:
                contacts += [NameAddr.parse(item) for item in split_list(value)[:10]]
            except ValueError:
                continue
        if not contacts:
            return Finding("ok", "bindings", "nobody is registered there now", "" if self._register else
                           "with --register it is tried for a moment")  # fmt: skip
        lines = [f"{clean(one.uri, 120)} for {clean(one.params.get('expires') or '?', 12)} s" for one in contacts[:8]]
        return Finding("ok", "bindings", "\n".join([f"{len(contacts)} now:", *lines]))

    def _seen(self, hop: Hop, response: Response) -> Finding:
        """As whom the registrar sees us (RFC 3581), against what we say."""
        via = response.head.vias[0]
        said = via.host.strip("[]")
        host = clean((via.params.get("received") or via.host).strip("[]"), 60)
        port = clean(via.params.get("rport") or "", 5)
        where = f"{bracketed(host)}:{port}" if port else host
        if host == said:
            return Finding("ok", "our address", f"the registrar sees us at {where}, as we say")
        words = f"the registrar sees us at {where}, but we say {said}: there is a NAT between us"
        remedy = f"set `advertise: {host}` in the trunk's file, and forward the SIP and RTP ports to this machine"
        return Finding("warning", "our address", words, remedy)

    async def _leave(self, asker: Asker, hop: Hop) -> Finding:
        stopwatch = Stopwatch()
        response = await asker.ask(self._request(asker, hop, leave=True), hop)
        if isinstance(response, Response) and response.code in (401, 407):  # every REGISTER is challenged here
            self._challenged(response, stopwatch, None)
            response = await asker.ask(self._request(asker, hop, leave=True), hop)
        if isinstance(response, Response) and response.code < 300:
            return stopwatch.finding("ok", "unregister", "done")
        least = seconds(response, "Min-Expires") if isinstance(response, Response) else 0
        words = "the registrar does not let us go" + (f" before {least} s" if least else "")
        return stopwatch.finding("warning", "unregister", words, "it ends by itself when the time is over")

    def _request(self, asker: Asker, hop: Hop, leave: bool = False) -> Request:
        self._seq += 1
        request = Request("REGISTER", self._uri)
        address = f"<sip:{self._own.user}@{self._host}>"
        headers = request.headers
        headers.set("Max-Forwards", "70")
        headers.set("From", f"{address};tag={self._tag}")
        headers.set("To", address)
        headers.set("Call-ID", self._call_id)
        headers.set("CSeq", f"{self._seq} REGISTER")
        if self._register:
            contact = asker.endpoint.contact(hop, self._own.contact_user or self._own.user)
            headers.set("Contact", f"{contact[:-1]};line={MARK}>")
            headers.set("Expires", "0" if leave else str(self._own.expires_s))
        if self._trunk.outbound_proxy is not None and "lr" in URI.parse(self._trunk.outbound_proxy).parameters:
            headers.set("Route", f"<{self._trunk.outbound_proxy}>")
        if self._answer is not None:
            headers.set(*self._answer)
        return request
