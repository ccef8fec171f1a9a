"""How amounts of money are said."""

from __future__ import annotations

CURRENCIES = ("dollars", "dollar", "bucks", "euros", "euro", "pounds", "cents", "percent")
CENTS = ("cents", "cent")
ROUND = ("a thousand", "a hundred", "a million")
ROUGHLY = ("about", "around")
UNITS = frozenset([*CURRENCIES, *CENTS])
"""Words that an amount ends in when it is whole."""
