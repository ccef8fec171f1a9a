"""Yes and no in their many forms."""

from __future__ import annotations

from voicebot.nlu.slots.tokens import FILLERS, Found

_YES = (
    "yes", "yeah", "yep", "yup", "ya", "yah", "yea", "aye", "sure", "ok", "okay", "correct", "right", "exactly",
    "absolutely",
    "definitely", "certainly", "affirmative", "indeed", "precisely", "perfect", "great", "fine", "please do",
    "of course", "go ahead",
    "that's right", "that's correct", "that's it", "that is right", "that is correct", "you got it", "sounds good",
    "sounds right",
    "sounds great", "that works", "works for me", "i guess so", "i think so", "i believe so", "i do", "it is",
    "that's fine",
    "that is fine", "that's good", "that's okay", "that's ok", "no problem", "uh huh", "mm hmm", "mhm", "all good",
    "do it", "let's do it",
    "yes please", "why not", "by all means", "alright", "all right", "good", "you bet", "spot on", "that's the one",
    "i would",
    "i'd love to", "true", "confirm", "confirmed", "book it", "that'll do", "that will do", "fair enough", "totally",
    "very good",
)  # fmt: skip
_NO = (
    "no", "nope", "nah", "no way", "never", "negative", "not really", "not right", "not correct", "that's not right",
    "that's not correct", "that is not right", "that is not correct", "that isn't right", "that isn't correct",
    "not quite",
    "not exactly", "wrong", "incorrect", "that's wrong", "that is wrong", "it isn't", "it's not", "it is not",
    "i don't think so", "not at all",
    "i do not", "i don't", "don't", "do not", "no thanks", "no thank you", "rather not", "not okay", "not fine",
    "no good", "false", "uh uh",
    "certainly not", "absolutely not", "definitely not", "of course not", "doesn't work", "does not work",
    "won't work", "can't make it",
    "not now", "not today", "no that's wrong", "not that", "no no", "that doesn't work",
    "not sure that's right", "please don't", "not good", "not yet", "i wouldn't", "i'd rather not",
    "not going to work", "can't do that",
    "cannot do that", "that's not it", "that is not it", "that's not the one",
)  # fmt: skip
_UNSURE = (
    "i don't know", "i do not know", "not sure", "no idea", "what do you mean", "don't understand",
    "do not understand", "i don't remember",
    "maybe", "perhaps", "right now", "pardon", "right away", "okay so", "i don't have", "all right so",
)  # fmt: skip
_FORMS: dict[tuple[str, ...], str] = {
    **{tuple(form.split()): "" for form in _UNSURE},
    **{tuple(form.split()): "yes" for form in _YES},
    **{tuple(form.split()): "no" for form in _NO},
}
FEW = 4
_LONGEST = max(len(form) for form in _FORMS)


def find_yesno(words: list[str]) -> list[Found]:
    """``yes`` or ``no``; what is said last counts, and "no no, that's fine" is a yes. Empty when it is neither."""
    said = _said(words)
    if not said or any(f.value == "" for f in said):
        return []
    last = said[-1]
    first = said[0]
    known = sum(f.end - f.start for f in said)
    sure = 0.95 if known >= 0.5 * len(words) or first.start == 0 else 0.7
    if last.value == first.value or len(words) <= 8:
        return [Found(last.value, sure, first.start, last.end)]
    return [Found(first.value, 0.7, first.start, first.end)]


def mostly(words: list[str]) -> bool:
    """Whether a turn is yes or no before all: most of its words, or the first of a few."""
    plain = [word for word in words if word not in FILLERS]
    said = _said(plain)
    return sum(f.end - f.start for f in said) * 2 >= len(plain) or (
        len(plain) <= FEW and bool(said) and not said[0].start
    )


def _said(words: list[str]) -> list[Found]:
    """The forms in a turn from left to right, the longest at each place."""
    out: list[Found] = []
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            form = tuple(words[at : at + length])
            if form in _FORMS:
                out.append(Found(_FORMS[form], 0.95, at, at + length))
                at += length
                break
        else:
            at += 1
    return out
