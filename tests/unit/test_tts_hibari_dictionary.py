"""hibari's dictionary in less memory reads as the package's own does."""

from __future__ import annotations

from datetime import date

import pytest
from hibari.g2p import G2P
from onnxruntime import InferenceSession

from voicebot.bench.tts.prompts import PROMPTS
from voicebot.tts.hibari_dictionary import HibariDictionary
from voicebot.tts.packed_table import PackedTable
from voicebot.tts.text_normalisation import speakable

WORDS = (
    "I read the live record; she reads and has read it, used to it, and used it.",
    "Dr. Zyxwv's naïve café résumé isn't 'Ndrangheta's, e.g. in the U.S.A., at 10:30 AM.",
    "Margaret Peacock, Łukasz Żółć and Nguyễn present the present to A, I and AN.",
)


@pytest.fixture(scope="module")
def dictionary() -> HibariDictionary:
    return HibariDictionary(False, lambda path: InferenceSession(str(path)))


@pytest.mark.parametrize("british", [False, True])
def test_it_gives_the_same_phonemes(british: bool) -> None:
    own, ours = G2P(british=british), HibariDictionary(british, lambda path: InferenceSession(str(path)))
    for text in (*WORDS, *(speakable(prompt.text, date(2026, 12, 1)) for prompt in PROMPTS)):
        assert ours(text).rstrip(".") == own(text, normalize_text=False).rstrip(".")


@pytest.mark.parametrize("text", ["I have eigh, B.", "It is open until nine p.m.", "Ask I.T.", "Shall I ask I.T.?"])
def test_the_mark_at_the_end_of_a_sentence_is_kept_after_letters(dictionary: HibariDictionary, text: str) -> None:
    assert dictionary(text)[-1] == text[-1]


@pytest.mark.parametrize(
    ("words", "said_as"),
    [
        ("Please say yes or no.", "Please say yes or know."),
        ("I have a type C and a class L.", "I have a type sea and a class ell."),
        ("James C Brown.", "James sea Brown."),
        ("Gen Z is here.", "Jen Z is here."),
    ],
)
def test_words_are_not_taken_for_abbreviations_or_roman_numbers(
    dictionary: HibariDictionary, words: str, said_as: str
) -> None:
    assert dictionary(words) == dictionary(said_as)


def test_a_table_gives_what_the_object_has() -> None:
    table = PackedTable('{"a":"ˈA","no":null,"used":{"VBD":"jˈuzd","n":-1.5},"\\"q\\"":"\\"","é":1}'.encode())
    assert len(table) == 5
    assert [table.get(name) for name in ("a", "no", "used", '"q"', "é", "VBD", "n", "", "b", "\ud800")] == [
        "ˈA", None, {"VBD": "jˈuzd", "n": -1.5}, '"', 1, None, None, None, None, None
    ]  # fmt: skip


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b'{"a":1', b"null"])
def test_what_is_no_object_is_no_table(text: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        PackedTable(text)
