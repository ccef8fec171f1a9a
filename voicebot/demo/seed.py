"""What is in Northwind's database on its first day; the same every time, with dates relative to today."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import date, time, timedelta

ORDERS = 40
OPENS, CLOSES = time(9, 0), time(17, 0)
SLOT_MINUTES = 30
CALENDAR_DAYS = 30
"""Days ahead for which other people's appointments are made up."""
_SEED = 1996
_ITEMS = (
    "a standing desk", "an office chair", "two monitor arms", "a coffee machine", "a laser printer", "a box of toner",
    "a desk lamp", "a conference phone", "a set of notebooks", "a paper shredder", "a filing cabinet", "a headset",
)  # fmt: skip
_STATES = ("shipped", "processing", "delivered", "delayed", "cancelled")
_NAMES = (
    "Nancy Davies", "Andrew Fuller", "Janet Levering", "Margaret Peacock", "Steven Buchanan", "Michael Suyama",
    "Robert King", "Laura Callahan", "Anne Dodsworth", "Priya Raman", "Tomas Novak", "Grace Okafor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeedOrder:
    number: str
    """Six digits; the last is a Luhn check digit over the others."""
    state: str
    item: str
    eta_days: int | None
    """Days from the first day; None when nothing is on its way."""


@dataclass(frozen=True, slots=True)
class SeedEmployee:
    number: str
    """Five digits."""
    name: str
    pin: str
    """Four digits; the database has only a hash of it."""
    phone: str


def check_digit(digits: str) -> str:
    """The Luhn check digit that belongs behind `digits` (ISO/IEC 7812-1 annex B)."""
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = int(char) * (1 if i % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def orders() -> list[SeedOrder]:
    """All orders; the states take turns, so each occurs eight times."""
    rng = random.Random(_SEED)
    bodies = rng.sample(range(10000, 100000), ORDERS)
    made = []
    for i, body in enumerate(bodies):
        state = _STATES[i % len(_STATES)]
        eta = {
            "shipped": rng.randint(1, 4),
            "processing": rng.randint(3, 9),
            "delivered": -rng.randint(1, 6),
            "delayed": rng.randint(6, 14),
        }.get(state)
        made.append(SeedOrder(f"{body}{check_digit(str(body))}", state, rng.choice(_ITEMS), eta))
    return made


def employees() -> list[SeedEmployee]:
    """All employees, with PINs in the clear: for the first day and for `examples` only."""
    rng = random.Random(_SEED + 1)
    numbers = rng.sample(range(10000, 100000), len(_NAMES))
    pins = rng.sample(range(1000, 10000), len(_NAMES))
    return [
        SeedEmployee(str(number), name, str(pin), f"+1555{rng.randint(100, 999)}{rng.randint(1000, 9999)}")
        for number, name, pin in zip(numbers, _NAMES, pins, strict=True)
    ]


def hashed(pin: str, salt: bytes) -> bytes:
    """The PIN as it is stored (scrypt, RFC 7914; parameters for an interactive login on small machines)."""
    return hashlib.scrypt(pin.encode(), salt=salt, n=2**12, r=8, p=1, dklen=32)


def open_times(day: date) -> list[time]:
    """Beginnings of the appointments of a day, half-hourly from 9:00 to 16:30; none at weekends."""
    if day.weekday() >= 5:
        return []
    first = OPENS.hour * 60 + OPENS.minute
    last = CLOSES.hour * 60 + CLOSES.minute
    return [time(minute // 60, minute % 60) for minute in range(first, last, SLOT_MINUTES)]


def taken_times(day: date) -> list[time]:
    """Appointments of other people on a day: about a quarter, the same for the same date."""
    rng = random.Random(day.toordinal())
    return [slot for slot in open_times(day) if rng.random() < 0.25]


def calendar(first: date, days: int) -> list[tuple[date, time]]:
    """Other people's appointments on `days` days from `first`."""
    dates = [first + timedelta(days=i) for i in range(days)]
    return [(day, slot) for day in dates for slot in taken_times(day)]


def examples() -> dict[str, str]:
    """What to say to the demo: ``order`` (a shipped one), ``employee``, its ``pin`` and its ``name``."""
    order = next(order for order in orders() if order.state == "shipped")
    someone = employees()[0]
    return {"order": order.number, "employee": someone.number, "pin": someone.pin, "name": someone.name}
