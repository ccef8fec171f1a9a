"""The package hibari, imported without SciPy; whoever needs something of it takes it from here.

`scipy.fft` takes 19 MB and a quarter of a second of every start. Without it the package uses numpy's transform, which
costs 1.2 ms of CPU more for a second of speech (13 in place of 12) and sounds the same (they differ by 1e-7).
"""

from __future__ import annotations

import sys
from typing import Any

_SCIPY = "scipy.fft"


def _imported() -> Any:
    """hibari, whose own import falls back where there is no `scipy.fft`; who else needs that gets it all the same."""
    loaded = sys.modules.get(_SCIPY)
    sys.modules[_SCIPY] = None  # type: ignore[assignment]
    try:
        import hibari
    finally:
        del sys.modules[_SCIPY]
        if loaded is not None:
            sys.modules[_SCIPY] = loaded
    return hibari


hibari = _imported()

from hibari.g2p import G2P  # noqa: E402 - nothing of the package may be imported before
from hibari.g2p.lexicon import Lexicon  # noqa: E402
from hibari.g2p.oov import OOV  # noqa: E402
from hibari.g2p.tagger import Tagger  # noqa: E402
from hibari.g2p.tokenize import Tokenizer  # noqa: E402
from hibari.tts import ASSETS  # noqa: E402
from hibari.voices import VOICES, voice_path  # noqa: E402

__all__ = ["ASSETS", "G2P", "OOV", "VOICES", "Lexicon", "Tagger", "Tokenizer", "hibari", "voice_path"]
