"""How days and times of day are said, as parts of word graphs."""

from __future__ import annotations

from voicebot.asr.word_graph import WordGraph
from voicebot.languages.en import grammar_words as w


def date_in(graph: WordGraph, begin: int) -> int:
    """A day, from node `begin`. Returns the node after it."""
    end = graph.words(begin, w.RELATIVE_DAYS)
    named = graph.words(graph.maybe(begin, ("this", "next", "this coming", "coming")), w.WEEKDAYS)
    graph.skip(named, end)
    graph.words(
        graph.words(graph.words(begin, ("in",)), (*w.TO_31, *w.GLYPHS, "a")), ("days", "day", "weeks", "week"), end
    )
    graph.words(named, ("next week",), end)
    graph.words(graph.words(begin, ("next week", "a week from", "a week on")), w.WEEKDAYS, end)
    after = graph.maybe(named, ("the", "on the"))
    day_words = (*w.ORDINALS, *w.ORDINAL_GLYPHS)
    ordinal = graph.words(graph.maybe(begin, ("the",)), day_words)
    graph.words(after, day_words, ordinal)
    cardinal = (*w.TO_31, *(str(n) for n in range(1, 32)))
    full = graph.node()
    for at in (begin, after):
        month = graph.maybe(graph.words(at, w.MONTHS), ("the",))
        graph.words(month, (*day_words, *cardinal), full)
    graph.skip(ordinal, end)
    graph.words(graph.maybe(ordinal, ("of",)), w.MONTHS, full)
    graph.words(graph.maybe(graph.words(begin, cardinal), ("of",)), w.MONTHS, full)
    graph.skip(full, end)
    _year_in(graph, full, end)
    return end


def _year_in(graph: WordGraph, begin: int, end: int) -> None:
    graph.words(begin, (str(year) for year in range(1900, 2100)), end)
    century = graph.words(begin, ("nineteen", "twenty"))
    graph.words(century, (*w.TO_99[9:], *(f"{z} {o}" for z in ("oh", "o") for o in w.ONES), "hundred"), end)
    graph.words(begin, ("two thousand",), end)
    graph.words(graph.maybe(graph.words(begin, ("two thousand",)), ("and",)), w.TO_99, end)


def time_in(graph: WordGraph, begin: int) -> int:
    """A time of day, from node `begin`. Returns the node after it."""
    end = graph.words(begin, ("noon", "midnight", "midday", "morning", "afternoon", "evening", "in the morning",
                              "in the afternoon", "in the evening", "the morning", "the afternoon"))  # fmt: skip
    hours = (*w.TO_99[:12], *(str(n) for n in range(1, 13)))
    said = graph.words(begin, hours)
    graph.words(begin, (f"{h}:{m:02d}" for h in range(24) for m in range(60)), said)
    minutes = (*w.TO_99[9:19], *(t for t in w.TO_99[19:] if not t.startswith(("sixty", "seventy", "eighty", "ninety"))))
    exact = graph.words(said, (*minutes, *(f"{z} {o}" for z in ("oh", "o") for o in w.ONES), "o'clock", "oh clock"))
    graph.skip(said, exact)
    past = graph.words(begin, ("half past", "quarter past", "a quarter past", "quarter to", "a quarter to", "half",
                               "ten past", "ten to", "five past", "five to", "twenty past", "twenty to"))  # fmt: skip
    graph.words(past, hours, exact)
    graph.skip(exact, end)
    graph.words(exact, ("am", "pm", "a.m.", "p.m.", "a m", "p m", "in the morning", "in the afternoon",
                        "in the evening", "at night", "o'clock"), end)  # fmt: skip
    graph.words(
        graph.words(begin, (*w.TEENS[3:], "twenty", "twenty one", "twenty two", "twenty three")),
        ("hundred", *minutes),
        end,
    )
    return end
