"""Northwind's database and its rules. Blocking; used from one thread."""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from voicebot.demo import seed

WRONG_PINS = 3
LOCK = timedelta(minutes=15)
"""How long `WRONG_PINS` wrong ones lock an employee number."""
CHECK_LASTS = timedelta(minutes=5)
"""A passed identity check allows one password reset within this time."""
LOOK_AHEAD_DAYS = 60

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE orders (number TEXT PRIMARY KEY, state TEXT NOT NULL, item TEXT NOT NULL, eta TEXT);
CREATE TABLE employees (number TEXT PRIMARY KEY, name TEXT NOT NULL, phone TEXT NOT NULL, salt BLOB NOT NULL,
                        pin_hash BLOB NOT NULL);
CREATE TABLE appointments (id INTEGER PRIMARY KEY, date TEXT NOT NULL, time TEXT NOT NULL, service TEXT NOT NULL,
                           phone TEXT NOT NULL, reference TEXT UNIQUE, created TEXT NOT NULL, UNIQUE (date, time));
CREATE TABLE identity_checks (id INTEGER PRIMARY KEY, employee TEXT NOT NULL, ok INTEGER NOT NULL, at TEXT NOT NULL,
                              used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE password_resets (id INTEGER PRIMARY KEY, employee TEXT NOT NULL REFERENCES employees (number),
                              reset_id TEXT UNIQUE NOT NULL, at TEXT NOT NULL);
CREATE TABLE answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
"""

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """An HTTP status and what goes with it."""

    status: int
    body: dict[str, Any]


class CompanyDatabase:
    """The database.

    Args:
        path: its file; made and filled when it is not there.
        now: local time.
    """

    def __init__(self, path: Path, now: Now = datetime.now) -> None:
        self._now = now
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._open_for_today()

    def close(self) -> None:
        self._db.close()

    def _open_for_today(self) -> None:
        today = self._now().date()
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            if not self._row("SELECT 1 FROM sqlite_master WHERE name = 'orders'"):
                self._fill(today)
            day = date.fromisoformat(self._meta("today"))
            if day != today:  # a demo that was put away for a week is still about today
                self._db.execute("UPDATE orders SET eta = date(eta, ?)", (f"{(today - day).days} days",))
            first = max(today, date.fromisoformat(self._meta("calendar_until")))
            until = today + timedelta(days=seed.CALENDAR_DAYS)
            for slot_day, slot in seed.calendar(first, max(0, (until - first).days)):
                self._db.execute(
                    "INSERT OR IGNORE INTO appointments (date, time, service, phone, created) VALUES (?, ?, ?, '', ?)",
                    (slot_day.isoformat(), _clock(slot), "booked earlier", _stamp(self._now())),
                )
            self._set_meta("today", today.isoformat())
            self._set_meta("calendar_until", max(first, until).isoformat())

    def _fill(self, today: date) -> None:
        for statement in _TABLES.split(";"):
            self._db.execute(statement)
        for order in seed.orders():
            eta = None if order.eta_days is None else (today + timedelta(days=order.eta_days)).isoformat()
            row = (order.number, order.state, order.item, eta)
            self._db.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", row)
        for one in seed.employees():
            salt = secrets.token_bytes(16)
            row_ = (one.number, one.name, one.phone, salt, seed.hashed(one.pin, salt))
            self._db.execute("INSERT INTO employees VALUES (?, ?, ?, ?, ?)", row_)
        self._set_meta("today", today.isoformat())
        self._set_meta("calendar_until", today.isoformat())

    def _row(self, statement: str, *args: Any) -> sqlite3.Row | None:
        with closing(self._db.execute(statement, args)) as cursor:
            row: sqlite3.Row | None = cursor.fetchone()
            return row

    def _meta(self, name: str) -> str:
        row = self._row("SELECT value FROM meta WHERE name = ?", name)
        return str(row["value"]) if row else ""

    def _set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def once(self, key: str, request: str, do: Callable[[], ServiceAnswer]) -> ServiceAnswer:
        """Do something in one transaction, and at most once for one idempotency key.

        Args:
            key: the caller's ``Idempotency-Key``; empty for none.
            request: what is asked, to tell a repetition from a key used twice.
            do: does it; its answer is kept with the key when it succeeded.
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            known = self._row("SELECT request, status, body FROM answers WHERE key = ?", key) if key else None
            if known is not None:
                if known["request"] != request:
                    return ServiceAnswer(422, {"error": "this Idempotency-Key was used for something else"})
                return ServiceAnswer(known["status"], json.loads(known["body"]))
            answer = do()
            if key and answer.status < 400:
                row = (key, request, answer.status, json.dumps(answer.body))
                self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", row)
            return answer

    # ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────

    def order(self, number: str) -> ServiceAnswer:
        """One order, or 404."""
        row = self._row("SELECT number, state, item, eta FROM orders WHERE number = ?", number)
        return ServiceAnswer(200, dict(row)) if row else ServiceAnswer(404, {"error": "no such order"})

    def known_orders(self, numbers: list[str]) -> ServiceAnswer:
        """Those of the numbers that there are orders for."""
        return ServiceAnswer(
            200, {"numbers": [n for n in numbers if self._row("SELECT 1 FROM orders WHERE number = ?", n)]}
        )

    def overview(self) -> dict[str, Any]:
        """What a person who tries the demo needs to know; no PINs."""
        with closing(self._db.execute("SELECT number, state, item, eta FROM orders ORDER BY state, number")) as found:
            all_orders = [dict(row) for row in found]
        with closing(self._db.execute("SELECT number, name FROM employees ORDER BY name")) as found:
            staff = [dict(row) for row in found]
        return {"orders": all_orders, "employees": staff}

    # ── appointments ─────────────────────────────────────────────────────────────────────────────────────────────

    def _is_free(self, day: date, slot: time) -> bool:
        if slot not in seed.open_times(day) or datetime.combine(day, slot) <= self._now():
            return False
        return not self._row("SELECT 1 FROM appointments WHERE date = ? AND time = ?", day.isoformat(), _clock(slot))

    def _nearest(self, day: date, slot: time) -> tuple[date, time] | None:
        """The free slot nearest to a time: on that day if there is one, otherwise on the first day after it."""
        first = max(day, self._now().date())
        for ahead in range(LOOK_AHEAD_DAYS):
            other = first + timedelta(days=ahead)
            free = [one for one in seed.open_times(other) if self._is_free(other, one)]
            if free:
                return other, min(free, key=lambda one: abs(_minutes(one) - _minutes(slot)))
        return None

    def slot(self, day: date, slot: time) -> ServiceAnswer:
        """Whether a time is free, and otherwise the nearest that is."""
        free = self._is_free(day, slot)
        other = None if free else self._nearest(day, slot)
        return ServiceAnswer(
            200,
            {
                "free": free,
                "alternative_date": other[0].isoformat() if other else None,
                "alternative_time": _clock(other[1]) if other else None,
            },
        )

    def book(self, day: date, slot: time, service: str, phone: str) -> ServiceAnswer:
        """Take a slot: 201 with a five-digit reference, or 409 with the nearest free one."""
        if not self._is_free(day, slot):
            return ServiceAnswer(409, {"error": "this time is not free", **self.slot(day, slot).body})
        row = self._row("SELECT coalesce(max(id), 0) + 1 AS next FROM appointments")
        number = row["next"] if row else 1
        reference = str(10000 + number * 7919 % 90000)  # 7919 is prime to 90000: no two of 90,000 are the same
        self._db.execute(
            "INSERT INTO appointments VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, day.isoformat(), _clock(slot), service, phone, reference, _stamp(self._now())),
        )
        return ServiceAnswer(201, {"reference": reference, "date": day.isoformat(), "time": _clock(slot)})

    # ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────

    def check_identity(self, employee: str, pin: str) -> ServiceAnswer:
        """Whether a PIN is right. Unknown numbers get the same answers as wrong PINs, and the same lock."""
        now = self._now()
        if self._wrong_in_a_row(employee, now) >= WRONG_PINS:
            return ServiceAnswer(200, {"ok": False, "locked": True, "name": None, "phone_end": None})
        row = self._row("SELECT name, phone, salt, pin_hash FROM employees WHERE number = ?", employee)
        salt, expected = (row["salt"], row["pin_hash"]) if row else (b"nobody", b"")
        ok = hmac.compare_digest(seed.hashed(pin, salt), expected)
        self._db.execute("INSERT INTO identity_checks (employee, ok, at) VALUES (?, ?, ?)", (employee, ok, _stamp(now)))
        if row and ok:
            return ServiceAnswer(
                200, {"ok": True, "locked": False, "name": row["name"], "phone_end": row["phone"][-4:]}
            )
        locked = self._wrong_in_a_row(employee, now) >= WRONG_PINS
        return ServiceAnswer(200, {"ok": False, "locked": locked, "name": None, "phone_end": None})

    def _wrong_in_a_row(self, employee: str, now: datetime) -> int:
        row = self._row(
            "SELECT count(*) AS wrong FROM identity_checks WHERE employee = ?1 AND NOT ok AND at > ?2"
            " AND id > (SELECT coalesce(max(id), 0) FROM identity_checks WHERE employee = ?1 AND ok)",
            employee,
            _stamp(now - LOCK),
        )
        return int(row["wrong"]) if row else 0

    def reset_password(self, employee: str) -> ServiceAnswer:
        """Note a password reset: 201, or 403 unless an identity check has just been passed and not been used yet."""
        now = self._now()
        check = self._row(
            "SELECT id FROM identity_checks WHERE employee = ? AND ok AND NOT used AND at > ? ORDER BY id DESC",
            employee,
            _stamp(now - CHECK_LASTS),
        )
        if check is None:
            return ServiceAnswer(403, {"error": "identity not checked"})
        self._db.execute("UPDATE identity_checks SET used = 1 WHERE id = ?", (check["id"],))
        reset_id = f"R{secrets.randbelow(900000) + 100000}"
        self._db.execute(
            "INSERT INTO password_resets (employee, reset_id, at) VALUES (?, ?, ?)", (employee, reset_id, _stamp(now))
        )
        return ServiceAnswer(201, {"reset_id": reset_id})


def _clock(slot: time) -> str:
    return slot.strftime("%H:%M")


def _minutes(slot: time) -> int:
    return slot.hour * 60 + slot.minute


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
