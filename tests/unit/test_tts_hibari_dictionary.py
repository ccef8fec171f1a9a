"""hibari's dictionary in a file says what the package's own says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hibari.g2p import G2P

from voicebot.cache.string_table import StringTable, table_bytes
from voicebot.tts.hibari_dictionary import phonemizer

TEXTS = [
    "Thank you for calling Northwind, this is the automated assistant. How can I help you today?",
    "Your order 471102 was shipped on the 3rd of March 2024, and costs $1,250.99.",
    "I read it yesterday; will you read it live, or record a record?",
    "Dr. Smith's PIN is A-B-7, isn't it? The USA, NATO and O'Brien's hopped, hugged and wanted it.",
    "Wroblewski Xyzzyq naïve café — and/or … \"quoted\" it's 7:30 p.m.",
    "A", "an AM I to the TO used to in In vs. by", "ÀÉÎ 数字 🙂 \ud800",
]  # fmt: skip


@pytest.mark.parametrize("british", [False, True])
def test_every_text_becomes_the_same_phonemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, british: bool) -> None:
    monkeypatch.setenv("VOICEBOT_CACHE", str(tmp_path))
    theirs = G2P(lambda word: f"<{word}>", british=british)
    for _ in range(2):  # the table is made, then found
        ours = phonemizer(british, lambda word: f"<{word}>")
        assert type(ours.lexicon.golds.d).__name__ == "_Part"
        assert [ours(text) for text in TEXTS] == [theirs(text) for text in TEXTS]
    words = [*theirs.lexicon.golds.d, *theirs.lexicon.silvers.d][::97]
    assert [ours(word) for word in words] == [theirs(word) for word in words]


def test_without_a_folder_to_write_to_the_package_reads_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hibari").write_text("in the way")
    monkeypatch.setenv("VOICEBOT_CACHE", str(tmp_path))
    assert phonemizer(False, lambda word: word)("order") == G2P(lambda word: word)("order")


def test_a_table_finds_what_is_in_it_and_nothing_else() -> None:
    entries = {f"word {n}": f"value {n}" * (n % 5) for n in range(5000)} | {"": "nothing", "ä": "ö"}
    table = StringTable(memoryview(table_bytes(entries)))
    assert {key: table.get(key) for key in entries} == entries
    assert [table.get(key) for key in ("word", "word 5000", "WORD 1", "\0", "\ud800")] == [None] * 5


def test_an_empty_table_is_a_table_and_a_cut_one_is_none() -> None:
    assert StringTable(memoryview(table_bytes({}))).get("a") is None
    whole = table_bytes({"a": "b"})
    for size in (0, 3, 4, 9):
        with pytest.raises(ValueError, match="no table"):
            StringTable(memoryview(whole[:size]))
