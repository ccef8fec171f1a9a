"""The flow file as a typed model: what a dialog designer may write. Meaning across parts is checked in `lint`.

A step is a mapping with exactly one verb (``ask``, ``say``, ``do``, ``when``, ``confirm``, ``retry``, ``use``, ``go``,
``done``, ``handover``, ``end``) and that verb's own extras.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from voicebot.events import ExpectKind

SlotType = Literal[
    "digits",
    "alnum",
    "date",
    "time",
    "datetime",
    "amount",
    "yesno",
    "choice",
    "phone",
    "name",
    "email",
    "number",
    "text",
]
Command = Literal["person", "repeat", "back", "help", "restart", "goodbye", "cancel", "wait"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Words = Annotated[str, Field(min_length=1, max_length=600)]
MAX_STEPS = 200


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Ladder = Annotated[list[Words], BeforeValidator(_as_list)]


class Part(BaseModel):
    """Base of all parts of a flow: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Intent(Part):
    """Something that a caller may want."""

    examples: list[Words]
    """How callers say it, in their own words; ten or more."""
    task: str | None = None
    """The task that it starts."""
    command: Command | None = None
    """Or the built-in command that it means, such as ``person``."""

    @model_validator(mode="after")
    def _one(self) -> Intent:
        if (self.task is None) == (self.command is None):
            raise ValueError("give either `task` or `command`")
        return self


class Choice(Part):
    """One answer of a choice slot."""

    say: str = ""
    """How it is read back; its name without this."""
    synonyms: list[Words] = []


class Lookup(Part):
    """Where to see which values exist: an action, or a column of a CSV file."""

    do: str | None = None
    """A backend action that is asked about everything that may have been said, at once and before anything is said."""
    argument: Name = "values"
    """do: its argument, a text with the values between commas, the likeliest first."""
    found: str = ""
    """do: field of the answer that lists those that exist (``items``); empty when the answer is the list."""
    file: str | None = None
    """Relative to the flow."""
    column: str = ""
    """file: the name in its first line."""

    @model_validator(mode="after")
    def _one(self) -> Lookup:
        if (self.do is None) == (self.file is None):
            raise ValueError("give either `do` or `file`")
        if self.file is not None and not self.column:
            raise ValueError("`file` needs `column`")
        return self


def _as_patterns(value: Any) -> Any:
    return [p.replace(" ", "").replace("-", "") if isinstance(p, str) else p for p in _as_list(value)]


Patterns = Annotated[
    list[Annotated[str, Field(pattern=r"^[A9*a-z0-8]{1,20}$")]],
    BeforeValidator(_as_patterns),
]


class Listening(Part):
    """How the ears wait for an answer; what is not given is judged by them."""

    end_silence_s: Annotated[float, Field(ge=0.2, le=4.0)] | None = None
    """Silence that ends an answer that is not whole, in seconds: longer for what people look up while they speak."""
    no_input_s: Annotated[float, Field(ge=2.0, le=60.0)] | None = None
    """Silence after the prompt that counts as no answer, in seconds."""
    barge_in: bool = True
    """Whether speech may stop the prompt. Keys always may."""


class StepListening(Listening):
    """The same at a step, where what is not given is as the slot says."""

    boost: list[Words] = []
    """Words that are likelier in this answer than elsewhere, beside those of the slot."""


_KINDS: dict[str, ExpectKind] = {
    "digits": "digits", "alnum": "alnum", "date": "date", "time": "time", "datetime": "datetime", "amount": "amount",
    "yesno": "yesno", "choice": "phrases", "phone": "digits",
}  # fmt: skip


class Slot(Part):
    """One piece of information that a task needs."""

    type: SlotType
    label: str = ""
    """What it is called in summaries: ``order number``; the slot's name without this."""
    prompt: Words
    reprompts: Ladder = []
    """After the first, second … answer that did not fit: different words each time."""
    no_input: Ladder = []
    """After the first, second … silence."""
    invalid: Ladder = []
    """After an answer that was understood but is not allowed here (a wrong check digit, a day too far away)."""
    help: str = ""
    confirm: Literal["never", "always", "auto"] = "auto"
    sure: Annotated[float, Field(ge=0.5, le=1.0)] | None = None
    """Chance of being heard right from which a spoken value is not read back; without it that of its type."""
    confirm_prompt: str = ""
    """Question that reads the value back as ``{value}``; a plain one by type without this."""
    secret: bool = False
    """The value appears in no transcript, log, record or summary."""
    listen: Listening = Listening()
    """How the ears wait for this answer."""
    keep: bool = False
    """Keep the value when another task asks for the same slot later in the call."""
    lengths: list[Annotated[int, Field(ge=1, le=20)]] = []
    pattern: Patterns = []
    """digits, alnum: shapes allowed: ``A`` a letter, ``9`` a digit, ``*`` either, a small letter or digit itself."""
    check: Literal["luhn"] | None = None
    lookup: Lookup | None = None
    """digits, alnum, phone, email: only values that exist are taken."""
    choices: dict[Name, Choice] = {}
    names: list[Words] = []
    """name: those that may be said; any without."""
    boost: list[Words] = []
    """Words that are likelier in this answer than elsewhere."""
    earliest: str = ""
    """date: ``today``, ``+3 days``, ``2026-01-31``; time: ``09:00``."""
    latest: str = ""
    minimum: float | None = None
    maximum: float | None = None
    region: str = "US"
    """phone: the country that numbers without a country code belong to."""

    @property
    def kind(self) -> ExpectKind:
        """The grammar that recognition hears it in; ``free`` without one."""
        return _KINDS.get(self.type, "name" if self.type == "name" and self.names else "free")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of characters allowed; empty for any."""
        return tuple(self.lengths) or tuple(sorted({len(p) for p in self.pattern}))

    @field_validator("choices", mode="before")
    @classmethod
    def _short_choices(cls, value: Any) -> Any:
        if isinstance(value, list):
            value = {item: {} for item in value if isinstance(item, str)}
        if isinstance(value, dict):
            return {k: {"synonyms": v} if isinstance(v, list) else ({} if v is None else v) for k, v in value.items()}
        return value


class Step(Part):
    """One step; exactly one of the verbs is set."""

    listen: StepListening | None = None
    """ask, confirm: how the ears wait for this answer; say: whether speech may stop it."""
    ask: str | None = None
    unknown: list[Step] | None = None
    """ask: what to do when the caller does not have it."""
    say: Words | None = None
    do: str | None = None
    args: dict[Name, str | int | float | bool] = Field(default={}, alias="with")
    save: dict[Name, str] = {}
    """do: variable → field of the answer, ``items.0.name`` for nested ones."""
    on: dict[str, list[Step]] = {}
    """do: error kind (``timeout``, ``status-404``, ``error`` for any other) → steps."""
    when: Words | None = None
    then: list[Step] | None = None
    otherwise: list[Step] | None = Field(default=None, alias="else")
    confirm: Words | None = None
    change: list[str] = []
    """confirm: the slots that the caller may change when he says no."""
    no: list[Step] | None = None
    """confirm: steps after no, instead of asking what to change."""
    retry: str | None = None
    """Forget this slot and go back to where it is asked."""
    use: dict[str, str] = {}
    """Slot → text, to fill slots from what an action returned: ``use: {date: "{alternative_date}"}``."""
    go: str | None = None
    done: Words | None = None
    """The task is resolved; the words say what came of it, for the summary."""
    handover: Words | None = None
    """Bring a human in, with these words before."""
    end: Words | None = None
    """Hang up, with these words before."""

    @model_validator(mode="after")
    def _one_verb(self) -> Step:
        given = [verb for verb in VERBS if _given(self, verb)]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"a step has exactly one of {', '.join(VERBS)} (found: {found})")
        for extra, owners in _OWNER.items():
            if _given(self, extra) and given[0] not in owners:
                owner = ", ".join(f"`{verb}`" for verb in owners)
                raise ValueError(f"`{_ALIAS.get(extra, extra)}` belongs to {owner}, not to `{given[0]}`")
        if given[0] == "when" and self.then is None:
            raise ValueError("`when` needs `then`")
        return self

    @property
    def verb(self) -> str:
        return next(verb for verb in VERBS if _given(self, verb))


VERBS = ("ask", "say", "do", "when", "confirm", "retry", "use", "go", "done", "handover", "end")
_OWNER = {
    "unknown": ["ask"], "args": ["do"], "save": ["do"], "on": ["do"], "then": ["when"], "otherwise": ["when"],
    "change": ["confirm"], "no": ["confirm"], "listen": ["ask", "confirm", "say"],
}  # fmt: skip
_ALIAS = {"args": "with", "otherwise": "else"}


def _given(step: Step, name: str) -> bool:
    return getattr(step, name) not in (None, [], {})


class Task(Part):
    about: Words
    """What the caller wants, after "You would like to …": ``check on an order``."""
    steps: Annotated[list[Step], Field(min_length=1, max_length=MAX_STEPS)]


class Fallbacks(Part):
    """Words when nothing fits and no slot has its own."""

    no_match: Ladder
    no_input: Ladder
    limit: Annotated[int, Field(ge=2, le=5)] = 3
    """Failures in a row before a human is called."""


class HandoverWords(Part):
    target: str
    """Name of a target in the configuration."""
    say: Words
    """Before the caller is put on hold because he asked for it."""
    failures: Words = "I'm having trouble helping you with this, so let me get a colleague."
    backend: Words = "I can't reach one of our systems just now, so let me get a colleague."
    deaf: Words = "I'm sorry, I can't hear you properly just now, so let me get a colleague."
    """When recognition is broken."""
    keys: Words = "You can key it in on your telephone."
    """When it is, nobody could be reached, and what is asked for is a number."""
    busy: Words = "I'm sorry, everybody is on another call just now."
    no_answer: Words = "I'm sorry, nobody could take your call just now."
    unreachable: Words = "I'm sorry, I can't reach our team just now."
    give_up: Words = "I'm very sorry that I couldn't help you today. Please call us again a little later. Goodbye."


class After(Part):
    """When a task is over."""

    ask: Words = "Is there anything else I can do for you?"
    listen: StepListening = StepListening()
    """How the ears wait for the answer to it."""
    go_on: Words = "Of course. What can I do for you?"
    goodbye: Words = "Thank you for calling. Goodbye!"


class FlowFile(Part):
    """A whole flow."""

    flow: Name
    language: Literal["en"] = "en"
    disclosure: Words
    """Says that a machine is speaking; always the first prompt, and it cannot be interrupted."""
    opening: Words
    listen: StepListening = StepListening()
    """How the ears wait for the answer to the opening."""
    help: Words = "You can tell me in your own words what you need, or say: a person, please."
    intents: dict[Name, Intent]
    slots: dict[Name, Slot] = {}
    from_call: list[Name] = []
    """Variables that the routes fill from headers of the call, beside those that every call brings; empty without."""
    tasks: dict[Name, Task]
    after: After = After()
    fallbacks: Fallbacks
    handover: HandoverWords
    off_topic: list[Words] = []
    """Things that callers say and that this dialog must not take for one of its intents."""
