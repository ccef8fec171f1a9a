"""The dialog's own few sentences: reading values back, coming back to a task."""

from __future__ import annotations

from voicebot.flows.templates import BY_TYPE, render, speak
from voicebot.nlu.specs import Slot

_READ_BACK = {
    "digits": "I have {value}. Is that right?",
    "alnum": "I have {value}. Is that right?",
    "phone": "I have {value}. Is that right?",
    "date": "That's {value}, is that right?",
    "time": "That's {value}, is that right?",
    "datetime": "That's {value}, is that right?",
    "amount": "That's {value}, is that right?",
    "name": "I have the name {value}. Is that right?",
    "email": "I have {value}. Is that right?",
}
CHANGE = "I'm sorry. What should I change?"
CHANGE_AGAIN = "Just tell me the part that's wrong, for example the new date or time."
TAKE_YOUR_TIME = "Of course, take your time."
AT_THE_START = "We're at the very beginning."
LEFT = "All right, I'll leave that."
START_OVER = "All right, let's start again."
AND_THEN = "Yes, and then?"
GO_BACK = "All right, one step back."
SORRY_NO = "I'm sorry about that."
FIXED = (CHANGE, CHANGE_AGAIN, TAKE_YOUR_TIME, AT_THE_START, LEFT, START_OVER, AND_THEN, GO_BACK, SORRY_NO)
"""Those without a value in them."""


def read_back(slot: Slot, value: str) -> str:
    """The question whether a value is right."""
    return render(
        slot.confirm_prompt or _READ_BACK.get(slot.type, "Did you say {value}?"), {"value": spoken(slot, value)}, {}
    )


def spoken(slot: Slot, value: str) -> str:
    """A slot's value as it is said."""
    if slot.type == "choice":
        return slot.choices[value].say or value.replace("_", " ") if value in slot.choices else value
    if slot.type == "email":
        return value.replace("@", " at ").replace(".", " dot ")
    return speak(value, BY_TYPE.get(slot.type, "raw"))


def back_to(about: str) -> str:
    return f"Now, back to where we were: you wanted to {about}."


def meant(about: str) -> str:
    return f"You'd like to {about}. Is that right?"
