"""What a SIP answer usually means on a trunk, and what to do about it."""

from __future__ import annotations

from telephony.routing.call_facts import clean

_MEANINGS: dict[int, tuple[str, str]] = {
    300: ("several places to try", "the trunk's `redirects` says whether we follow"),
    301: ("the number has moved for good", "correct the number, or set `redirects` in the trunk"),
    302: ("the number is elsewhere now", "set `redirects` in the trunk to follow it"),
    305: ("a proxy has to be used", "set `outbound_proxy` in the trunk"),
    400: ("the message was not understood", "look at the Warning and at what an SBC on the way may have changed"),
    401: ("a password is asked for", "set `register` with user and password in the trunk"),
    402: ("payment required", "the account has no credit; ask the provider"),
    403: ("forbidden", "the address, user or calling number is not allowed there: compare with the provider's data; "
          "`caller_id.user` has to be one of your numbers"),
    404: ("the number or user is not known there", "see how the provider wants numbers (+49…, 0049…, 030…), "
          "and whether the domain is right"),
    405: ("this method is not allowed there", "nothing to do for OPTIONS: the peer is alive"),
    406: ("no body of a kind that the peer accepts", "see that it takes application/sdp"),
    407: ("a proxy asks for a password", "set `register` with user and password in the trunk"),
    408: ("no answer in time", "a firewall may drop the answers, or the next hop is down"),
    410: ("the number is no longer in use", "take it out of your routes"),
    413: ("the message is too large", "use TCP or TLS (`transport: tcp`), send fewer codecs and headers"),
    415: ("the body's kind is not taken", "see that the peer takes application/sdp"),
    416: ("this kind of URI is not taken", "sips needs TLS all the way; try sip: with `transport: tls`"),
    420: ("an extension we require is not known there", "set `reliable: supported` or `off` in the trunk"),
    421: ("the peer wants an extension we do not offer", "set `reliable: supported` or a `session_timer`"),
    422: ("the session timer is too short", "set `session_timer.expires_s` to at least the peer's Min-SE"),
    423: ("the registration is too short", "nothing to do: it is repeated with the registrar's minimum"),
    433: ("hidden numbers are not taken", "show the number: `caller_id.private: false`"),
    480: ("nobody can be reached there now", "the phone is not registered or does not answer"),
    481: ("the call is not known there (any more)", "a restart on the way, or a proxy that lost its state"),
    482: ("the call came round in a circle", "a route leads back to where the call came from"),
    483: ("too many hops", "a route leads in a circle"),
    484: ("the number is incomplete", "send it with country code: +49…"),
    485: ("the number is ambiguous", "write the whole number"),
    486: ("busy", ""),
    487: ("given up before an answer", ""),
    488: ("nothing in the offer can be used", "compare codecs and encryption: `codecs` and `srtp` of the trunk"),
    489: ("this event is not known there", ""),
    491: ("both sides changed the call at once", "nothing to do: it is tried again"),
    494: ("a security agreement is required", "the provider wants TLS: `transport: tls`"),
    500: ("an error in the other server", "ask its operator, with Call-ID and time"),
    501: ("this method is not known there", "nothing to do for OPTIONS: the peer is alive"),
    502: ("a gateway got a bad answer", "ask the provider, with Call-ID and time"),
    503: ("the other server takes no more calls", "wait, or give the trunk a second target in `to`"),
    504: ("a server behind it did not answer", "ask the provider, with Call-ID and time"),
    505: ("this SIP version is not known there", "what answers is no SIP server, or a very old one"),
    513: ("the message is too large", "use TCP or TLS, send fewer codecs and headers"),
    580: ("a precondition failed", ""),
    600: ("busy everywhere", ""),
    603: ("declined", ""),
    604: ("the number exists nowhere", "check the number"),
    606: ("nothing in the offer can be used", "compare codecs and encryption: `codecs` and `srtp` of the trunk"),
    607: ("the called party does not want this caller", ""),
    608: ("blocked as unwanted on the way", "the number is rated as spam; ask the provider"),
}  # fmt: skip
_QUIET = {("INVITE", 401), ("INVITE", 407), ("REGISTER", 401), ("REGISTER", 407), ("BYE", 401), ("BYE", 407)}
"""Part of every login."""


def meaning(code: int) -> tuple[str, str]:
    """What a status means and what to do, both in words; empty when there is nothing to say."""
    return _MEANINGS.get(code, _MEANINGS.get(code // 100 * 100, ("", "")) if code >= 400 else ("", ""))


def remedy(code: int, method: str = "INVITE", warning: str = "", ours: bool = False) -> str:
    """One line about a response: its meaning, the peer's own Warning, and what to do when it is the peer's."""
    what, do = meaning(code)
    if (method, code) in _QUIET:
        do = ""
    words = what + (f" — {do}" if do and not ours else "")
    said = clean(warning, 160)
    return (f"{words}; " if words and said else words) + (f"Warning: {said}" if said else "")
