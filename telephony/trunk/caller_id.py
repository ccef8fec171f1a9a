"""As whom we call over a trunk, and whom the trunk lets us call."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from sipmessage import URI

from ..sip.digest import Credentials
from ..sip.grammar import quote
from ..sip.hop import bracketed
from .model import Trunk

DEFAULT_USER = "voicebot"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""RFC 3323 section 4.1.1.3."""
_SEPARATORS = re.compile(r"[\-.()]")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_SPECIAL = str.maketrans({"[": "[[]", "?": "[?]"})


@dataclass(frozen=True, slots=True)
class CallingParty:
    """Who calls, as the application wants it; what is empty is the trunk's to say."""

    user: str = ""
    """User part of From."""
    name: str = ""
    """Display name."""
    private: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingIdentity:
    """From and the identity headers of an INVITE of ours on a trunk."""

    from_: str
    """From, without tag."""
    headers: tuple[tuple[str, str], ...] = ()
    """Identity, privacy, and those that the trunk file adds."""
    credentials: Credentials | None = field(default=None)
    """For a 401 or 407."""
    contact_user: str = ""
    """User part of our Contact, empty for none."""


def outgoing_identity(trunk: Trunk | None, caller: CallingParty, local_host: str) -> OutgoingIdentity:
    """From and the identity headers of an INVITE.

    Args:
        trunk: None for a call without one.
        caller: who calls.
        local_host: our address as the peer sees it, for From when the trunk names no domain.
    """
    if trunk is None:
        return OutgoingIdentity(_address(caller.name, caller.user or DEFAULT_USER, bracketed(local_host)))
    own, registration = trunk.caller_id, trunk.registration
    domain = own.domain or trunk.domain or bracketed(local_host)
    line = own.user or (registration.user if registration else "")
    user, name = caller.user or line or DEFAULT_USER, caller.name or own.name
    private = caller.private or own.private
    headers: list[tuple[str, str]] = []
    if own.asserted or private:
        headers.append(("P-Asserted-Identity", _address(name, line or user, domain)))
    if private:
        headers.append(("Privacy", "id"))
    headers += trunk.headers.items()
    account = trunk.account
    credentials = Credentials(account.user, account.password.reveal()) if account is not None else None
    contact = (registration.contact_user if registration is not None else "") or line
    return OutgoingIdentity(
        ANONYMOUS if private else _address(name, user, domain), tuple(headers), credentials, contact
    )


def _address(name: str, user: str, domain: str) -> str:
    uri = URI("sip", domain, user)
    return f"{quote(name)} <{uri}>" if name else f"<{uri}>"


def allowed(trunk: Trunk, uri: URI) -> bool:
    """Whether the trunk may be used to call this URI (toll fraud: nothing that is not listed).

    A number in `destinations` means a number at this trunk's peer; any other host has to be listed with it.
    """
    user = uri.user or ""
    if trunk.accept_registrations is not None and uri.host == trunk.name and user in trunk.users:
        return True
    number = _SEPARATORS.sub("", user)
    plain = (number if _NUMBER.fullmatch(number) else user).lower()
    own = {trunk.name, trunk.domain.lower(), *(URI.parse(to).host.lower() for to in trunk.to)}
    here = uri.scheme == "tel" or uri.host.lower() in own
    wholes = [f"{plain}@{host}" for host in (own if here else {uri.host.lower()})]
    return any(
        any(fnmatchcase(whole, pattern) for whole in wholes) if "@" in pattern else here and fnmatchcase(plain, pattern)
        for pattern in map(_pattern, trunk.destinations)
    )


def _pattern(text: str) -> str:
    return re.sub(r"^sips?:|^tel:", "", text.lower()).translate(_SPECIAL)
