"""What stands around an answer and is cut off it: fillers, "my order number is", courtesies."""

from __future__ import annotations

FILLERS = (
    "um", "uh", "er", "well", "okay", "ok", "so", "yes", "yeah", "sure", "hi", "hello", "let me see", "hmm", "and",
)  # fmt: skip
"""Before an answer."""
POLITE = ("please", "thanks", "thank you", "sir", "ma'am")
"""After it."""
LEAD_INS = (
    "it's", "its", "it is", "that's", "that is", "this is", "that would be", "it would be", "i think it's",
    "i believe it's",
)  # fmt: skip
_THINGS = (
    "order number", "order", "number", "account number", "account", "confirmation number", "confirmation code",
    "reference number", "reference", "tracking number", "code", "pin", "id", "employee id", "employee number",
    "customer number", "ticket number", "phone number", "zip code", "card number", "booking number",
)  # fmt: skip
NUMBER_LEAD_INS = (
    *LEAD_INS,
    *(f"{the} {thing}{tail}" for the in ("my", "the") for thing in _THINGS for tail in (" is", "'s")),
    *(f"{thing} is" for thing in _THINGS),
)
REQUEST_LEAD_INS = (
    *LEAD_INS,
    "i'd like", "i would like", "i want", "i'll take", "can i have", "can we do", "how about", "let's do",
    "let's say", "maybe", "can you do", "could we do", "i need", "what about", "let's go with", "i'd prefer",
    "make it", "the",
)  # fmt: skip
"""Carrier phrases before an answer: grammars let them pass, and they are cut off the result."""
BEFORE_PHRASES = ("a", "an", "my", "with", "some", "for", "for a", "for an", "for the", "for some")
"""Before one of listed phrases."""
