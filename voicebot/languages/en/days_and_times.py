"""How days and times of day are said: names, and the small words around them."""

from __future__ import annotations

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
RELATIVE_DAYS = (
    "today", "tomorrow", "yesterday", "the day after tomorrow", "day after tomorrow", "tonight", "next week",
)  # fmt: skip
NEXT = ("this", "next", "this coming", "coming")
"""Before a weekday."""
WEEKS_ON = ("next week", "a week from", "a week on")
"""Before a weekday, too."""
SPANS = ("days", "day", "weeks", "week")
"""After "in three"."""
CENTURIES = ("nineteen", "twenty")
DAY_PARTS = (
    "noon", "midnight", "midday", "morning", "afternoon", "evening", "in the morning", "in the afternoon",
    "in the evening", "the morning", "the afternoon",
)  # fmt: skip
"""Said instead of an hour."""
BEFORE_HOUR = (
    "half past", "quarter past", "a quarter past", "quarter to", "a quarter to", "half", "ten past", "ten to",
    "five past", "five to", "twenty past", "twenty to",
)  # fmt: skip
O_CLOCK = ("o'clock", "oh clock")
AFTER_TIME = (
    "am", "pm", "a.m.", "p.m.", "a m", "p m", "in the morning", "in the afternoon", "in the evening", "at night",
    "o'clock",
)  # fmt: skip
NO_MINUTES = ("sixty", "seventy", "eighty", "ninety")
HOURS_FROM_20 = ("twenty", "twenty one", "twenty two", "twenty three")
ON_DAY = ("on", "for", "by")
AT_TIME = ("at", "around", "about")
ON_OR_AT = ("on", "for", "at", "around")
"""Link words before the answer itself."""
TIME_ENDS = frozenset(
    ["am", "pm", "a.m", "p.m", "m", "morning", "afternoon", "evening", "night", "o'clock", "noon", "midnight", "midday"]
)
"""Words that a time of day ends in when it is whole."""
