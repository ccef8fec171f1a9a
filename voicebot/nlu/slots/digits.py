"""Digits as callers say them: one by one, doubled, in pairs, as numbers, with a second try in the same breath."""

from __future__ import annotations

from collections.abc import Callable

from voicebot.nlu.slots.corrections import after_correction
from voicebot.nlu.slots.tokens import ALIKE, FILLERS, SURE_ALIKE, TEENS, TENS, UNITS, Found

MAX_DIGITS = 24
MAX_READINGS = 24
_TIMES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_JOINERS = {"and", "then", "dash", "hyphen", "space", "dot", "point", "slash", *FILLERS}
Valid = Callable[[str], bool]


def find_digits(words: list[str], valid: Valid, *, asked: bool = True) -> list[Found]:
    """Digit strings in a turn, the likeliest first.

    Args:
        words: tokens of the turn.
        valid: whether a string is allowed in this slot; only such ones come back.
        asked: whether digits were asked for; words such as "to" and "for" are digits only then.
    """
    found: list[Found] = []
    cut = after_correction(words)
    if cut:
        tail = [f for run in _runs(words, cut, asked) for f in _read_run(words, run)]
        found += [f for f in tail if valid(f.value)]
        head = [f for run in _runs(words[:cut], 0, asked) for f in _read_run(words[:cut], run)]
        found += [_mended(before, after) for before in head for after in tail if valid(_mended(before, after).value)]
    runs = _runs(words, 0, asked)
    readings = [_read_run(words, run) for run in runs]
    whole = [f for run in sorted(readings, key=lambda r: -len(r[0].value) if r else 0) for f in run]
    found += [f for f in whole if valid(f.value)]
    if len(runs) > 1 and all(readings):
        joined = "".join(r[0].value for r in readings)
        if len(joined) <= MAX_DIGITS and valid(joined):
            found.append(Found(joined, 0.6, runs[0][0], runs[-1][1]))
    return _distinct(found)


def _mended(before: Found, after: Found) -> Found:
    """``four seven one one oh three, no, two``: the end of the first is replaced by the second."""
    keep = before.value[: max(0, len(before.value) - len(after.value))]
    return Found(keep + after.value, 0.7, before.start, after.end)


def _distinct(found: list[Found]) -> list[Found]:
    seen: dict[str, Found] = {}
    for item in found:
        seen.setdefault(item.value, item)
    return list(seen.values())


def _is_numeral(word: str) -> bool:
    bare = word.lstrip("$").replace(",", "").replace(".", "").replace("-", "").replace("/", "").replace(":", "")
    return bare.isdigit()


def _is_digit_word(word: str) -> bool:
    return word in UNITS or word in TEENS or word in TENS or _is_numeral(word)


def _runs(words: list[str], begin: int, asked: bool) -> list[tuple[int, int]]:
    """Stretches of words that may be digits, without look-alikes and joiners at their edges that stand alone."""
    runs: list[tuple[int, int]] = []
    at = begin
    while at < len(words):
        if not _part(words, at, asked):
            at += 1
            continue
        end = at
        while end < len(words) and (_part(words, end, asked) or (words[end] in _JOINERS and _more(words, end, asked))):
            end += 1
        stretch = words[at:end]
        real = any(_is_digit_word(w) for w in stretch) or (asked and (end - at >= 2 or len(words) <= 2))
        if real:
            runs.append((at, end))
        at = end
    return runs


def _part(words: list[str], at: int, asked: bool) -> bool:
    word = words[at]
    if _is_digit_word(word) or word in ("hundred", "thousand") or word in _TIMES:
        return True
    if word == "a" and at + 1 < len(words) and words[at + 1] in ("hundred", "thousand"):
        return True
    return word in SURE_ALIKE or (asked and word in ALIKE)


def _more(words: list[str], at: int, asked: bool) -> bool:
    while at < len(words) and words[at] in _JOINERS:
        at += 1
    return at < len(words) and _part(words, at, asked)


def _read_run(words: list[str], run: tuple[int, int]) -> list[Found]:
    """Every reading of a stretch: whole, and with look-alikes at its edges taken as plain words."""
    begin, end = run
    edges = [(begin, end)]
    while begin < end and words[begin] in ALIKE and words[begin] not in SURE_ALIKE:
        begin += 1
        edges.append((begin, end))
    while end > begin and words[end - 1] in ALIKE and words[end - 1] not in SURE_ALIKE:
        end -= 1
        edges += [(run[0], end), (begin, end)]
    out: list[Found] = []
    for first, last in edges:
        if first < last:
            out += [
                Found(value, 0.95 - 0.1 * min(rank, 4), first, last)
                for rank, value in enumerate(
                    _readings([w for w in words[first:last] if w not in _JOINERS or w == "and"])
                )
                if value
            ]
    return out


def _readings(run: list[str]) -> list[str]:
    """All digit strings of a stretch, the plainest first."""
    done: list[str] = []
    open_: list[tuple[str, int]] = [("", 0)]
    while open_ and len(done) < MAX_READINGS:
        said, at = open_.pop(0)
        if at >= len(run):
            if said not in done:
                done.append(said)
            continue
        if len(said) > MAX_DIGITS:
            continue
        options = _options(run, at)
        open_[0:0] = [(said + text, end) for text, end in options][:4]
        del open_[200:]
    return done


def _options(run: list[str], at: int) -> list[tuple[str, int]]:
    """The ways to go on at a place: digits and the place after them, the likeliest first."""
    word = run[at]
    following = run[at + 1] if at + 1 < len(run) else ""
    if word in _TIMES and following:
        return [(text * _TIMES[word], end) for text, end in _options(run, at + 1) if len(text) == 1] or [("", at + 1)]
    if word in ("and", "hundred", "thousand", "a") or word in _TIMES:
        if word == "a" and following in ("hundred", "thousand"):
            return _scaled(run, at + 1, 1)
        return [("", at + 1)]
    options: list[tuple[str, int]] = []
    if word in TENS:
        unit = UNITS.get(following, 0)
        if unit:
            options += _scaled(run, at + 2, TENS[word] + unit)
            options.append((str(TENS[word] + unit), at + 2))
        options += _scaled(run, at + 1, TENS[word])
        options.append((str(TENS[word]), at + 1))
        return options
    if word in TEENS:
        return [*_scaled(run, at + 1, TEENS[word]), (str(TEENS[word]), at + 1)]
    if word in UNITS:
        return [*_scaled(run, at + 1, UNITS[word]), (str(UNITS[word]), at + 1)]
    if word in ALIKE:
        return [(ALIKE[word], at + 1)]
    digits = "".join(c for c in word if c.isdigit())
    return [*(_scaled(run, at + 1, int(digits)) if len(digits) <= 3 else []), (digits, at + 1)]


def _scaled(run: list[str], at: int, number: int) -> list[tuple[str, int]]:
    """``sixteen hundred``, ``eight hundred and five``, ``two thousand twenty six`` after the number in front."""
    scale = {"hundred": 100, "thousand": 1000}.get(run[at] if at < len(run) else "")
    if scale is None or number == 0:
        return []
    plain = (str(number * scale), at + 1)
    begin = at + 2 if at + 1 < len(run) and run[at + 1] == "and" else at + 1
    rest = [
        (str(number * scale + int(text)), end)
        for text, end in (_options(run, begin) if begin < len(run) else [])
        if text and not text.startswith("0") and int(text) < scale
    ]
    linked = begin == at + 2 or scale == 1000
    return [*rest, plain] if linked else [plain, *rest]
