"""hibari's dictionary and tagger, looked up in a file: as Python's dictionaries they take 72 MB and half a second.

The package reads two dictionaries of 90 000 words and a tagger of 80 000 features into memory. Here they are written
once, as one table, into the cache, and mapped from there. What comes out is the same, word by word.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voicebot.cache.cache_folder import code_version, file_name, open_cache
from voicebot.cache.string_table import StringTable, table_bytes
from voicebot.paths import cache_dir
from voicebot.tts.hibari_package import G2P, Lexicon, Tagger, Tokenizer, asset

TABLE_BYTES = 64_000_000
"""Room for tables on disk: that of one accent is 16 MB."""
_GOLD, _SILVER, _TAG, _VOCABULARY, _WEIGHTS, _TAGS = "gsTvw#"
"""What a key begins with."""
_FEATURES = 512
"""Features whose weights stay decoded: most of a sentence's are in every sentence."""


def phonemizer(british: bool, oov: Callable[[str], str | None]) -> G2P:
    """Text → phonemes.

    Args:
        british: which dictionary.
        oov: reads words that are not in it.
    """
    kept = open_cache(cache_dir() / "hibari", TABLE_BYTES)
    if kept is None or sys.byteorder != "little":
        return G2P(oov, british=british)
    name = file_name("table", british, version("hibari-tts"), code_version(Path(__file__).parent))
    data = kept.map(name)
    if data is None:
        kept.keep_only(())
        kept.write(name, table_bytes(dict(_entries(british))))
        data = kept.map(name)
    return G2P(oov, british=british) if data is None else _mapped(StringTable(data), british, oov)


def _mapped(table: StringTable, british: bool, oov: Callable[[str], str | None]) -> G2P:
    made: Any = G2P.__new__(G2P)
    made.lexicon = Lexicon(_Part(table, _GOLD), _Part(table, _SILVER), british)
    made.tokenizer = Tokenizer(asset("tokenizer_exceptions.json"))
    tagger: Any = Tagger.__new__(Tagger)
    tagger.tags = json.loads(table.get(_TAGS) or "[]")
    tagger.tagdict, tagger.vocab = _Part(table, _TAG), _Part(table, _VOCABULARY)
    tagger.weights = _Weights(table)
    made.tagger = tagger
    made._oov, made.unk, made.british = oov, "", british
    return made


class _Part:
    """One of the package's dictionaries."""

    def __init__(self, table: StringTable, prefix: str) -> None:
        self._table, self._prefix = table, prefix

    def get(self, key: str) -> Any:
        found = self._table.get(self._prefix + key)
        return json.loads(found) if found is not None and found[:1] == "{" else found

    def __contains__(self, key: str) -> bool:
        return self._table.get(self._prefix + key) is not None


class _Weights:
    """The tagger's: feature → tag → weight."""

    def __init__(self, table: StringTable) -> None:
        part = _Part(table, _WEIGHTS)
        self.get = lru_cache(_FEATURES)(part.get)


def _entries(british: bool) -> Iterator[tuple[str, str]]:
    accent = "gb" if british else "us"
    tagger: Mapping[str, Any] = asset("tagger.json.gz")
    dictionaries = {
        _GOLD: asset(f"lexicon_{accent}_gold.json.gz"),
        _SILVER: asset(f"lexicon_{accent}_silver.json.gz"),
        _TAG: tagger["tagdict"],
        _VOCABULARY: dict.fromkeys(tagger["vocab"], ""),
        _WEIGHTS: tagger["weights"],
    }
    yield _TAGS, json.dumps(tagger["tags"])
    for prefix, words in dictionaries.items():
        for word, said in words.items():
            yield prefix + word, said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
