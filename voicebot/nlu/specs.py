"""What a flow says of an intent and of a slot: what the understanding of a caller's words is given.

Typed models of a flow file's `intents` and `slots`; the rest of the file is in `voicebot.flows.schema`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from voicebot.messages import ExpectKind

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


class ListenOptions(Part):
    """How an answer is listened for; what is not given is judged by what is said."""

    end_silence_s: Annotated[float, Field(ge=0.2, le=4.0)] | None = None
    """Silence that ends an answer that is not whole, in seconds: longer for what people look up while they speak."""
    no_input_s: Annotated[float, Field(ge=2.0, le=60.0)] | None = None
    """Silence after the prompt that counts as no answer, in seconds."""
    barge_in: bool = True
    """Whether speech may stop the prompt. Keys always may."""


class StepListenOptions(ListenOptions):
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
    listen: ListenOptions = ListenOptions()
    """How this answer is listened for."""
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
