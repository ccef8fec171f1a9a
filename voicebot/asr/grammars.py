"""The grammar for each kind of answer that a dialog can wait for.

Each lets people speak naturally: fillers and carrier phrases before the answer ("um, my order number is …") and a
courtesy after it are in the grammar and cut off the result.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voicebot.asr.date_time_grammar import date_in, time_in
from voicebot.asr.decoding_graph import WRITTEN, Grammar, TokenTrie, WordGraph
from voicebot.languages.en import (
    carrier_phrases,
    days_and_times,
    money,
    number_words,
    recognised_figures,
    spelled_letters,
    yes_no,
)
from voicebot.messages import Expect

MAX_CHARACTERS = 20
"""Of a number or code whose length the flow does not give."""
MAX_PHRASES = 2000
"""More phrases than this are ignored: masks for larger lists cost more than they bring."""
LEAD_IN_PRICE, FILLER_PRICE, GROUP_PRICE = 1.5, 1.0, 1.5
"""Nats off readings with a carrier phrase, a filler, or "eighty" and "double" where digits are usually dictated one by
one: without them "it's" takes the place of "eight"."""
DEFAULT_MAX_GAP = 6.0
_MAX_GAP = {"digits": 8.0, "alnum": 8.0, "yesno": 3.0, "phrases": 4.0, "name": 4.0}
"""Measured: unrelated sentences start at 13 inside numbers and dates, at 3.5 inside yes and no."""
_CACHED = 256
_AMOUNT_LEAD_INS = (*carrier_phrases.NUMBER_LEAD_INS, *carrier_phrases.REQUEST_LEAD_INS)


def _any(phrases: Iterable[str]) -> str:
    """A regular expression for any of these, whatever stands between their words."""
    return "|".join(re.escape(p).replace(r"\ ", r"\W+") for p in sorted(phrases, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class CompiledGrammar:
    """A grammar and how to take the answer out of one of its sentences."""

    grammar: Grammar
    content: Callable[[str], str]
    """Sentence → answer: carrier phrases cut off, lower case, digits and letters of codes as single words."""
    max_gap: float
    """In-grammar results further than this below the free one (in nats) are rejected: something else was said."""
    gap_of: Callable[[str], float] | None = None
    """Sentence → its `max_gap`, where the grammar holds answers of several kinds."""


class GrammarCache:
    """Compiles the grammar of an `Expect` once. Used by several threads."""

    def __init__(self, trie: TokenTrie) -> None:
        self._trie = trie
        self._kept: OrderedDict[tuple[object, ...], CompiledGrammar | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, expect: Expect) -> CompiledGrammar | None:
        """The grammar for `expect`; None where anything may be said."""
        key = (expect.kind, expect.lengths, expect.patterns, expect.phrases, _also(expect))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._compile(expect)
                if len(self._kept) > _CACHED:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _compile(self, expect: Expect) -> CompiledGrammar | None:
        built = _BUILD[expect.kind](expect) if expect.kind in _BUILD else None
        if built is None:
            return None
        graph, content = built
        if expect.also:
            return self._with_others(expect, graph, content)
        return CompiledGrammar(Grammar(graph, self._trie), content, _gap(expect))

    def _with_others(self, expect: Expect, graph: WordGraph, content: Callable[[str], str]) -> CompiledGrammar:
        """A grammar that also takes what `Expect.also` names, after a "no" or alone.

        The answer is then "no" (where it was said) and the answer inside that other grammar.
        """
        plain, others = Grammar(graph, self._trie), []
        whole = WordGraph()
        whole.add(graph, 0)
        begin = whole.maybe(whole.maybe(0, yes_no.REFUSALS), yes_no.INSTEAD)
        for other in expect.also:
            built = _BUILD[other.kind](other) if other.kind in _BUILD else None
            if built is not None:
                whole.add(built[0], begin)
                others.append((Grammar(built[0], self._trie), built[1], _gap(other)))

        def read(text: str) -> tuple[str, float]:
            if plain.accepts(text) or not others:
                return content(text), _gap(expect)
            refused = _REFUSAL.match(text)
            rest = text if refused is None else text[refused.end() :]
            _, answer, gap = next((o for o in others if o[0].accepts(rest)), others[0])
            return f"no {answer(rest)}" if refused else answer(rest), gap

        return CompiledGrammar(
            Grammar(whole, self._trie), lambda text: read(text)[0], _gap(expect), lambda text: read(text)[1]
        )


_Built = tuple[WordGraph, Callable[[str], str]]
_REFUSAL = re.compile(
    rf"^\W*(?:(?:{_any(yes_no.REFUSALS)})\b\W*)(?:(?:{_any(yes_no.INSTEAD)})\b\W*)?(?=\w)|^\W*(?:{_any(yes_no.INSTEAD)})\b\W*(?=\w)",
    re.IGNORECASE,
)


def _gap(expect: Expect) -> float:
    return _MAX_GAP.get(expect.kind, DEFAULT_MAX_GAP)


def _also(expect: Expect) -> tuple[object, ...]:
    return tuple((other.kind, other.lengths, other.patterns, other.phrases) for other in expect.also)


def _open(graph: WordGraph, lead_ins: Iterable[str]) -> int:
    """Fillers and a carrier phrase at the beginning; returns the node where the answer begins."""
    return graph.maybe(graph.maybe(0, carrier_phrases.FILLERS, FILLER_PRICE), lead_ins, LEAD_IN_PRICE)


def _close(graph: WordGraph, end: int) -> None:
    """The answer may end at `end`, with a courtesy after it or without."""
    graph.finals.add(graph.maybe(end, carrier_phrases.POLITE))


def _number(expect: Expect, letters: Callable[[WordGraph, int, int], None] | None) -> WordGraph:
    """Nodes count the characters said so far; `letters` adds the ways to say one that is no digit."""
    allowed = sorted({n for n in expect.lengths if 0 < n <= MAX_CHARACTERS})
    top = allowed[-1] if allowed else MAX_CHARACTERS
    graph = WordGraph()
    graph.figures = dict(zip(number_words.GLYPHS, number_words.DIGITS, strict=True))
    begin = _open(graph, carrier_phrases.NUMBER_LEAD_INS)
    graph.partials.add(begin)
    if expect.patterns:
        for pattern in expect.patterns:
            _shaped(graph, begin, pattern[:MAX_CHARACTERS])
        return graph
    nodes = [begin, *(graph.node() for _ in range(top))]
    for count in range(top):
        if letters is not None:
            letters(graph, nodes[count], nodes[count + 1])
        for more, said in number_words.DIGIT_GROUPS.items():
            if count + more <= top:
                graph.words(nodes[count], said, nodes[count + more], GROUP_PRICE if more > 1 else 0.0)
    for count in range(1, top + 1):
        if count in allowed or not allowed:
            _close(graph, nodes[count])
        else:
            graph.partials.add(nodes[count])
    return graph


def _shaped(graph: WordGraph, begin: int, pattern: str) -> None:
    """A number or code of the shape that `Expect.patterns` describes."""
    nodes = [begin, *(graph.node() for _ in pattern)]
    for at, shape in enumerate(pattern):
        if shape in "A*":
            _letters(graph, nodes[at], nodes[at + 1])
        elif shape.isalpha():
            _letters(graph, nodes[at], nodes[at + 1], shape)
        elif shape != "9":
            digit = number_words.DIGITS[int(shape)]
            graph.words(nodes[at], (shape, digit, *(("oh", "o") if shape == "0" else ())), nodes[at + 1])
        for more, said in number_words.DIGIT_GROUPS.items():
            if set(pattern[at : at + more]) <= {"9", "*"} and at + more <= len(pattern):
                graph.words(nodes[at], said, nodes[at + more], GROUP_PRICE if more > 1 else 0.0)
    graph.partials.update(nodes[1:-1])
    _close(graph, nodes[-1])


def _digits(expect: Expect) -> _Built:
    return _number(expect, None), _spell_digits


def _alnum(expect: Expect) -> _Built:
    return _number(expect, _letters), _spell_code


def _letters(graph: WordGraph, begin: int, end: int, only: str = "") -> None:
    """One letter (any, or `only` this one), plain or explained ("b as in boy")."""
    names = (*spelled_letters.LETTERS, *_SOUNDS, "oh")
    said = graph.words(begin, (n for n in names if not only or _SOUNDS.get(n, n[0]) == only))
    link = graph.words(said, spelled_letters.AS_IN)
    examples = (*spelled_letters.NATO, *spelled_letters.NATO_SPELLINGS, *spelled_letters.EXAMPLES)
    graph.words(link, (n for n in examples if not only or n[0] == only), end)
    graph.skip(said, end)


def _yesno(expect: Expect) -> _Built:
    graph = WordGraph()
    begin = graph.maybe(0, yes_no.BEFORE)
    for first, then in ((yes_no.YES, yes_no.AFTER_YES), ((*yes_no.NO, *yes_no.NOTHING_MORE), yes_no.AFTER_NO)):
        end = graph.maybe(graph.words(begin, first), then)
        graph.finals.add(graph.maybe(end, (*carrier_phrases.POLITE, *yes_no.FAREWELLS)))
    return graph, _plain


def _date(expect: Expect) -> _Built:
    graph = WordGraph()
    _close(graph, date_in(graph, graph.maybe(_open(graph, carrier_phrases.REQUEST_LEAD_INS), days_and_times.ON_DAY)))
    return graph, _in_words(recognised_figures.day_and_time, carrier_phrases.REQUEST_LEAD_INS, days_and_times.ON_DAY)


def _time(expect: Expect) -> _Built:
    graph = WordGraph()
    _close(graph, time_in(graph, graph.maybe(_open(graph, carrier_phrases.REQUEST_LEAD_INS), days_and_times.AT_TIME)))
    return graph, _in_words(recognised_figures.day_and_time, carrier_phrases.REQUEST_LEAD_INS, days_and_times.AT_TIME)


def _datetime(expect: Expect) -> _Built:
    graph = WordGraph()
    begin = graph.maybe(_open(graph, carrier_phrases.REQUEST_LEAD_INS), days_and_times.ON_OR_AT)
    day = date_in(graph, begin)
    _close(graph, day)
    _close(graph, time_in(graph, graph.maybe(day, ("at", "around", "about", "in the"))))
    hour = time_in(graph, begin)
    _close(graph, hour)
    _close(graph, date_in(graph, graph.maybe(hour, ("on", "for"))))
    return graph, _in_words(recognised_figures.day_and_time, carrier_phrases.REQUEST_LEAD_INS, days_and_times.ON_OR_AT)


def _amount(expect: Expect) -> _Built:
    graph = WordGraph()
    begin = _open(graph, (*_AMOUNT_LEAD_INS, *money.ROUGHLY))
    number, whole = graph.node(), graph.node()
    _hundreds_in(graph, begin, number)
    thousands = graph.node()
    _hundreds_in(graph, begin, thousands)
    after = graph.maybe(graph.words(thousands, ("thousand",)), ("and",))
    graph.skip(after, number)
    _hundreds_in(graph, after, number)
    graph.words(begin, money.ROUND, number)
    glyphs = graph.words(begin, ("$",))
    graph.skip(begin, glyphs)
    written = graph.words(glyphs, number_words.GLYPHS)
    graph.words(written, number_words.GLYPHS, written)
    graph.skip(written, number)
    graph.words(number, number_words.TO_99, whole)  # "forty nine ninety nine"
    graph.skip(number, whole)
    paid = graph.words(whole, money.CURRENCIES)
    cents = graph.words(
        graph.maybe(paid, ("and",)), (*number_words.TO_99, *number_words.GLYPHS, *(str(n) for n in range(10, 100)))
    )
    graph.words(cents, money.CENTS, paid)
    graph.skip(cents, paid)
    graph.skip(whole, paid)
    _close(graph, paid)
    return graph, _in_words(recognised_figures.money, _AMOUNT_LEAD_INS, money.ROUGHLY)


def _hundreds_in(graph: WordGraph, begin: int, end: int) -> None:
    """One to nine hundred ninety nine, and "fifteen hundred"."""
    graph.words(begin, (number_words.DIGITS[0], *number_words.TO_99), end)
    hundreds = graph.words(graph.words(begin, (*number_words.TO_99, "a")), ("hundred",))
    graph.skip(hundreds, end)
    graph.words(graph.maybe(hundreds, ("and",)), number_words.TO_99, end)


def _phrases(expect: Expect) -> _Built | None:
    writable = {p for p in (_writable(p) for p in expect.phrases[:MAX_PHRASES]) if p}
    if not writable:
        return None
    graph = WordGraph()
    begin = graph.maybe(_open(graph, carrier_phrases.REQUEST_LEAD_INS), carrier_phrases.BEFORE_PHRASES)
    _close(graph, graph.words(begin, sorted(writable)))
    head = _without(carrier_phrases.REQUEST_LEAD_INS)
    cut = _without(carrier_phrases.REQUEST_LEAD_INS, sorted(carrier_phrases.BEFORE_PHRASES, key=len, reverse=True))

    def content(text: str) -> str:
        return next((said for said in (_writable(text), head(text)) if said in writable), "") or cut(text)

    return graph, content


_BUILD: dict[str, Callable[[Expect], _Built | None]] = {
    "digits": _digits,
    "alnum": _alnum,
    "yesno": _yesno,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "amount": _amount,
    "phrases": _phrases,
    "name": _phrases,
}


def _writable(text: str) -> str:
    """Lower case, single spaces, only characters that grammars can hold, nothing at the ends but words."""
    kept = "".join(c if c in WRITTEN else " " for c in text.lower().replace("’", "'"))
    return " ".join(kept.replace(",", " ").split()).strip(" ,.-!?'")


def _plain(text: str) -> str:
    return re.sub(r"[,!?]|\.(?=\s|$)|(?<=\w)-(?=\w)", " ", text.lower()).strip().replace("  ", " ")


def _without(lead_ins: Iterable[str], links: Iterable[str] = ()) -> Callable[[str], str]:
    """Cuts fillers, a carrier phrase, a link word and courtesies off a sentence."""
    choice = "|".join(re.escape(p) for p in sorted(lead_ins, key=len, reverse=True))
    fillers = "|".join(map(re.escape, carrier_phrases.FILLERS))
    polite = "|".join(map(re.escape, carrier_phrases.POLITE))
    link = "|".join(map(re.escape, links)) or "(?!)"
    head = re.compile(rf"^(?:(?:{fillers})\s+)?(?:(?:{choice})\s+)?(?:(?:{link})\s+)?(?=\S)")
    tail = re.compile(rf"(?<=\S)\s+(?:{polite})$")

    def cut(text: str) -> str:
        plain = " ".join(_plain(text).split())
        return tail.sub("", head.sub("", plain))

    return cut


def _in_words(
    convert: Callable[[str], str], lead_ins: Iterable[str], links: Iterable[str] = ()
) -> Callable[[str], str]:
    cut = _without(lead_ins, links)
    return lambda text: convert(cut(text))


_cut_number = _without(carrier_phrases.NUMBER_LEAD_INS)


def _spell_digits(text: str) -> str:
    """`four seven 1 1` → `four seven one one`."""
    spaced = re.sub(r"\d", lambda m: f" {number_words.DIGITS[int(m[0])]} ", _cut_number(text.replace(".", " ")))
    return " ".join(spaced.split())


_SOUNDS = {**spelled_letters.LETTER_SOUNDS, **spelled_letters.NATO_SPELLINGS, **{n: n[0] for n in spelled_letters.NATO}}
_SOUND = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _SOUNDS), key=len, reverse=True)) + r")\b")
_EXAMPLE = re.compile(rf"\b([a-z]) (?:{'|'.join(spelled_letters.AS_IN)}) \w+")


def _spell_code(text: str) -> str:
    """`B as in boy, four K` → `b four k`: letters as single letters, digits as words."""
    letters = _SOUND.sub(lambda m: _SOUNDS[m[1]], _spell_digits(text))
    return " ".join(_EXAMPLE.sub(r"\1", letters).split())


__all__ = ["MAX_CHARACTERS", "CompiledGrammar", "GrammarCache"]
