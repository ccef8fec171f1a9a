"""How days and times of day are said, as parts of word graphs."""

from __future__ import annotations

from voicebot.asr.decoding_graph import WordGraph
from voicebot.languages.en import days_and_times as said
from voicebot.languages.en import number_words as numbers


def date_in(graph: WordGraph, begin: int) -> int:
    """A day, from node `begin`. Returns the node after it."""
    end = graph.words(begin, said.RELATIVE_DAYS)
    named = graph.words(graph.maybe(begin, said.NEXT), said.WEEKDAYS)
    graph.skip(named, end)
    graph.words(graph.words(graph.words(begin, ("in",)), (*numbers.TO_31, *numbers.GLYPHS, "a")), said.SPANS, end)
    graph.words(named, ("next week",), end)
    graph.words(graph.words(begin, said.WEEKS_ON), said.WEEKDAYS, end)
    after = graph.maybe(named, ("the", "on the"))
    day_words = (*numbers.ORDINALS, *numbers.ORDINAL_GLYPHS)
    ordinal = graph.words(graph.maybe(begin, ("the",)), day_words)
    graph.words(after, day_words, ordinal)
    cardinal = (*numbers.TO_31, *(str(n) for n in range(1, 32)))
    full = graph.node()
    for at in (begin, after):
        month = graph.maybe(graph.words(at, said.MONTHS), ("the",))
        graph.words(month, (*day_words, *cardinal), full)
    graph.skip(ordinal, end)
    graph.words(graph.maybe(ordinal, ("of",)), said.MONTHS, full)
    graph.words(graph.maybe(graph.words(begin, cardinal), ("of",)), said.MONTHS, full)
    graph.skip(full, end)
    _year_in(graph, full, end)
    return end


def _year_in(graph: WordGraph, begin: int, end: int) -> None:
    graph.words(begin, (str(year) for year in range(1900, 2100)), end)
    century = graph.words(begin, said.CENTURIES)
    graph.words(
        century, (*numbers.TO_99[9:], *(f"{z} {o}" for z in numbers.ZEROS[1:] for o in numbers.ONES), "hundred"), end
    )
    graph.words(begin, ("two thousand",), end)
    graph.words(graph.maybe(graph.words(begin, ("two thousand",)), ("and",)), numbers.TO_99, end)


def time_in(graph: WordGraph, begin: int) -> int:
    """A time of day, from node `begin`. Returns the node after it."""
    end = graph.words(begin, said.DAY_PARTS)
    hours = (*numbers.TO_99[:12], *(str(n) for n in range(1, 13)))
    hour = graph.words(begin, hours)
    graph.words(begin, (f"{h}:{m:02d}" for h in range(24) for m in range(60)), hour)
    minutes = (*numbers.TO_99[9:19], *(t for t in numbers.TO_99[19:] if not t.startswith(said.NO_MINUTES)))
    exact = graph.words(hour, (*minutes, *(f"{z} {o}" for z in numbers.ZEROS[1:] for o in numbers.ONES), *said.O_CLOCK))
    graph.skip(hour, exact)
    past = graph.words(begin, said.BEFORE_HOUR)
    graph.words(past, hours, exact)
    graph.skip(exact, end)
    graph.words(exact, said.AFTER_TIME, end)
    graph.words(
        graph.words(begin, (*numbers.TEENS[3:], *said.HOURS_FROM_20)),
        ("hundred", *minutes),
        end,
    )
    return end
