"""English abbreviations, acronyms and signs as words."""

from __future__ import annotations

import re

from voicebot.languages.en.numbers_to_words import acronym

_SHORT = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "dr": "Doctor", "prof": "Professor", "jr": "Junior",
    "sr": "Senior", "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "apt": "apartment", "dept": "department",
    "approx": "approximately", "vs": "versus", "etc": "et cetera", "inc": "Incorporated", "ltd": "Limited",
    "ext": "extension", "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday",
    "sat": "Saturday", "sun": "Sunday", "tues": "Tuesday", "thurs": "Thursday", "co": "Company", "corp": "Corporation",
    "bros": "Brothers", "bldg": "Building", "ste": "Suite", "hwy": "Highway", "ln": "Lane", "mt": "Mount",
    "ft": "Fort", "capt": "Captain", "lt": "Lieutenant", "col": "Colonel", "sgt": "Sergeant", "gen": "General",
    "gov": "Governor", "sen": "Senator", "rep": "Representative", "rev": "Reverend", "hon": "Honorable",
    "vol": "volume", "fig": "figure", "est": "established",
}  # fmt: skip
"""Only with a full stop after them."""
_ALSO_WORDS = frozenset({
    "mon", "wed", "sat", "sun", "fri", "sr", "inc", "ms", "co", "col", "gen", "rep", "rev", "hon", "fig", "sen",
})  # fmt: skip
"""Those that are words or parts of one: only with a capital."""
_WORDS = frozenset(
    {"PIN", "SIM", "NASA", "COVID", "OK", "RAM", "SWAT", "AWOL", "ZIP", "CAPTCHA", "LAN", "VAT", "GIF", "YES", "NO"}
)
"""Capitals that are said as words."""
_SIGNS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "#": "pound", "*": "star", "°": "degrees"}


_STREET = r"[A-Z][\w'-]*[a-z]|[\w-]+(?:first|second|third|th)"
"""The name of a street: "Main", "forty-second"; what follows another word is a saint's."""


def abbreviations(text: str) -> str:
    """Write out abbreviations, spell acronyms, name signs. `text` holds no digits any more."""
    text = re.sub(r"\be\.\s?g\.,?", "for example,", text, flags=re.I)
    text = re.sub(r"\bi\.\s?e\.,?", "that is,", text, flags=re.I)
    text = re.sub(r"\b([A-Za-z]{2,6})\.(?=(\s+[a-z])|)", _short, text)
    text = re.sub(rf"(?<!\w)({_STREET}) St\.", r"\1 Street", text)
    text = re.sub(r"\bSt\.(?= [A-Z])", "Saint", text)
    text = re.sub(r"\bw/o\b", "without", text)
    text = re.sub(r"(?<=\w)\s?/\s?(?=\w)", " or ", text).replace("/", " ")
    text = re.sub(r"\s+[–—-]+\s+|[–—]", ", ", text)
    if any(c.islower() for c in text) or not re.search("[A-Z]{6}", text):  # otherwise all of it is shouted
        text = re.sub(r"(?<![\w.'])[A-Z]{2,5}(?=s?(?![\w.']))", _acronym, text)
    return re.sub(r"[&+=@%#*°]", lambda m: f" {_SIGNS[m[0]]} ", text)


def _short(m: re.Match[str]) -> str:
    word = _SHORT.get(m[1].lower())
    if word is None or (m[1].islower() and m[1] in _ALSO_WORDS):
        return m[0]
    return word if m.end() < len(m.string) else word + "."  # it ended the sentence, too


def _acronym(m: re.Match[str]) -> str:
    return m[0] if m[0] in _WORDS else acronym(m[0])
