"""Sentences that show a recogniser how an answer of each kind sounds."""

from __future__ import annotations

STYLE = {
    "yesno": "Yes. No.",
    "digits": "four seven one one",
    "alnum": "B as in Bravo, four, K, seven",
    "date": "Tuesday, the fourth of March",
    "time": "half past ten in the morning",
    "datetime": "Tuesday the fourth at ten thirty in the morning",
    "amount": "forty two dollars and fifty cents",
}
"""By kind of answer (`Expect.kind`). Said before, as the model believes: it goes on in the same way."""
