"""How sure an intent is, in words: what the dialog may do with it."""

from __future__ import annotations

from typing import Literal

Band = Literal["accept", "confirm", "reject", ""]
"""accept: go ahead; confirm: ask first; reject: it is nothing that is offered; empty: nobody looked."""
