"""hibari's dictionary in less memory reads as the package's own does."""

from __future__ import annotations

import pytest
from hibari.g2p import G2P
from onnxruntime import InferenceSession

from voicebot.bench.tts.prompts import PROMPTS
from voicebot.tts.hibari_dictionary import HibariDictionary
from voicebot.tts.packed_table import PackedTable

WORDS = (
    "I read the live record; she reads and has read it, used to it, and used it.",
    "Dr. Zyxwv's naïve café résumé isn't 'Ndrangheta's, e.g. in the U.S.A., at 10:30 AM.",
    "Margaret Peacock, Łukasz Żółć and Nguyễn present the present to A, I and AN.",
)


@pytest.mark.parametrize("british", [False, True])
def test_it_gives_the_same_phonemes(british: bool) -> None:
    own, ours = G2P(british=british), HibariDictionary(british, lambda path: InferenceSession(str(path)))
    for text in (*WORDS, *(prompt.text for prompt in PROMPTS)):
        assert ours(text) == own(text)


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
