"""How digits and numbers are said and written: for grammars, for reading them back, for counting what was dictated."""

from __future__ import annotations

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ZEROS = ("zero", "oh", "o")
ONES = DIGITS[1:]
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
GLYPHS = tuple("0123456789")
TO_99 = (*ONES, *TEENS, *TENS, *(f"{t} {o}" for t in TENS for o in ONES))
"""one … ninety nine"""
TO_31 = (*TO_99[:19], "twenty", *(f"twenty {o}" for o in ONES), "thirty", "thirty one")
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty first", "twenty second", "twenty third", "twenty fourth", "twenty fifth", "twenty sixth",
    "twenty seventh", "twenty eighth", "twenty ninth", "thirtieth", "thirty first",
)  # fmt: skip
ORDINAL_GLYPHS = tuple(
    f"{n}{'th' if 10 < n < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}" for n in range(1, 32)
)
DIGIT_GROUPS: dict[int, tuple[str, ...]] = {
    1: (*ZEROS, *ONES, *GLYPHS),
    2: (*TO_99[9:], *(f"double {d}" for d in (*DIGITS, "oh", "o"))),
    3: (*(f"triple {d}" for d in (*DIGITS, "oh")), *(f"{d} hundred" for d in ONES)),
    4: (*(f"{d} thousand" for d in ONES), *(f"{d} hundred" for d in TO_99[9:])),
}
"""Ways to say that many digits of a number."""
CHARACTERS = {"double": 1, "triple": 2, "hundred": 2, "thousand": 3}
"""Words of a dictated number that stand for more characters, or none, with the word beside them."""
TWO_DIGITS = frozenset(word for word in TO_99[9:] if " " not in word)
"""Single words for two digits."""
NUMERIC = frozenset(["oh", "o", "double", "triple", "hundred", "thousand", *DIGITS, *TO_99[9:]])
"""Words of numbers: a sentence that holds one may be a number misheard."""
COUNTING = frozenset(["oh", "hundred", "thousand", "double", "triple", *DIGITS, *TO_99])
"""Words of numbers that somebody says figure by figure."""
REPEATED = frozenset(["oh", "o", "no", "yes", *GLYPHS, *DIGITS])
"""Words that people do say often in a row ("zero zero zero")."""
