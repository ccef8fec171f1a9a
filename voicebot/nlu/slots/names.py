"""Names of people, choices from a list, e-mail addresses, phone numbers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import jellyfish
import phonenumbers
from rapidfuzz import fuzz

from voicebot.nlu.slots.digits import find_digits
from voicebot.nlu.slots.letters import letter
from voicebot.nlu.slots.tokens import ALIKE, FILLERS, ORDINALS, UNITS, Found

_LEADS = (
    "my name is", "my name's", "the name is", "the name's", "name is", "this is", "it's", "it is", "i'm", "i am",
    "first name is",
    "first name", "last name is", "last name", "surname is", "surname", "that's", "that is", "call me",
    "you can call me", "speaking is",
    "under", "it's under", "the name of", "full name is", "you're speaking with", "you are speaking with",
)  # fmt: skip
_LEAD_FORMS = sorted((tuple(lead.split()) for lead in _LEADS), key=len, reverse=True)
_AROUND = {
    "yes", "yeah", "hi", "hello", "hey", "doctor", "dr", "mr", "mrs", "ms", "miss", "mister", "professor", "calling",
    "speaking", "here",
    "please", "sure", "okay", "ok", "thanks", "thank", "you", "good", "morning", "afternoon", "evening", *FILLERS,
}  # fmt: skip
_STOP = {"with", "spelled", "spelt", "as", "from", "and", "calling", "that's", "the", "i", "a", "my"}
_NOT_A_NAME = {
    "what", "why", "who", "how", "when", "where", "want", "need", "can", "could", "would", "don't", "do", "not", "no",
    "know", "is", "are", "to",
    "help", "appointment", "order", "number", "have", "yes",
}  # fmt: skip
_DOMAINS = {
    ("g", "mail"): "gmail", ("hot", "mail"): "hotmail", ("out", "look"): "outlook", ("i", "cloud"): "icloud",
    ("ya", "who"): "yahoo",
}  # fmt: skip
_MARKS = {
    "dot": ".",
    "period": ".",
    "point": ".",
    "underscore": "_",
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "plus": "+",
}
_EMAIL = re.compile(r"[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}\Z")
_WRITTEN = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")
MAX_PLACES = 6
"""Of choices: nobody remembers which was the seventh."""
CLOSE = 78.0
"""Similarity, 0..100, from which a word is taken for a choice that sounds like it."""


def find_names(words: list[str]) -> list[Found]:
    """A person's name in lower case. Spelled letters win over the word that they spell."""
    begin, end = _name_span(words)
    spelled = _spelled(words, begin)
    if spelled:
        return [spelled]
    name = [w for w in words[begin:end] if w not in _AROUND]
    if not name or len(name) > 4 or any(w in _NOT_A_NAME or w in UNITS or w[:1].isdigit() for w in name):
        return []
    return [Found(" ".join(name), 0.75 if begin or len(words) <= 3 else 0.5, begin, end)]


def _name_span(words: list[str]) -> tuple[int, int]:
    begin = 0
    for at in range(len(words)):
        for lead in _LEAD_FORMS:
            if tuple(words[at : at + len(lead)]) == lead:
                begin = max(begin, at + len(lead))
                break
    while begin < len(words) and words[begin] in _AROUND:
        begin += 1
    end = begin
    while end < len(words) and words[end] not in _STOP and not (words[end] in _AROUND and end > begin):
        end += 1
    return begin, end


def _spelled(words: list[str], begin: int) -> Found | None:
    best: Found | None = None
    for start in range(begin, len(words)):
        at, text = start, ""
        while at < len(words):
            one = letter(words, at) if len(words[at]) == 1 or at > start else None
            if one is None or (words[at] in ("the", "you", "are", "why", "be", "okay") and not text):
                break
            text, at = text + one[0], one[1]
        if len(text) >= 3 and (best is None or len(text) > len(best.value)):
            best = Found(text, 0.85, start, at)
    return best


@lru_cache(64)
def listed(names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Name → the ways to say it: whole, and its first or last part alone where no other name has that."""
    plain = {name: _plain(name) for name in names}
    owners = Counter(part for form in plain.values() for part in {*form.split()})
    return {
        name: tuple(dict.fromkeys((form, *(p for p in (form.split()[-1:] + form.split()[:1]) if owners[p] == 1))))
        for name, form in plain.items()
    }


def _plain(name: str) -> str:
    """Without accents, in lower case, as recognition writes it."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[a-z0-9']+", bare))


def find_listed(words: list[str], names: Mapping[str, Sequence[str]], *, asked: bool = True) -> list[Found]:
    """Names of a list, by their words or, where they were asked for, by their sound; none when two sound as near."""
    said = [(name, tuple(form.split())) for name, forms in names.items() for form in forms if form]
    exact = [Found(name, 0.95, at, at + len(form)) for name, form in said for at in _places(words, form)]
    exact.sort(key=lambda f: (f.start - f.end, f.start))
    if exact or not asked:
        return list({f.value: f for f in reversed(exact)}.values())[::-1]
    begin, end = _name_span(words)
    alike = _by_sound(words[begin:end], said) if begin < end else []
    return [replace(found, start=0, end=len(words)) for found in alike]  # "my name is" belongs to it


def find_choices(words: list[str], choices: Mapping[str, Sequence[str]], *, asked: bool = True) -> list[Found]:
    """Keys of the choices that were meant, the likeliest first.

    Args:
        choices: key → the ways to say it.
        asked: whether the choice was asked for; "the second one" and words that only sound alike count only then.
    """
    said = [(key, tuple(re.findall(r"[a-z0-9']+", form.lower()))) for key, forms in choices.items() for form in forms]
    exact = [Found(key, 0.95, at, at + len(form)) for key, form in said for at in _places(words, form)]
    exact.sort(key=lambda f: (f.end - f.start, f.start), reverse=True)
    if exact or not asked:
        return list({f.value: f for f in reversed(exact)}.values())[::-1]
    return _by_place(words, list(choices)) or _by_sound(words, said)


def _places(words: list[str], form: tuple[str, ...]) -> list[int]:
    return [at for at in range(len(words) - len(form) + 1) if form and tuple(words[at : at + len(form)]) == form]


def places(count: int) -> tuple[str, ...]:
    """How one of so many choices is named by its place, for recognition; see `find_choices`."""
    ordinals, numbers = (sorted(table, key=lambda word: table[word]) for table in (ORDINALS, UNITS))
    forms = [
        form
        for at in range(min(count, MAX_PLACES))
        for form in (f"the {ordinals[at]} one", f"the {ordinals[at]}", f"number {numbers[at + 1]}",
                     f"option {numbers[at + 1]}")
    ]  # fmt: skip
    return (*forms, "the last one") if count > 1 else ()


def _by_place(words: list[str], keys: list[str]) -> list[Found]:
    """``the second one``, ``last one``, ``number three``, ``two``."""
    bare = [w for w in words if w not in {"the", "one", "option", "number", "choice", "please", "a", *FILLERS}]
    if words in (["one"], ["number", "one"], ["option", "one"]):
        bare = ["one"]
    if len(bare) != 1:
        return []
    place = (
        ORDINALS.get(bare[0]) or UNITS.get(bare[0]) or (int(bare[0]) if bare[0].isdigit() and len(bare[0]) < 3 else 0)
    )
    if bare[0] in ("last", "latter"):
        place = len(keys)
    if bare[0] in ("former",):
        place = 1
    return [Found(keys[place - 1], 0.85, 0, len(words))] if 1 <= place <= len(keys) else []


def _by_sound(words: list[str], said: list[tuple[str, tuple[str, ...]]]) -> list[Found]:
    scores: dict[str, tuple[float, int, int]] = {}
    generic = _shared(said)
    for key, form in said:
        core = [w for w in form if w not in generic] or list(form)
        for width in {len(core), max(1, len(core) - 1), len(core) + 1}:
            for at in range(max(1, len(words) - width + 1)):
                heard = " ".join(w for w in words[at : at + width] if w not in generic)
                if len(heard) >= 3:
                    place = (_alike(heard, " ".join(core)), at, min(at + width, len(words)))
                    scores[key] = max(scores.get(key, place), place, key=lambda scored: scored[0])
    ranked = sorted(scores.items(), key=lambda item: -item[1][0])
    good = [(key, *place) for key, place in ranked if place[0] >= CLOSE]
    if len(good) > 1 and good[0][1] - good[1][1] < 3:
        return []
    return [Found(key, score / 130, start, end) for key, score, start, end in good[:1]]


def _shared(said: list[tuple[str, tuple[str, ...]]]) -> set[str]:
    """Words that several choices have in common, such as ``doctor``, which tell nothing."""
    owners: dict[str, set[str]] = {}
    for key, form in said:
        for word in form:
            owners.setdefault(word, set()).add(key)
    return {word for word, keys in owners.items() if len(keys) > 1} | {"doctor", "dr", "the", "a", "please"}


def _alike(heard: str, form: str) -> float:
    """Similarity of spelling and of sound, 0..100."""
    spelling = fuzz.ratio(heard, form)
    one, two = jellyfish.metaphone(heard), jellyfish.metaphone(form)
    if not one or not two:
        return spelling
    sound = fuzz.ratio(one, two) if min(len(one), len(two)) > 1 else 0.0
    return max(spelling, 0.35 * spelling + 0.65 * sound if spelling >= 40 else 0.0)


def find_emails(text: str, words: list[str]) -> list[Found]:
    """E-mail addresses, written or spoken (``john dot smith at gmail dot com``), in lower case."""
    written = _WRITTEN.search(text)
    if written:
        return [Found(written.group(0).lower(), 0.95, 0, len(words))]
    ats = [i for i, w in enumerate(words) if w in ("at", "@")]
    for at in reversed(ats):
        host, end = _host(words, at + 1)
        local, begin = _local(words, at)
        address = f"{local}@{host}"
        if _EMAIL.match(address):
            return [Found(address, 0.7, begin, end)]
    return []


def _host(words: list[str], at: int) -> tuple[str, int]:
    out = ""
    while at < len(words):
        pair = tuple(words[at : at + 2])
        if pair in _DOMAINS:
            out, at = out + _DOMAINS[(pair[0], pair[1])], at + 2
            continue
        out, at = out + _MARKS.get(words[at], words[at] if words[at].isalnum() else ""), at + 1
        if re.search(r"\.(com|org|net|edu|gov|io|de|us|info|biz|co\.uk|eu|fr|ca|au)\Z", out) and words[at : at + 1] != [
            "dot"
        ]:
            break
    return out, at


def _local(words: list[str], at: int) -> tuple[str, int]:
    said = words[:at]
    for phrase in ("all one word", "one word", "all lowercase", "all lower case", "in one word"):
        form = phrase.split()
        for i in range(len(said) - len(form) + 1):
            if said[i : i + len(form)] == form:
                said[i : i + len(form)] = [""] * len(form)
    begin = 0
    for i, word in enumerate(said):
        if word in ("is", "it's", "initial", "email", "address", "that's", "to"):
            begin = i + 1
    out = ""
    for word in said[begin:]:
        if word in ("then", "and", "the", "letter", "uh", "um", "yes", "sure", "my"):
            continue
        if word in _MARKS:
            out += _MARKS[word]
        elif word in UNITS:
            out += str(UNITS[word])
        elif word.isalnum():
            out += ALIKE.get(word, word) if word in ("oh",) else word
    return out, begin


def find_phones(words: list[str], region: str) -> list[Found]:
    """Phone numbers in E.164, valid or at least possible ones of `region` or with their country code."""
    abroad = "+" in words or "plus" in words
    bare = [w for w in words if w not in ("+", "area", "code", "plus")]
    good: list[Found] = []
    fair: list[Found] = []
    for found in find_digits(bare, lambda text: 7 <= len(text) <= 15):
        try:
            number = phonenumbers.parse(f"+{found.value}" if abroad else found.value, None if abroad else region)
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_possible_number(number):
            continue
        shown = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        valid = phonenumbers.is_valid_number(number)
        (good if valid else fair).append(Found(shown, found.confidence * (1.0 if valid else 0.7), 0, len(words)))
    return good + fair
