"""hibari's dictionary and its net for other words, in 20 MB where the package's own takes 100.

The package reads its tables into dicts (300,000 small objects, 0.5 s); here they stay text, see `PackedTable`. Where
their entries begin is found once and kept in the cache.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from voicebot.cache.cache_folder import code_version, file_name, open_cache
from voicebot.paths import cache_dir
from voicebot.tts.hibari_package import ASSETS, G2P, OOV, Lexicon, Tagger, Tokenizer
from voicebot.tts.packed_table import PackedTable

_FOLDER = Path(ASSETS)
INDEX_BYTES = 16_000_000
"""Room for indices on disk: those of one accent are 2 MB."""
_ENDS = ".!?"


class HibariDictionary(G2P):  # type: ignore[misc]
    """What `hibari.g2p.G2P` is, its constructor apart.

    Args:
        british: its words and their sounds, otherwise American.
        session: makes an onnxruntime session of a file.

    Raises:
        OSError, ValueError: the package's files are not what they were.
    """

    def __init__(self, british: bool, session: Any) -> None:
        accent = "gb" if british else "us"
        gold, silver = (_table(_read(f"lexicon_{accent}_{kind}.json.gz")) for kind in ("gold", "silver"))
        self.lexicon = Lexicon(gold, silver, british)
        self.tokenizer = Tokenizer(json.loads((_FOLDER / "tokenizer_exceptions.json").read_bytes()))
        self.tagger = _tagger()
        words = _FOLDER / ("oov_gb.onnx" if british else "oov.onnx")
        self._oov = OOV(str(words), session(words))
        self.unk = ""
        self.british = british

    def __call__(self, text: str, normalize_text: bool = False) -> str:
        """Phonemes of a sentence that holds words only (`text_normalisation`).

        The package's own normaliser is not asked: of "yes or no." it makes "yes or number", of "type C" "type one
        hundred". The mark at the end stays where the package takes it for a part of the last word ("… seven, B.").
        """
        plain = " ".join(text.split())
        spoken = str(super().__call__(plain, normalize_text))
        end = plain[-1:]
        return spoken + end if spoken and end in _ENDS and spoken[-1] not in _ENDS else spoken


def _tagger() -> Tagger:
    rest, name, weights = _read("tagger.json.gz").partition(b',"weights":')
    if not name:
        raise ValueError("tagger.json.gz has no weights")
    return Tagger({**json.loads(rest + b"}"), "weights": _table(weights.removesuffix(b"}"))})


def _table(text: bytes) -> PackedTable:
    kept = open_cache(cache_dir() / "hibari", INDEX_BYTES)
    if kept is None:
        return PackedTable(text)
    name = file_name(hashlib.blake2b(text).hexdigest(), sys.byteorder, code_version(Path(__file__).parent))
    index = kept.read(name)
    table = PackedTable(text, index)
    if index is None:
        kept.write(name, table.index)
    return table


def _read(name: str) -> bytes:
    return gzip.decompress((_FOLDER / name).read_bytes())
