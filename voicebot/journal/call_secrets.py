"""What one call must not tell: the one owner of what was said and keyed in it, over all its turns.

A secret is known when the dialog masks it (`CallSecrets.secret`), when it is said at a secret question or after its
name ("my PIN is …"), and when the digits of several turns make a card number. From then on it is masked wherever it
stands, and what was written before is named again in a `Redacted`. Before that, sinks that cannot take anything back
are shown no run of four or more digits that answered no question.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import secrets
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from voicebot.journal.card_numbers import LONGEST, SHORTEST, Link, Steps, cards, issued, stretches
from voicebot.journal.digit_reader import Digits, core, has_digits, number_of, other_words, read, runs
from voicebot.journal.entry import Event
from voicebot.journal.events import CallAnswered, CallerHeard, CallerOverheard, CallOver, Redacted
from voicebot.journal.redaction import AnyEvent, Masked, Redactor, Span, card_spans, forget_texts, joined
from voicebot.languages.en import dictated_digits as en

RUN = 4
"""So many digits that answered no question are a run that live sinks are not shown."""
OPEN = 8
"""So many digits that answered nothing by the end of a call may be part of a card number; of keys `RUN`."""
SHORTEST_VALUE = 3
"""Shorter secret values are masked at their own step only: they stand for too much else."""
SHORTEST_WORDS = 4
"""The same for values that are no number, in characters."""
KEPT = 5000
"""Events of a call that can still be masked; a call that never ends does not grow."""
FINANCIAL = "23456"
"""First digits of numbers that banks issue (ISO/IEC 7812-1 4.2; 2 is shared with airlines)."""
CHAIN = 160
"""Words and groups of the last turns that are searched."""
HISTORY = 600
"""Words and groups of digits that a call remembers; a card has 19."""
_LETTERS = 8
"""A value with more letters is a text, and no number that was asked for."""
_FEW = 2
"""Words beside digits that do not make a sentence of them."""
_LONG = 9
"""A secret number with more digits is known by part of it, too."""
_NAMED_WITHIN = 10
"""Words between a secret's name and its number."""


@dataclass(slots=True)
class _Turn:
    """What is known of one turn of the caller."""

    field: str
    """The field whose words were read: what was heard in the grammar, or freely."""
    text: str
    asked: bool
    """A number was asked for."""
    spans: list[tuple[int, int, str, str]] = dataclasses.field(default_factory=list)
    live: list[tuple[int, int, str, str]] = dataclasses.field(default_factory=list)
    sound: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Said:
    """A word or group of digits in the call."""

    one: Digits
    turn: _Turn
    run: str
    """All digits of its run."""
    first: bool
    """Of its run."""
    last: bool
    dictated: bool
    """Said or keyed digit by digit, as numbers are dictated, rather than a quantity in a sentence."""
    again: bool
    """The run is the same as the one before it."""
    keyed: bool
    named: bool
    """It was said what number it is, and that is no secret."""


@dataclass(slots=True)
class _Written:
    """An event that can still be masked."""

    number: int
    event: Event
    """As it was."""
    shown: Event
    """As it was last written."""
    turn: _Turn | None
    digits: bool
    """Some text in it holds digits; without them only secrets that are words can stand in it."""


class _LiveView(Redactor):
    """What sinks are shown that cannot take anything back."""

    def __init__(self, of: CallSecrets) -> None:
        super().__init__(of.key)
        self._of = of

    def text(self, text: str) -> str:
        return self._of.live_text(text)


class CallSecrets(Redactor):
    """The redactor of one call. Use it in one thread at a time."""

    def __init__(self) -> None:
        super().__init__(secrets.token_bytes(16))
        self.live = _LiveView(self)
        """Masks more: for what cannot be taken back."""
        self._lock = threading.RLock()
        """Log lines are masked in any thread."""
        self._values: dict[str, str] = {}
        """Secret number → its kind."""
        self._doubted: set[str] = set()
        """Numbers of secret questions that the dialog did not take."""
        self._words: dict[str, str] = {}
        """Secret value that is no number → its kind."""
        self._cards: set[str] = set()
        self._accepted: set[str] = set()
        """Digits of values that answered a question."""
        self._stream: list[_Said] = []
        self._past: deque[_Written] = deque(maxlen=KEPT)
        self._open = ""
        """Digits that were dictated and answered nothing yet."""
        self._news: set[str] = set()
        """Kinds of the secrets that became known since the last `Redacted`."""
        self._searched: set[str] = set()
        self._after_secret = False
        """The last number was said at a secret question: another one that nobody asked for puts it right."""

    # ── what becomes known ───────────────────────────────────────────────────────────────────────────────────────

    def secret(self, value: object, kind: str = "text") -> str:
        """What stands for a secret value, which is known from now on and masked wherever it stands."""
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            with self._lock:
                self._know(str(value), kind)
        return super().secret(value, kind)

    def accept(self, values: Iterable[str]) -> None:
        """These values answered a question: they stay readable, unless they turn out to be secret."""
        for value in values:
            if "#" in value or sum(map(str.isalpha, value)) > _LETTERS:
                continue
            found = read(value)
            for digits in {"".join(one.digits for one in found), *map(number_of, runs(found))}:
                secret = self._part_of_secret(digits) or any(number_of(run) in self._values for run in runs(found))
                if len(digits) >= SHORTEST_VALUE and not secret and digits not in self._accepted:
                    self._accepted.add(digits)
                    if len(digits) >= RUN:
                        self._open = ""

    def _part_of_secret(self, digits: str) -> bool:
        return digits in self._values or any(piece in digits for card in self._cards for piece in _pieces(card))

    def _know(self, value: str, kind: str) -> None:
        digits = re.sub(r"[\s.+-]", "", value)
        if digits.isascii() and digits.isdigit():
            if len(digits) >= SHORTEST_VALUE and digits not in self._values:
                self._values[digits] = kind
                cents = len(digits) + 2  # an amount that was taken may be a PIN that was said too soon: 3141.00
                self._accepted -= {a for a in self._accepted if a == digits or (a[:-2] == digits and len(a) == cents)}
                self._doubted.discard(digits)
                self._news.add(kind)
        elif len(value) >= SHORTEST_WORDS and value not in self._words and "#" not in value:
            self._words[value] = kind
            self._news.add(kind)

    # ── what is written ──────────────────────────────────────────────────────────────────────────────────────────

    def take(self, number: int, event: Event) -> list[Masked]:
        """An event, masked; and before it, where something became known, what must be masked of those written."""
        with self._lock:
            return self._take(number, event)

    def _take(self, number: int, event: Event) -> list[Masked]:
        del self._stream[:-HISTORY]
        turn, since = None, len(self._stream)
        match event:
            case CallAnswered(caller=caller, called=called):
                self._accepted |= {digits for party in (caller, called) if (digits := re.sub(r"\D", "", party))}
            case CallerHeard() | CallerOverheard():
                turn = self._hear(event)
            case CallOver():
                self._leave_nothing_open()
        for field in ("slots", "found"):
            self.accept(map(str, getattr(event, field, {}).values()))
        if len(self._stream) > since or self._searched != {*self._values, *self._doubted}:
            self._search(since)
        before = self._again() if self._news else []
        shown = self._cleaned(event, turn, live=False)
        self._past.append(_Written(number + len(before), event, shown, turn, _holds_digits(event.data())))
        live = self._cleaned(event, turn, live=True)
        if isinstance(event, CallOver):
            forget_texts()
        return [*before, Masked(shown, live)]

    def _again(self) -> list[Masked]:
        """What was written before and must be masked now, if anything."""
        what, self._news = tuple(sorted(self._news)), set()
        entries: dict[str, dict[str, Any]] = {}
        live: dict[str, dict[str, Any]] = {}
        sound: list[tuple[float, float]] = []
        for written in self._past:
            if written.turn is None and not (written.digits or self._words):
                continue
            shown = self._cleaned(written.event, written.turn, live=False)
            changed = _changed(written.shown, shown)
            if not changed:
                continue
            written.shown = shown
            data = self._cleaned(written.event, written.turn, live=True).data()
            entries[str(written.number)] = changed
            live[str(written.number)] = {name: data[name] for name in changed}
            if written.turn is not None and written.turn.sound[1]:
                sound.append(written.turn.sound)
        spans = tuple(sound)
        return [Masked(Redacted(what, entries, spans), Redacted(what, live, spans))] if entries else []

    # ── what the caller said ─────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, event: CallerHeard | CallerOverheard) -> _Turn:
        free = getattr(event, "free_text", "")
        texts = {"text": event.text, "free_text": free}
        field = max(texts, key=lambda name: sum(len(one.digits) for one in read(texts[name])))
        text, keyed = texts[field], event.source == "keys"
        turn = _Turn(field, text, event.numeric, sound=(event.began_s, event.ended_s))
        found = runs(read(text))
        few_words = keyed or other_words(text) <= _FEW
        for place, run in enumerate(found):
            before = _words(text[found[place - 1][-1].end if place else 0 : run[0].start])
            names = [word for word in before if word in en.NAMES | en.SECRETS | en.CARDS]
            self._add(turn, run, few_words, keyed, bool(names) and names[-1] in en.NAMES)
        if event.secret:
            self._after_secret = True
            self._doubted |= {d for run in found if len(d := number_of(run)) >= SHORTEST_VALUE} - self._values.keys()
        else:
            self._named(text, found)
        for run in found:
            self._hide_live(turn, run, few_words, keyed)
        return turn

    def _add(self, turn: _Turn, run: list[Digits], few_words: bool, keyed: bool, named: bool) -> None:
        digits = number_of(run)
        dictated = keyed or few_words or _by_digits(run)
        again = bool(self._stream) and self._stream[-1].run == digits and len(digits) > 1
        for place, one in enumerate(run):
            if keyed:
                one = dataclasses.replace(one, doubtful=False, other=False)
            last = place == len(run) - 1
            self._stream.append(_Said(one, turn, digits, place == 0, last, dictated, again, keyed, named))

    def _named(self, text: str, found: list[list[Digits]]) -> None:
        """A number beside the name of a secret is one ("my PIN is …", "that was my PIN"), and one that puts a secret
        answer right."""
        after, self._after_secret = self._after_secret, self._after_secret and not found
        for place, run in enumerate(found):
            before = _words(text[found[place - 1][-1].end if place else 0 : run[0].start])[-_NAMED_WITHIN:]
            names = [word for word in before if word in en.SECRETS | en.NAMES]
            again = after and not names and not all(one.other for one in run)
            if again or (names and names[-1] in en.SECRETS):
                self._name(number_of(run))
        words = _words(text)
        for at, word in enumerate(words):
            if word in en.SECRETS and _points_back(words[max(0, at - 3) : at]):
                start = [m.start() for m in re.finditer(r"[\w']+", text)][at]
                runs_before = [number_of(run) for run in found if run[-1].end <= start]
                earlier = [said.run for said in self._stream if said.first and said.dictated and said.turn.text != text]
                self._name(next(iter(runs_before[-1:] or earlier[-1:]), ""))

    def _name(self, digits: str) -> None:
        if SHORTEST_VALUE <= len(digits) < SHORTEST:
            self._know(digits, "number")

    def _chain(self) -> list[_Said]:
        return self._stream[-CHAIN:]

    def _link(self, said: _Said) -> Link:
        one = said.one
        group = one.figures and len(one.digits) > 1
        quantity = not said.dictated and len(said.run) < RUN
        optional = one.doubtful or one.other or said.again or quantity or said.run in self._accepted
        corrects = one.corrects and said.first
        return Link(one.digits, said.first or group, said.last or group, optional, corrects)

    def _search(self, since: int) -> None:
        """Look for card numbers that end in the newest turn, and for values that became known in all turns."""
        values = Steps()
        stream = self._chain()
        chain = [self._link(said) for said in stream]
        from_ = max(0, since - (len(self._stream) - len(stream)))
        if from_ < len(chain):
            for digits, places in _best(stream, chain, list(cards(chain, from_)), [*map(self._is_answer, stream)]):
                self._found_card(digits, [stream[i] for i in places])
        for value, kind in [*self._values.items(), *((value, "number") for value in self._doubted)]:
            first = from_ if value in self._searched else 0
            for _, places in stretches(chain, first, len(value), value.startswith, partial(_is_value, value), values):
                taken = [stream[i] for i in places]
                if all(said.run == value or said.run not in self._accepted for said in taken):
                    self._mark(taken, kind)
        self._searched = {*self._values, *self._doubted}

    def _found_card(self, digits: str, taken: list[_Said]) -> None:
        self._cards.add(digits)
        pieces = {said.run for said in taken if len(said.run) >= SHORTEST_VALUE}
        pieces |= _pieces(digits)
        self._accepted -= {value for value in self._accepted if any(piece in value for piece in pieces)}
        self._mark(taken, "card number")

    def _mark(self, taken: list[_Said], kind: str) -> None:
        for said in taken:
            span = (said.one.start, said.one.end, said.one.digits, kind)
            if span not in said.turn.spans:
                said.turn.spans.append(span)
                self._news.add(kind)

    def _leave_nothing_open(self) -> None:
        """The call is over: long numbers that answered nothing and were not named may be part of a secret."""
        chain: list[_Said] = []
        for said in [*self._stream, None]:
            if said is not None and self._nobodys(said):
                chain.append(said)
                continue
            if said is not None and said.one.doubtful and len(said.one.digits) == 1:
                continue
            keyed = all(one.keyed for one in chain)
            if sum(len(one.one.digits) for one in chain) >= (RUN if keyed else OPEN):
                self._mark(chain, "number")
            chain = []

    def _nobodys(self, said: _Said) -> bool:
        """Whether digits are unexplained: not asked for, not named, no answer, no date, time or amount."""
        known = any(start <= said.one.start < end for start, end, *_ in said.turn.spans)
        return said.dictated and not (said.turn.asked or known or said.one.other or self._is_answer(said))

    def _is_answer(self, said: _Said) -> bool:
        return said.named or said.run in self._accepted or self._values.get(said.run, "number") != "number"

    def _answers(self, run: list[Digits]) -> bool:
        """Whether digits are a value that was asked for, or part of a date, a time or an amount."""
        digits = number_of(run)
        return digits in self._accepted or all(one.other for one in run)

    def _hide_live(self, turn: _Turn, run: list[Digits], few_words: bool, keyed: bool) -> None:
        """Hide a run from live sinks that answered no question, also when it only goes on with one."""
        digits = number_of(run)
        answers = digits in self._accepted or (not keyed and all(one.other for one in run))
        answers |= bool(self._open) and any(value.endswith(self._open + digits) for value in self._accepted)
        if answers and len(digits) >= RUN:
            self._open = digits if keyed else ""  # keys that come after the last one that was awaited go on with it
            return
        whole = "".join(one.digits for one in run)
        if keyed or few_words or _by_digits(run) or len(whole) >= RUN:
            self._open = (self._open + whole)[-LONGEST:]
            if len(self._open) >= RUN:
                turn.live += [(one.start, one.end, one.digits, "number") for one in run]

    # ── masking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def text(self, text: str) -> str:
        """A text with what is known to be secret, and card numbers, masked."""
        with self._lock:
            return self._masked_text(text, [])

    def live_text(self, text: str) -> str:
        """The same for what cannot be taken back: without digits either that the caller said and nobody asked for."""
        if not has_digits(text):
            return self.text(text)
        with self._lock:
            hidden = [run for run in runs(read(text)) if not self._answers(run) and self._said_openly(number_of(run))]
            spans = [(one.start, one.end, one.digits, "number") for run in hidden for one in run]
            return self._masked_text(text, spans)

    def _said_openly(self, digits: str) -> bool:
        if len(digits) < RUN:
            return False
        return any(
            len(said.run) >= RUN and (digits in said.run or said.run in digits)
            for said in self._stream
            if said.first and said.run not in self._accepted and not said.one.other
        )

    def _masked_text(self, text: str, spans: list[tuple[int, int, str, str]]) -> str:
        if not (spans or self._words or has_digits(text)):
            return text
        known = [*spans, *self._known(text), *((*span, "card number") for span in card_spans(text))]
        return self.replaced(text, _by_kind(text, known)) if known else text

    def _known(self, text: str) -> list[tuple[int, int, str, str]]:
        """Where secrets that are known stand in a text."""
        found: list[tuple[int, int, str, str]] = []
        if self._values or self._cards or self._doubted:
            for run in runs(read(text)):
                found += self._known_run(run)
        for words, kind in self._words.items():
            pattern = r"\W*".join(map(re.escape, re.findall(r"\w", words)))
            found += [(m.start(), m.end(), m[0], kind) for m in re.finditer(rf"(?i)\b{pattern}\b", text)]
        return found

    def _known_run(self, run: list[Digits]) -> list[tuple[int, int, str, str]]:
        digits = number_of(run)
        kind = self._values.get(digits, "number" if digits in self._doubted else "")
        if digits in self._accepted or (kind and any(one.other and digits in a for a in self._accepted for one in run)):
            return []
        if not kind and len(digits) >= RUN and any(digits in card for card in self._cards):
            kind = "card number"
        if kind:
            return [(one.start, one.end, one.digits, kind) for one in core(run)]
        return [
            (one.start, one.end, one.digits, "card number")
            for one in _overlap(run, [*self._cards, *(value for value in self._values if len(value) > _LONG)])
        ]

    def _cleaned(self, event: AnyEvent, turn: _Turn | None, live: bool) -> AnyEvent:
        if turn is None:
            return self.live.event(event) if live else self.event(event)
        secret = getattr(event, "secret", False)
        if secret and getattr(event, "numeric", False) and other_words(turn.text) > _FEW:
            shown = self._sentence(event, turn)
        else:
            hidden = event if secret else self._with_spans(event, turn, live)
            shown = self.live.event(hidden) if live else self.event(hidden)
        masked = getattr(shown, turn.field) != getattr(event, turn.field)
        return dataclasses.replace(shown, redacted=True) if masked else shown  # type: ignore[type-var]

    def _sentence(self, event: AnyEvent, turn: _Turn) -> AnyEvent:
        """A sentence in which a secret number was said: its words stay."""
        spans = [(run[0].start, run[-1].end, number_of(run), "digits") for run in runs(read(turn.text))]
        changes: dict[str, Any] = {turn.field: self.replaced(turn.text, spans)}
        for field, empty in (("text", ""), ("free_text", ""), ("alternatives", ()), ("words", ())):
            if field != turn.field and hasattr(event, field):
                changes[field] = empty
        return dataclasses.replace(event, **changes)  # type: ignore[type-var]

    def _with_spans(self, event: AnyEvent, turn: _Turn, live: bool) -> AnyEvent:
        """A caller's turn with what the call knows of its digits masked, and without other readings of them."""
        spans = [*turn.spans, *(turn.live if live else ())]
        if not spans:
            return event
        changes: dict[str, Any] = {turn.field: self._masked_text(getattr(event, turn.field), spans)}
        other = "free_text" if turn.field == "text" else "text"
        if hasattr(event, other):
            value = getattr(event, other)
            numbers = [run for run in runs(read(value)) if len(number_of(run)) > 1]
            hidden = [(run[0].start, run[-1].end, number_of(run), "number") for run in numbers]
            changes[other] = self.replaced(value, hidden)
        for field in ("alternatives", "words"):
            if hasattr(event, field):
                changes[field] = ()
        return dataclasses.replace(event, **changes)  # type: ignore[type-var]


_Found = tuple[str, tuple[int, ...]]


def _best(stream: list[_Said], chain: list[Link], found: list[_Found], answers: list[bool]) -> list[_Found]:
    """Of card numbers that have links in common, those that make least of it: a scheme could have issued it, and no
    answer to a question is part of it."""

    def cost(digits: str, places: tuple[int, ...]) -> int:
        rare = not issued(digits) or len(digits) <= SHORTEST
        return rare + sum(answers[i] or stream[i].one.other for i in places)

    likely = [one for one in found if _likely(stream, chain, *one, answers)]
    best: dict[int, int] = {}
    for digits, places in likely:
        for i in places:
            best[i] = min(best.get(i, CHAIN), cost(digits, places))
    return [(digits, places) for digits, places in likely if cost(digits, places) <= min(best[i] for i in places)]


def _likely(stream: list[_Said], chain: list[Link], digits: str, places: tuple[int, ...], answers: list[bool]) -> bool:
    """Whether a number in several runs may be a card's: it begins or ends where one does, and as cards do."""
    asked = sum(len(chain[i].digits) for i in places if answers[i])
    if not any(stream[i].first for i in places[1:]):
        return not asked
    whole = "".join(chain[i].digits for i in places)
    begins = chain[places[0]].begins and whole.startswith(digits)
    ends = chain[places[-1]].ends and whole.endswith(digits)
    if issued(digits):
        return (begins or ends) and 2 * asked <= len(digits)
    return begins and ends and not asked and digits[0] in FINANCIAL


def _is_value(value: str, digits: str, edges: int) -> bool:
    """Whether digits are a value that has a run's end in common with what was said: "1102" is not in 471102."""
    return digits == value and edges > 0


def _holds_digits(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_digits(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return any(map(_holds_digits, value))
    return not isinstance(value, (float, bool, type(None))) and has_digits(str(value))


def _points_back(words: list[str]) -> bool:
    """Whether words right before a name say that the number before them is meant: "is my", "that was the"."""
    places = [at for at, word in enumerate(words) if word in en.POINTING_BACK]
    return bool(places) and not read(" ".join(words[places[-1] :]))


def _words(text: str) -> list[str]:
    return [word.removesuffix("'s") if word != "that's" else word for word in re.findall(r"[\w']+", text.lower())]


def _pieces(number: str) -> set[str]:
    """Each four digits in a row of a number."""
    return {number[i : i + RUN] for i in range(len(number) - RUN + 1)}


def _by_digits(run: list[Digits]) -> bool:
    """Whether a run is dictated rather than a quantity: five digits and more, or digit by digit."""
    return not all(one.other for one in run) and (len(number_of(run)) >= 5 or sum(one.single for one in run) >= 2)


def _overlap(run: list[Digits], secret: list[str]) -> list[Digits]:
    """The beginning or the end of a run that is four digits or more of a secret, or a whole secret in it."""
    digits = "".join(one.digits for one in run)
    if len(digits) < RUN:  # a secret that is looked for here is longer
        return []
    hidden = set[int]()
    for value in secret:
        for length in range(min(len(digits), len(value)), RUN - 1, -1):
            hidden |= set(range(length)) if digits[:length] in value else set()
            hidden |= set(range(len(digits) - length, len(digits))) if digits[-length:] in value else set()
        at = digits.find(value)
        hidden |= set(range(at, at + len(value))) if at >= 0 else set()
    ends = list(itertools.accumulate(len(one.digits) for one in run))
    return [one for one, end in zip(run, ends, strict=True) if hidden & set(range(end - len(one.digits), end))]


def _by_kind(text: str, spans: list[tuple[int, int, str, str]]) -> list[tuple[int, int, str, str]]:
    """Spans that lie apart; what overlaps or goes on is one, of the kind that is known best."""
    places: dict[tuple[int, int], tuple[str, str]] = {}
    for start, end, digits, kind in spans:
        old = places.get((start, end))
        if old is None or old[1] == "number":
            places[start, end] = digits, kind
    plain: list[Span] = [(start, end, digits) for (start, end), (digits, _) in places.items()]
    out: list[tuple[int, int, str, str]] = []
    for start, end, digits in joined(text, plain):
        inside = [kind for (s, e), (_, kind) in places.items() if start <= s and e <= end]
        best = next((kind for kind in inside if kind != "number"), "number")
        out.append((start, end, digits, best))
    return out


def _changed(old: Event, new: Event) -> dict[str, Any]:
    """The fields that differ, as plain data."""
    before, after = old.data(), new.data()
    return {name: value for name, value in after.items() if before[name] != value}
