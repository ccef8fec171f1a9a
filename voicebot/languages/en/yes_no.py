"""Yes and no as callers say them, what comes after, and how a value that was read back is refused."""

from __future__ import annotations

YES = (
    "yes", "yeah", "yep", "yup", "ya", "sure", "correct", "right", "okay", "ok", "fine", "exactly", "absolutely",
    "definitely", "of course", "certainly", "sounds good", "sounds good to me", "that's right", "that's correct",
    "that is right", "that is correct", "that's fine", "that's fine with me", "that works", "that works for me",
    "go for it", "it is", "i do", "i am", "i would", "go ahead", "please do", "uh huh", "mm hmm", "mhm", "perfect",
    "great", "good",
)  # fmt: skip
NO = (
    "no", "nope", "nah", "no way", "not really", "wrong", "incorrect", "that's wrong", "that is wrong",
    "that's not right", "that's not correct", "that's incorrect", "it's not", "it is not", "it isn't", "i don't",
    "i do not", "don't", "never", "not yet", "uh uh", "negative", "not at all",
)  # fmt: skip
BEFORE = ("um", "uh", "er", "well", "oh", "hmm", "i think", "i guess", "i said")
"""Before yes or no."""
AFTER_YES = (
    "please", "thanks", "thank you", "it is", "i do", "i am", "i would", "that's right", "that's correct", "sir",
    "ma'am", "it's right", "correct", "right", "sure", "of course", "go ahead", "please go ahead", "go for it", "yes",
    "yeah", "that's fine", "that's fine with me", "that works", "that works for me", "sounds good",
)  # fmt: skip
AFTER_NO = (
    "thanks", "thank you", "it's not", "it isn't", "i don't", "that's wrong", "that's not right", "sir", "ma'am",
    "that's not correct", "that's incorrect", "no", "not really", "that's all", "that is all", "that was all",
    "that's everything", "that will be all", "that's it", "nothing else", "i'm fine", "i'm good", "wrong",
)  # fmt: skip
NOTHING_MORE = ("that's all", "that is all", "that's everything", "nothing else", "nothing", "goodbye", "bye")
"""Answers to "is there anything else?" without a no."""
FAREWELLS = ("goodbye", "bye")
REFUSALS = (
    "no", "nope", "nah", "no no", "no sorry", "sorry", "no wait", "wrong", "that's wrong", "no that's wrong",
    "that's not right", "no that's not right", "that's not correct", "no that's not correct", "not quite", "um no",
)  # fmt: skip
INSTEAD = ("i said", "i meant", "i mean", "it should be", "it must be", "make it", "make that", "not that", "rather")
"""What comes before the right value when a wrong one was read back: "no, I said four seven …"."""
