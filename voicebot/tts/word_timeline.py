"""Which written words belong to which audio, for knowing what a caller heard before he interrupted."""

from __future__ import annotations

from datetime import date

from voicebot.tts.audio_source import PromptBuffer
from voicebot.tts.text_normalisation import speakable


class WordTimeline:
    """The phrases of one prompt with the sample at which each begins."""

    def __init__(self) -> None:
        self._phrases: list[tuple[str, int]] = []

    def add(self, text: str, begin: int) -> None:
        """`text` begins at sample `begin`."""
        self._phrases.append((text, begin))

    def until(self, position: int, tape: PromptBuffer) -> str:
        """The words that had been spoken at sample `position`.

        Inside a phrase the time is shared out among its words by the length of their spoken form, which is off by a
        word at most.
        """
        heard: list[str] = []
        ends = [begin for _, begin in self._phrases[1:]]
        for (text, begin), end in zip(self._phrases, [*ends, tape.available], strict=False):
            if position >= end:
                heard.append(text)
            elif position > begin:
                heard.append(_part(text, (position - begin) / (end - begin)))
        return " ".join(words for words in heard if words)


def _part(text: str, share: float) -> str:
    words = text.split()
    weights = [max(1, len(speakable(word, date.today()))) + 1 for word in words]
    total, spoken, count = sum(weights), 0, 0
    for weight in weights:
        spoken += weight
        if spoken > share * total:
            break
        count += 1
    return " ".join(words[:count])
