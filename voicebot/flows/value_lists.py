"""Values that exist, from a column of a CSV file: read once, when the flow is loaded."""

from __future__ import annotations

import csv
from pathlib import Path

from voicebot.nlu.specs import Slot

MAX_BYTES = 50_000_000


class ListError(ValueError):
    """A file of values that cannot be used."""


def existing(slot: Slot, folder: Path) -> frozenset[str] | None:
    """What a slot's `Lookup.file` lists, as values of this slot; None for a slot without one.

    Raises:
        ListError: the file cannot be read, has no such column, or nothing in it.
    """
    if slot.lookup is None or slot.lookup.file is None:
        return None
    path, column = folder / slot.lookup.file, slot.lookup.column
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ListError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if column not in (rows.fieldnames or ()):
                raise ListError(f"{path} has no column {column!r}")
            values = frozenset(value for row in rows if (value := normal(slot, row[column] or "")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ListError(f"{path} cannot be read: {error}") from None
    if not values:
        raise ListError(f"{path} has nothing in column {column!r}")
    return values


def normal(slot: Slot, text: str) -> str:
    """A value as the slot's parsers write it, whatever stands between its characters in a list."""
    if slot.type == "digits":
        return "".join(c for c in text if c.isdigit())
    if slot.type == "alnum":
        return "".join(c for c in text.upper() if c.isalnum())
    return text.strip().lower() if slot.type == "email" else text.strip()
