"""Spelled letters, spelling alphabets and codes of letters and digits."""

from __future__ import annotations

from voicebot.nlu.slots.corrections import after_correction
from voicebot.nlu.slots.digits import Valid
from voicebot.nlu.slots.tokens import ALIKE, FILLERS, TEENS, TENS, UNITS, Found, below_hundred

_SOUNDS = """
    a ay eh / b bee be / c see sea cee si / d dee the / e ee / f eff ef / g gee jee / h aitch haitch / i eye aye
    / j jay / k kay okay / l ell el / m em / n en / p pee pea / q cue queue / r are ar / s ess es / t tee tea
    / u you yu / v vee ve / x ex / y why wye / z zee zed zeta
"""
LETTERS = {sound: one.split()[0] for one in _SOUNDS.split("/") for sound in one.split()[1:]}
_ALPHABETS = """
    alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo
    sierra tango uniform victor whiskey xray yankee zulu alfa juliett whisky apple boy charles david edward frank
    george henry ida john king lincoln mary nancy ocean paul peter queen robert sam tom union young zebra adam nora
    baker dog easy fox item jig love nan oboe roger sugar able cat
"""
ALPHABET = {word: word[0] for word in _ALPHABETS.split()}
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_SKIP = {
    "dash",
    "hyphen",
    "space",
    "capital",
    "uppercase",
    "lowercase",
    "letter",
    "number",
    "and",
    "then",
    *FILLERS,
} - {"so"}
_PLAIN = "the and is it its it's my was of on at in to for code order name that that's this then number yes no"
_WORDS = frozenset(_PLAIN.split())
Piece = tuple[list[str], int]
"""What a place may mean, the likeliest first, and the place after it."""


def letter(words: list[str], at: int) -> tuple[str, int] | None:
    """One letter at a place: ``b``, ``bee``, ``b for bravo``, ``bravo``. Returns it and the place after it."""
    word = words[at]
    single = word if len(word) == 1 and word.isalpha() else LETTERS.get(word)
    if word == "x" and words[at + 1 : at + 2] == ["ray"]:
        return "x", at + 2
    if single is not None:
        if at + 3 < len(words) and words[at + 1 : at + 3] == ["as", "in"]:
            return words[at + 3][0], at + 4
        if at + 2 < len(words) and words[at + 1] in ("for", "like") and words[at + 2][:1] == single:
            return single, at + 3
        return single, at + 1
    return (ALPHABET[word], at + 1) if word in ALPHABET else None


def find_codes(words: list[str], valid: Valid) -> list[Found]:
    """Codes such as ``A42B`` in capitals; only those that `valid` allows, the likeliest first."""
    found: list[Found] = []
    cut = after_correction(words)
    for begin in dict.fromkeys((cut, 0)):
        at = begin
        while at < len(words):
            readings, end = _read(words, at)
            if end > at and (end - at > 1 or len(words) <= 2 or any(c.isdigit() for c in readings[0])):
                found += [
                    Found(text, 0.9 - 0.1 * min(rank, 4), at, end) for rank, text in enumerate(readings) if valid(text)
                ]
            at = max(end, at + 1)
    seen: dict[str, Found] = {}
    for item in sorted(found, key=lambda f: (f.start < cut, -(f.end - f.start), -f.confidence)):
        seen.setdefault(item.value, item)
    return list(seen.values())


def _read(words: list[str], at: int) -> tuple[list[str], int]:
    readings, begin = [""], at
    end = at
    while at < len(words):
        if words[at] in _SKIP:
            at += 1
            continue
        times = _TIMES.get(words[at], 1)
        piece = _piece(words, at + (times > 1))
        if piece is None:
            break
        readings = [said + text * times for said in readings for text in piece[0]][:16]
        at = end = piece[1]
    return readings, end if end > begin else begin


def _piece(words: list[str], at: int) -> Piece | None:
    if at >= len(words):
        return None
    word = words[at]
    if word in ("o", "oh"):
        return ["O", "0"], at + 1
    number = below_hundred(words, at) if word in UNITS or word in TEENS or word in TENS else None
    if number is not None:
        return [str(number[0])], number[1]
    one = letter(words, at)
    if one is not None:
        return [one[0].upper()], one[1]
    if word in ALIKE:
        return [ALIKE[word]], at + 1
    if any(c.isdigit() for c in word) and len(word) <= 20:
        return ["".join(c for c in word.upper() if c.isalnum())], at + 1
    return ([word.upper()], at + 1) if _abbreviation(words, at) else None


def _abbreviation(words: list[str], at: int) -> bool:
    """Letters that recognition wrote as one word: ``abc`` in front of a number, ``bxr`` anywhere."""
    word, following = words[at], words[at + 1 : at + 2]
    if not word.isalpha() or not 2 <= len(word) <= 4 or word in _WORDS:
        return False
    return not set(word) & set("aeiou") or bool(following and following[0][:1].isdigit())
