"""Payment card numbers among digits: which stretches of what was said could be one.

A number of 13 to 19 digits (ISO/IEC 7812-1) that passes the Luhn check is a card number; one in ten other numbers of
that length is taken for one as well, which is the price. A stretch counts when it begins and ends where groups do, and
anywhere when a card scheme could have issued it (an order number said right before the card, an expiry date after it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SHORTEST, LONGEST = 13, 19
MAX_STEPS = 2_000
"""Of one search; a caller who dictates digits for minutes costs no more."""
MAX_REWOUND = 8
"""Words or groups that a correction may take back."""

_SCHEMES = re.compile(
    r"4(?:.{12}|.{15}|.{18})"  # Visa
    r"|(?=.{16}\Z)(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|35|6011|64[4-9]|65).*"  # Mastercard, JCB, Discover
    r"|(?=.{15}\Z)3[47].*"  # American Express
    r"|(?=.{14}\Z)3(?:0[0-5]|[689]).*"  # Diners
    r"|62.{14,17}"  # UnionPay
)


@dataclass(frozen=True, slots=True)
class Link:
    """One word or group in a chain of digits."""

    digits: str
    begins: bool
    """A number may begin here: words or a turn lie before it, or it is a group of its own."""
    ends: bool
    """A number may end here."""
    optional: bool = False
    """It may belong to something else, and be left out."""
    corrects: bool = False
    """What was said before it may be taken back."""


def luhn_valid(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1 annex B over a string of decimal digits."""
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if i % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def issued(digits: str) -> bool:
    """Whether a card scheme could have issued a number that looks so."""
    return _SCHEMES.fullmatch(digits) is not None


class Steps:
    """What searches may still cost; several may share it."""

    def __init__(self, left: int = MAX_STEPS) -> None:
        self.left = left


def cards(chain: Sequence[Link], since: int = 0, steps: Steps | None = None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Card numbers in a chain that end at the place `since` or later: their digits, and the places of their links."""
    yield from stretches(chain, since, LONGEST, lambda digits: len(digits) <= LONGEST, _is_card, steps)


def _is_card(digits: str, edges: int) -> bool:
    return SHORTEST <= len(digits) <= LONGEST and (edges == 2 or issued(digits)) and luhn_valid(digits)


def stretches(
    chain: Sequence[Link],
    since: int,
    longest: int,
    goes_on: Callable[[str], bool],
    is_one: Callable[[str, int], bool],
    steps: Steps | None = None,
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Stretches of a chain that are what is looked for; links that are optional may be left out of them.

    Args:
        since: the last link of a stretch is at this place or a later one.
        longest: digits of one, at most.
        goes_on: whether digits may be the beginning of one.
        is_one: whether digits are one; the second argument says how many of their two ends are those of groups.
        steps: how many may still be gone; those that begin last are looked for first.
    """
    steps = steps or Steps()
    for first in range(len(chain) - 1, _earliest(chain, since, longest) - 1, -1):
        group = chain[first].digits
        for cut in range(len(group)):
            if steps.left <= 0:
                return
            open_: list[tuple[str, tuple[int, ...]]] = [(group[cut:], (first,))]
            seen = set[tuple[str, int]]()
            while open_ and steps.left > 0:
                digits, taken = open_.pop()
                steps.left -= 1
                if not goes_on(digits) or (digits, taken[-1]) in seen:
                    yield from _ending(chain, since, digits, taken, cut == 0, is_one, longest)
                    continue
                seen.add((digits, taken[-1]))
                yield from _ending(chain, since, digits, taken, cut == 0, is_one, longest)
                open_ += _longer(chain, digits, taken)


def _earliest(chain: Sequence[Link], since: int, longest: int) -> int:
    """Where a stretch may begin that reaches `since`: what cannot be left out before it must not be too long."""
    at, between, end = min(since, len(chain)), 0, max(0, since - 4 * LONGEST)
    while at > end and between < longest:
        if at < len(chain) and chain[at].corrects:  # takes back what came before it: no bound holds any more
            return end
        at -= 1
        between += 0 if chain[at].optional else len(chain[at].digits)
    return at


def _ending(
    chain: Sequence[Link],
    since: int,
    digits: str,
    taken: tuple[int, ...],
    uncut: bool,
    is_one: Callable[[str, int], bool],
    longest: int,
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The stretch that ends at the last link, or inside its group."""
    last = chain[taken[-1]]
    if taken[-1] < since:
        return
    begins = uncut and chain[taken[0]].begins
    if is_one(digits, begins + last.ends):
        yield digits, taken
    for less in range(max(1, len(digits) - longest), len(last.digits) if len(taken) > 1 else len(digits)):
        if is_one(digits[:-less], int(begins)):
            yield digits[:-less], taken


def _longer(chain: Sequence[Link], digits: str, taken: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """The ways to go on by one link, those that leave nothing out last: they are tried first."""
    at = taken[-1] + 1
    ways: list[tuple[str, tuple[int, ...]]] = []
    while at < len(chain):
        if chain[at].corrects:
            kept, short = taken, digits
            for _ in range(min(MAX_REWOUND, len(taken) - 1)):
                short = short[: len(short) - len(chain[kept[-1]].digits)]
                kept = kept[:-1]
                ways.append((short + chain[at].digits, (*kept, at)))
        ways.append((digits + chain[at].digits, (*taken, at)))
        if not chain[at].optional:
            break
        at += 1
    return ways[::-1] if len(ways) > 1 else ways
