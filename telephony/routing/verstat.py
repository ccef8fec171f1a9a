"""Is the caller's number his own? STIR/SHAKEN results, as far as they may be believed (ATIS-1000074, 3GPP TS 24.229).

A carrier checks the signature and says what came of it: ``verstat`` beside the number in P-Asserted-Identity or From,
the attestation behind it or in a header of its own. That is worth as much as the carrier is trusted: it counts only
from a trunk with ``verstat: true``. A signature that lies in the message as well must be fresh, of this caller and for
this called number: one that was made for a call to somebody else may be a recorded one (RFC 8224 section 12.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.x509 import Certificate

from telephony.sip.grammar import NameAddr, split_list

from .call_facts import CallFacts
from .passport import Passport
from .phone_numbers import Number

MAX_AGE_S = 60
"""RFC 8224 section 4.1 and ATIS-1000074: older signatures may be replayed ones."""

Attestation = Literal["A", "B", "C", "none"]
_VERSTAT = re.compile(r";verstat=([^;@?]{0,64})", re.IGNORECASE)
_RESULT = re.compile(r"(?:(TN-Validation-Passed|TN-Validation-Failed)(?:-([ABC]))?|No-TN-Validation)", re.IGNORECASE)
_LEVELS: dict[str, Attestation] = {"A": "A", "B": "B", "C": "C"}
_INDICATORS = ("P-Attestation-Indicator", "Attestation-Info")


@dataclass(frozen=True, slots=True)
class Verification:
    """What may be said about the caller's number."""

    verified: bool = False
    """A configured trunk vouches that it was signed, passed the check, and is fresh."""
    attestation: Attestation = "none"
    """``A``: the caller's carrier vouches for the number, ``B`` for the customer, ``C`` for neither. Only of a
    believed trunk, and only when nothing failed."""
    words: str = "not signed"


def verify(
    facts: CallFacts, caller: Number, called: Sequence[Number], now_s: float, certificates: Sequence[Certificate] = ()
) -> Verification:
    """Weigh what a call brings.

    Args:
        facts: the call.
        caller: the number that will be shown.
        called: whom the call is for, by Request-URI and To.
        now_s: seconds since 1970.
        certificates: when given, one of them must have made the signature (trunks that pass Identity on unchecked).
    """
    said = _verstats(facts)
    shown = [value for value in facts.values("Identity") if value.strip()]
    if not said and not shown:
        return Verification()
    if not (facts.trusted and facts.verstat):
        return Verification(words="not believed: the trunk is not configured with verstat: true")
    result, attestation, words = _said(said, facts)
    if result == "failed":
        return Verification(words=words)
    passports, wrong = _passports(shown, caller, called, now_s)
    if wrong:
        return Verification(words=wrong)
    if certificates and not passports:
        return Verification(words="no signature in the message to be checked")
    if certificates:
        if not all(any(p.signed_by(certificate) for certificate in certificates) for p in passports):
            return Verification(words="failed: the signature is not of a configured certificate")
        result, words = "passed", "passed: signed by a configured certificate"
        attestation = _weakest([_LEVELS.get(p.attest, "none") for p in passports])
    if result != "passed":
        return Verification(words=words)
    if passports:
        words += f", signed {max(0, round(now_s - min(p.iat for p in passports)))} s ago"
    return Verification(True, attestation, words)


def _verstats(facts: CallFacts) -> list[str]:
    """Every verstat of the caller's addresses (TS 24.229 section 7.2A.20): of the number, the URI or the header.

    Display names are the caller's to write, so they are not searched.
    """
    found: list[str] = []
    for value in (*facts.values("P-Asserted-Identity"), facts.from_):
        try:
            addresses = [NameAddr.parse(item) for item in split_list(value)]
        except ValueError:
            continue
        for address in addresses:
            found += _VERSTAT.findall(address.uri)
            parameter = address.params.get("verstat")
            found += [] if parameter is None else [parameter]
    return found


def _said(said: list[str], facts: CallFacts) -> tuple[Literal["passed", "failed", "none"], Attestation, str]:
    """The carrier's word; of several the worst counts, and one that is not understood is none."""
    results = [_RESULT.fullmatch(value) for value in said]
    if not results:
        return "none", "none", "not checked by the trunk: no verstat"
    if None in results:
        return "failed", "none", "not understood: a verstat of no known kind"
    found = [match for match in results if match is not None]
    if any((match[1] or "").lower().endswith("failed") for match in found):
        return "failed", "none", "failed: the trunk found no valid signature for this number"
    if any(match[1] is None for match in found):
        return "none", "none", "not checked by the trunk: No-TN-Validation"
    levels = [_LEVELS[match[2].upper()] for match in found if match[2]]
    for name in _INDICATORS:
        levels += [_LEVELS[value.strip().upper()] for value in facts.values(name) if value.strip().upper() in _LEVELS]
    return "passed", _weakest(levels), "passed: the trunk vouches for it"


def _weakest(levels: list[Attestation]) -> Attestation:
    return max(levels, default="none")  # "A" < "B" < "C" < "none"


def _passports(shown: list[str], caller: Number, called: Sequence[Number], now_s: float) -> tuple[list[Passport], str]:
    """The signatures about the caller, or why they cannot be believed."""
    found: list[Passport] = []
    diversions: list[Passport] = []
    for value in shown:
        try:
            passport = Passport.parse(value)
        except ValueError as error:
            return [], f"malformed signature: {error}"
        age_s = now_s - passport.iat
        if passport.kind == "div" and abs(age_s) <= MAX_AGE_S:
            diversions.append(passport)
        if passport.kind not in ("", "shaken"):
            continue  # of a diversion, or of a display name
        if age_s > MAX_AGE_S:
            return [], f"stale: signed {round(age_s)} s ago, more than {MAX_AGE_S} s"
        if age_s < -MAX_AGE_S:
            return [], f"not believed: signed {round(-age_s)} s in the future; check this machine's clock"
        if passport.orig != caller.e164.lstrip("+") or not passport.orig:
            return [], "failed: signed for another number than the one shown"
        found.append(passport)
    ours = {_digits(number) for number in called}
    if any(not ours & _led_to(passport, diversions) for passport in found):
        return [], "failed: signed for a call to another number than this one"
    return found, ""


def _led_to(passport: Passport, diversions: list[Passport]) -> set[str]:
    """The numbers that a signature is for: those that it names, and those that they were diverted to (RFC 8946)."""
    numbers = set(passport.dest)
    for _ in diversions:  # in any order; each round may follow one more
        for one in diversions:
            if one.orig == passport.orig and one.div in numbers:
                numbers.update(one.dest)
    return numbers


def _digits(number: Number) -> str:
    return (number.e164 or number.raw).lstrip("+")
