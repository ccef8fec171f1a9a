"""Whether somebody goes on is read from his words."""

import pytest

from voicebot.asr.recogniser import Transcript
from voicebot.listening.sentence_end import SentenceEnd, judge


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("Where is my order?", SentenceEnd.OVER),
        ("When will it be here.", SentenceEnd.OVER),
        ("If it is late can I get a refund.", SentenceEnd.OVER),
        ("If it is late, I want a refund.", SentenceEnd.OVER),
        ("If it is late I would like my money back and you keep it.", SentenceEnd.OVER),
        ("Since when do you close at noon?", SentenceEnd.OVER),
        ("I bought a lamp. It is broken.", SentenceEnd.OVER),
        ("Go forward ten meters.", SentenceEnd.OVER),
        ("A lamp, a table and two chairs.", SentenceEnd.OVER),
        ("Where is my order", SentenceEnd.DOUBTFUL),
        ("Hello.", SentenceEnd.MAY_GO_ON),
        ("My number is four seven.", SentenceEnd.MAY_GO_ON),
        ("It is 4 7.", SentenceEnd.MAY_GO_ON),
        ("Two lamps, four chairs.", SentenceEnd.MAY_GO_ON),
        ("Two lamps, and four chairs.", SentenceEnd.OVER),
        ("I want to book an", SentenceEnd.OPEN),
        ("Unless it is here by tomorrow.", SentenceEnd.OPEN),
        ("I bought a lamp. If it is broken.", SentenceEnd.OPEN),
        ("When the lamp came,", SentenceEnd.OPEN),
        ("", SentenceEnd.OPEN),
    ],
)
def test_how_a_sentence_ends(text: str, how: SentenceEnd) -> None:
    assert judge(Transcript(text, 0.9)) is how


def test_punctuation_of_a_doubtful_transcript_is_not_believed() -> None:
    assert judge(Transcript("Where is my order?", 0.3)) is SentenceEnd.DOUBTFUL
