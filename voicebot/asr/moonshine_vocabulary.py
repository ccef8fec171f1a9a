"""The vocabulary file of Moonshine (``tokenizer.bin``): for each token its length, then that many bytes of UTF-8."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from voicebot.asr.decoding_graph import TokenTrie
from voicebot.errors import ModelMissing
from voicebot.messages import Word

BOS, EOS = 1, 2
_FIRST_TEXT = 259
"""Tokens before this are special or single raw bytes."""
_SPACE = "▁"


class Vocabulary:
    """Token → text, and the trie that grammars need.

    Raises:
        ModelMissing: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._pieces = _pieces(path)
        self.texts = [self.piece(token) for token in range(len(self._pieces))]
        """Text of each token, its leading space kept."""
        self.trie = TokenTrie.build(enumerate(self.texts[_FIRST_TEXT:], _FIRST_TEXT))

    def __len__(self) -> int:
        return len(self._pieces)

    def piece(self, token: int) -> str:
        """Text of one token, its leading space kept."""
        return self._pieces[token].decode("utf-8", "replace").replace(_SPACE, " ")

    def text(self, tokens: Iterable[int]) -> str:
        """Text of a sequence."""
        joined = b"".join(self._pieces[t] for t in tokens if t > EOS)
        return joined.decode("utf-8", "replace").replace(_SPACE, " ").strip()

    def words(self, tokens: Sequence[int], logs: Sequence[float]) -> tuple[Word, ...]:
        """Words of a sequence, each with the geometric mean of its tokens' probabilities; marks do not count.

        Args:
            logs: log-probability of each token.
        """
        spoken: list[tuple[list[int], list[float]]] = []
        for token, log in zip(tokens, logs, strict=True):
            text = self.texts[token]
            if not spoken or text.startswith(" "):
                spoken.append(([], []))
            spoken[-1][0].append(token)
            if any(char.isalnum() for char in text):
                spoken[-1][1].append(log)
        return tuple(Word(self.text(said), math.exp(sum(sure) / len(sure))) for said, sure in spoken if sure)


def _pieces(path: Path) -> list[bytes]:
    data = path.read_bytes()
    pieces, at = [], 0
    while at < len(data):
        size, at = data[at], at + 1
        if size >= 128:  # two bytes: the low seven bits first
            if at >= len(data):
                break
            size, at = data[at] * 128 + size - 128, at + 1
        pieces.append(data[at : at + size])
        at += size
    if at != len(data) or len(pieces) <= _FIRST_TEXT:
        raise ModelMissing(f"{path} is damaged", "fetch it again: voicebot models pull")
    return pieces
