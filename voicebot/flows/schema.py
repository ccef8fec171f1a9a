"""The flow file as a typed model: what a dialog designer may write. Meaning across parts is checked in `lint`.

A step is a mapping with exactly one verb (``ask``, ``say``, ``do``, ``when``, ``confirm``, ``retry``, ``use``, ``go``,
``done``, ``handover``, ``end``) and that verb's own extras.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from voicebot.nlu.specs import Intent, Ladder, Name, Part, Slot, StepListenOptions, Words

MAX_STEPS = 200


class Step(Part):
    """One step; exactly one of the verbs is set."""

    listen: StepListenOptions | None = None
    """ask, confirm: how this answer is listened for; say: whether speech may stop it."""
    ask: str | None = None
    unknown: list[Step] | None = None
    """ask: what to do when the caller does not have it."""
    say: Words | None = None
    do: str | None = None
    args: dict[Name, str | int | float | bool] = Field(default_factory=dict, alias="with")
    save: dict[Name, str] = Field(default_factory=dict)
    """do: variable → field of the answer, ``items.0.name`` for nested ones."""
    on: dict[str, list[Step]] = Field(default_factory=dict)
    """do: error kind (``timeout``, ``status-404``, ``error`` for any other) → steps."""
    when: Words | None = None
    then: list[Step] | None = None
    otherwise: list[Step] | None = Field(default=None, alias="else")
    confirm: Words | None = None
    change: list[str] = Field(default_factory=list)
    """confirm: the slots that the caller may change when he says no."""
    no: list[Step] | None = None
    """confirm: steps after no, instead of asking what to change."""
    retry: str | None = None
    """Forget this slot and go back to where it is asked."""
    use: dict[str, str] = Field(default_factory=dict)
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
    listen: StepListenOptions = StepListenOptions()
    """How the answer to it is listened for."""
    go_on: Words = "Of course. What can I do for you?"
    goodbye: Words = "Thank you for calling. Goodbye!"


class FlowFile(Part):
    """A whole flow."""

    flow: Name
    language: Literal["en"] = "en"
    disclosure: Words
    """Says that a machine is speaking; always the first prompt, and it cannot be interrupted."""
    opening: Words
    listen: StepListenOptions = StepListenOptions()
    """How the answer to the opening is listened for."""
    help: Words = "You can tell me in your own words what you need, or say: a person, please."
    intents: dict[Name, Intent]
    slots: dict[Name, Slot] = Field(default_factory=dict)
    from_call: list[Name] = Field(default_factory=list)
    """Variables that the routes fill from headers of the call, beside those that every call brings; empty without."""
    tasks: dict[Name, Task]
    after: After = After()
    fallbacks: Fallbacks
    handover: HandoverWords
    off_topic: list[Words] = Field(default_factory=list)
    """Things that callers say and that this dialog must not take for one of its intents."""
