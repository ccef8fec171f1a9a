"""The words of a flow: what its callers are likelier to say than other people are."""

from __future__ import annotations

import re

from voicebot.flows.schema import FlowFile
from voicebot.nlu.commands import EXAMPLES
from voicebot.nlu.slots.extract import synonyms

SHORTEST = 4
"""Shorter words are everywhere; making them likelier helps nobody."""
_WORD = re.compile(r"[a-z']+")


def vocabulary(model: FlowFile) -> tuple[str, ...]:
    """Words of the intents' examples, the slots' synonyms and the global commands, for `Expect.boost`."""
    texts = [text for intent in model.intents.values() for text in intent.examples]
    texts += [form for slot in model.slots.values() for forms in synonyms(slot).values() for form in forms]
    texts += [text for examples in EXAMPLES.values() for text in examples]
    found = {word for text in texts for word in _WORD.findall(text.lower()) if len(word) >= SHORTEST}
    return tuple(sorted(found))
