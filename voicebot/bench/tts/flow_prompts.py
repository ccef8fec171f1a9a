"""Every sentence that a flow can say, with values filled in where it has fields: the kind ``shipped``."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from voicebot.bench.tts.prompts import BenchPrompt
from voicebot.flows import default_prompts, templates
from voicebot.flows.flow import Flow
from voicebot.nlu.specs import Slot

KIND = "shipped"
_DAY = (date(2026, 12, 1) + timedelta(days=7)).isoformat()
_BY_FORMAT = {
    "digits": "832014", "spell": "KD47B", "date": _DAY, "time": "10:30", "datetime": f"{_DAY}T14:15", "money": "87.15",
    "name": "margaret peacock", "raw": "a desk lamp",
}  # fmt: skip
"""Format of a field → the value that stands for all."""
_BY_NAME = {"name": "Margaret Peacock", "state": "on hold"}
"""Name of a field that has no format → the same."""


def of_flow(path: Path) -> tuple[BenchPrompt, ...]:
    """What this flow says, and the dialog's own sentences about its slots, each text once.

    Raises:
        SourceError: the flow cannot be read.
    """
    flow = Flow.load(path)
    formats = {name: templates.BY_TYPE.get(slot.type, "raw") for name, slot in flow.slots.items()}
    fixed = {text for _, text in flow.prompts()} | set(default_prompts.FIXED)
    said = [_filled(text, formats, flow.slots) for _, text in flow.texts()]
    said += [default_prompts.read_back(slot, _value(slot)) for slot in flow.slots.values() if not slot.secret]
    said += [default_prompts.meant(task.about) for task in flow.model.tasks.values()]
    said += default_prompts.FIXED
    return tuple(BenchPrompt(KIND, text, text in fixed) for text in dict.fromkeys(said) if text)


def _filled(text: str, formats: dict[str, str], slots: dict[str, Slot]) -> str:
    values = {}
    for field in templates.fields(text):
        slot = slots.get(field.name)
        values[field.name] = _value(slot) if slot is not None and not field.format else _stand_in(field)
    return templates.render(text, values, formats)


def _stand_in(field: templates.Field) -> str:
    return _BY_FORMAT[field.format] if field.format else _BY_NAME.get(field.name, _BY_FORMAT["raw"])


def _value(slot: Slot) -> str:
    if slot.type == "choice":
        return next(iter(slot.choices))
    if slot.type == "email":
        return "anna.kowalski@example.com"
    value = _BY_FORMAT[templates.BY_TYPE.get(slot.type, "raw")]
    return value[: min(slot.lengths)] if slot.type == "digits" and slot.lengths else value
