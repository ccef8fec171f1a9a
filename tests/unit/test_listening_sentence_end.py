"""Whether somebody goes on is read from his words."""

import pytest

from voicebot.asr.engine import Transcript
from voicebot.listening.sentence_end import Ending, ending


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("Where is my order?", Ending.OVER),
        ("When will it be here.", Ending.OVER),
        ("If it is late can I get a refund.", Ending.OVER),
        ("If it is late, I want a refund.", Ending.OVER),
        ("If it is late I would like my money back and you keep it.", Ending.OVER),
        ("Since when do you close at noon?", Ending.OVER),
        ("I bought a lamp. It is broken.", Ending.OVER),
        ("Go forward ten meters.", Ending.OVER),
        ("A lamp, a table and two chairs.", Ending.OVER),
        ("Where is my order", Ending.DOUBTFUL),
        ("Hello.", Ending.MAY_GO_ON),
        ("My number is four seven.", Ending.MAY_GO_ON),
        ("It is 4 7.", Ending.MAY_GO_ON),
        ("Two lamps, four chairs.", Ending.MAY_GO_ON),
        ("Two lamps, and four chairs.", Ending.OVER),
        ("I want to book an", Ending.OPEN),
        ("Unless it is here by tomorrow.", Ending.OPEN),
        ("I bought a lamp. If it is broken.", Ending.OPEN),
        ("When the lamp came,", Ending.OPEN),
        ("", Ending.OPEN),
    ],
)
def test_how_a_sentence_ends(text: str, how: Ending) -> None:
    assert ending(Transcript(text, 0.9)) is how


def test_punctuation_of_a_doubtful_transcript_is_not_believed() -> None:
    assert ending(Transcript("Where is my order?", 0.3)) is Ending.DOUBTFUL
