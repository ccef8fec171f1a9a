"""The vocabulary of Moonshine: its file, and how sure words are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from voicebot.asr.moonshine_vocabulary import Vocabulary
from voicebot.errors import ModelMissing

PIECES = ["▁ice", "d", ",", "▁tea", ".", "x" * 200]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Special tokens, then `PIECES`; a piece of more than 127 bytes has a length of two bytes."""
    pieces = [b""] * 3 + [bytes([i]) for i in range(256)] + [piece.encode() for piece in PIECES]
    lengths = [bytes([len(p)]) if len(p) < 128 else bytes([len(p) % 128 + 128, len(p) // 128]) for p in pieces]
    (tmp_path / "tokenizer.bin").write_bytes(b"".join(n + p for n, p in zip(lengths, pieces, strict=True)))
    return tmp_path / "tokenizer.bin"


ICE, D, COMMA, TEA, DOT, LONG = range(259, 265)


def test_pieces_and_text_come_from_the_file(file: Path) -> None:
    vocabulary = Vocabulary(file)
    assert len(vocabulary) == 265
    assert vocabulary.text([1, ICE, D, COMMA, TEA, DOT, 2]) == "iced, tea."
    assert vocabulary.piece(LONG) == PIECES[-1]


def test_a_word_is_as_sure_as_its_tokens_on_average_whatever_its_marks(file: Path) -> None:
    tokens, sure = (ICE, D, COMMA, TEA, DOT), (0.9, 0.4, 0.01, 0.5, 0.02)
    words = Vocabulary(file).words(tokens, [math.log(p) for p in sure])
    assert [word.text for word in words] == ["iced,", "tea."]
    assert [word.confidence for word in words] == pytest.approx([math.sqrt(0.9 * 0.4), 0.5])


def test_a_file_that_is_cut_off_is_damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelMissing, match="damaged"):
        Vocabulary(file)
