"""Words after which a date, time or amount goes on, whole as it may be."""

from __future__ import annotations

import re

from voicebot.languages.en.days_and_times import MONTHS
from voicebot.languages.en.number_words import ONES, ORDINALS, TENS, TO_31, TO_99

MORE_FOLLOWS = frozenset([*TENS, *MONTHS, "hundred", "thousand", "and", "oh", "nineteen", "in", "of"])
DAYS = frozenset([*ORDINALS, *TO_31])
"""Of a month."""
YEAR_AT_END = re.compile(
    rf"(?<= )(?:(?:nineteen|twenty) (?:hundred|(?:oh|o) (?:{'|'.join(ONES)})|(?:{'|'.join(reversed(TO_99[9:]))}))"
    rf"|two thousand(?: and)?(?: (?:{'|'.join(reversed(TO_99))}))?)$"
)
