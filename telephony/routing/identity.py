"""Who calls: what the dialog may know of the caller, and from which headers, by the trust in the trunk.

From is what anybody may write. P-Asserted-Identity (RFC 3325), Remote-Party-ID, Diversion (RFC 5806), History-Info
(RFC 7044), User-to-User (RFC 7433) and X-* are read only when the trunk is trusted; Privacy is respected always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.x509 import Certificate

from telephony.sip.grammar import NameAddr, split_list

from .call_facts import CallFacts, clean
from .phone_numbers import Number, normalise, user_of
from .verstat import Verification, verify

MAX_NAME_CHARS = 80
MAX_UUI_BYTES = 256
"""RFC 7433 section 3.1: 128 is what ISDN carries; twice that is read."""
_HIDING = frozenset({"id", "user", "header"})
_ANONYMOUS = frozenset({"anonymous", "unavailable", "restricted", "unknown"})
_UUI = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]+))\s*(.*)", re.DOTALL)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")

WITHHELD = Verification(words="number withheld")

Variables = dict[str, str | bool]


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """The caller, and how the call came to us. Everything is one line, printable and bounded."""

    number: Number
    """Empty when the caller hides it."""
    name: str = ""
    private: bool = False
    """The caller asked that his number be shown to nobody."""
    diverted_from: str = ""
    """Whom the caller had called before the call was diverted to us."""
    diversion_reason: str = ""
    user_to_user: str = ""
    """What the other PBX wants us to know: text, or hexadecimal digits when it is no text."""
    verification: Verification = field(default_factory=Verification)


def identify(facts: CallFacts, country: str, now_s: float, certificates: Sequence[Certificate] = ()) -> CallerIdentity:
    """Read a call's headers. Malformed ones are passed over; nothing is raised."""
    address = _caller(facts)
    hidden = _hidden(facts, address)
    number = normalise(address.uri, country)
    diverted, reason = _diverted(facts, country) if facts.trusted else ("", "")
    return CallerIdentity(
        number=Number("") if hidden else number,
        name="" if hidden else clean(address.name, MAX_NAME_CHARS),
        private=hidden,
        diverted_from=diverted,
        diversion_reason=reason,
        user_to_user=user_to_user(facts.first("User-to-User")) if facts.trusted else "",
        verification=_verification(facts, number, country, now_s, certificates) if not hidden else WITHHELD,
    )


def _verification(
    facts: CallFacts, caller: Number, country: str, now_s: float, certificates: Sequence[Certificate]
) -> Verification:
    called = [facts.to, *(address.uri for address in _addresses(facts.values("To")[:1]))]
    return verify(facts, caller, [normalise(uri, country) for uri in called], now_s, certificates)


def variables(facts: CallFacts, identity: CallerIdentity, called: Number, mapping: Mapping[str, str]) -> Variables:
    """What the dialog sees: fixed names, and those that the routes map from headers (trusted trunks only)."""
    found: Variables = {
        "caller_number": clean(str(identity.number)),
        "caller_name": identity.name,
        "caller_private": identity.private,
        "caller_verified": identity.verification.verified,
        "attestation": identity.verification.attestation,
        "verification": identity.verification.words,
        "called_number": clean(str(called)),
        "trunk": facts.trunk,
        "diverted_from": identity.diverted_from,
        "diversion_reason": identity.diversion_reason,
        "user_to_user": identity.user_to_user,
    }
    for variable, header in mapping.items():
        found[variable] = clean(facts.first(header)) if facts.trusted else ""
    return found


def _caller(facts: CallFacts) -> NameAddr:
    """P-Asserted-Identity before Remote-Party-ID before From; of several asserted ones the first with a number."""
    if facts.trusted:
        asserted = _addresses(facts.values("P-Asserted-Identity")) or _addresses(facts.values("Remote-Party-ID"))
        for address in asserted:
            if any(ch.isdigit() for ch in user_of(address.uri)):
                return address
        if asserted:
            return asserted[0]
    try:
        return NameAddr.parse(facts.from_, any_name=True)
    except ValueError:
        return NameAddr(facts.from_)


def _hidden(facts: CallFacts, address: NameAddr) -> bool:
    """RFC 3323: Privacy says so, or the address itself is anonymous or, in Remote-Party-ID, private."""
    asked = {item.strip().lower() for value in facts.values("Privacy") for item in value.split(";")}
    if asked & _HIDING or (address.params.get("privacy") or "off").lower() in ("full", "uri"):
        return True
    host = address.uri.rpartition("@")[2].partition(";")[0].lower()
    return user_of(address.uri).lower() in _ANONYMOUS or host == "anonymous.invalid"


def _addresses(values: Sequence[str]) -> list[NameAddr]:
    found = []
    for value in values:
        try:
            found += [NameAddr.parse(item) for item in split_list(value)[:8]]
        except ValueError:
            continue
    return found


def _diverted(facts: CallFacts, country: str) -> tuple[str, str]:
    """The number called first, and why it was left: the last Diversion (newest come first), or first History-Info."""
    diversions = _addresses(facts.values("Diversion"))
    if diversions:
        first = diversions[-1]
        hidden = (first.params.get("privacy") or "off").lower() in ("full", "uri")
        number = "" if hidden else clean(str(normalise(first.uri, country)))
        return number, clean(first.params.get("reason") or "", 40)
    history = _addresses(facts.values("History-Info"))
    if len(history) < 2:
        return "", ""
    target, _, headers = history[0].uri.partition("?")
    if "privacy=" in headers.lower():
        return "", ""
    cause = re.search(r"[;?&]cause(?:=|%3D)([0-9]{3})", history[1].uri + "?" + headers, re.IGNORECASE)
    return clean(str(normalise(target, country))), f"cause {cause[1]}" if cause else ""


def user_to_user(value: str) -> str:
    """The content of a User-to-User header as one line of text (RFC 7433); bytes that are no text stay hexadecimal.

    The first octet of an ISDN user-user element is its protocol (4: text by IA5, Q.931 section 4.5.30) and is left out.
    """
    match = _UUI.match(value[: MAX_UUI_BYTES * 3])
    if match is None:
        return ""
    content = re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    if "encoding=hex" not in match[3].replace(" ", "").lower() and match[1] is not None:
        return clean(content)
    if not _HEX.fullmatch(content) or len(content) > 2 * MAX_UUI_BYTES:
        return clean(content) if match[1] is not None or not _HEX.fullmatch(content) else ""
    data = bytes.fromhex(content)
    if data[0] in (0x00, 0x04):
        data = data[1:]
    try:
        text = data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return clean(content.lower())
    return clean(text) if text.isprintable() else clean(content.lower())
