"""Written text to the words that are said: numbers, dates, money, codes, abbreviations.

Engines read such things each in its own way, or wrongly; after this they get plain words and punctuation only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date

from voicebot.languages.en.normalise import english

Rules = Callable[[str, date, bool], str]
"""Text, today, and whether the region writes dates month first, to words."""

LANGUAGES: dict[str, Rules] = {"en": english}
"""By primary language subtag (BCP 47). Another language is another entry here."""

LANGUAGE = "en-US"
"""Of dialogs."""

_TYPOGRAPHY = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "\u2011": "-", "\u2212": "-", "…": "."}
)
_UNSAID = re.compile(r"[*#=]{2,}|[\[\]{}<>|\\^~`\"]|_{2,}")


def speakable(text: str, today: date, language: str = LANGUAGE) -> str:
    """The words to say for `text`, in one line.

    Args:
        today: dates near it are said without their year.
        language: BCP 47 tag; a language without rules gets its text back, cleaned.
    """
    cleaned = unicodedata.normalize("NFC", text).translate(_TYPOGRAPHY)
    cleaned = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in cleaned)
    primary, _, region = language.partition("-")
    cleaned = _UNSAID.sub(" ", cleaned)
    rules = LANGUAGES.get(primary)
    spoken = rules(cleaned, today, region == "US") if rules is not None else cleaned
    spoken = re.sub(r"\s+([,.;:!?])", r"\1", spoken.replace("_", " "))
    spoken = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", " ".join(spoken.split()))
    return re.sub(r"\.{2,}", ".", spoken)
