"""Northwind's service does what the demo's flow asks, by its rules, and forgets no rule when asked twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from voicebot import log
from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.demo import seed
from voicebot.demo.company import examples, make_app
from voicebot.demo.process import start_company
from voicebot.demo.store import CompanyDatabase
from voicebot.errors import VoicebotError
from voicebot.messages import Do, Result
from voicebot.paths import DIALOGS

NOW = datetime(2026, 11, 20, 10, 7)  # a Friday
DAY = date(2026, 11, 24)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "northwind.db"


@pytest.fixture
def store(file: Path, clock: Clock) -> Iterator[CompanyDatabase]:
    it = CompanyDatabase(file, clock)
    yield it
    it.close()


@pytest.fixture
async def client(file: Path, clock: Clock) -> AsyncIterator[TestClient[Any, Any]]:
    with ThreadPoolExecutor(1) as thread:
        store = thread.submit(CompanyDatabase, file, clock).result()
        async with TestClient(TestServer(make_app(store, thread))) as it:
            yield it
        thread.submit(store.close).result()


def rows(file: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute(query).fetchall()


def luhn(digits: str) -> bool:
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(c), 10)) for c in even)) % 10 == 0


def free_and_taken(day: date) -> tuple[time, time]:
    taken = seed.taken_times(day)
    return next(slot for slot in seed.open_times(day) if slot not in taken), taken[0]


# ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_are_forty_orders_with_check_digits_in_all_states() -> None:
    orders = seed.orders()
    assert len({order.number for order in orders}) == 40
    assert all(len(order.number) == 6 and luhn(order.number) for order in orders)
    assert {order.state for order in orders} == {"shipped", "processing", "delivered", "delayed", "cancelled"}


def test_a_new_database_is_the_same_every_time(file: Path, clock: Clock, tmp_path: Path) -> None:
    for path in (file, tmp_path / "again.db"):
        CompanyDatabase(path, clock).close()
    for query in (
        "select * from orders",
        "select number, name, phone from employees",
        "select date, time from appointments",
    ):
        assert rows(file, query) == rows(tmp_path / "again.db", query) != []


def test_pins_are_stored_hashed_only(store: CompanyDatabase, file: Path) -> None:
    some = examples()
    (row,) = rows(file, f"select * from employees where number = '{some['employee']}'")
    *open_fields, salt, pin_hash = row
    assert some["pin"] not in open_fields
    assert pin_hash == seed.hashed(some["pin"], salt) != seed.hashed(some["pin"], b"other salt")


def test_after_a_week_in_the_drawer_dates_are_about_today_again(file: Path, clock: Clock) -> None:
    CompanyDatabase(file, clock).close()
    number = examples()["order"]
    before = date.fromisoformat(rows(file, f"select eta from orders where number = '{number}'")[0][0])
    clock.now += timedelta(days=7)
    CompanyDatabase(file, clock).close()
    after = date.fromisoformat(rows(file, f"select eta from orders where number = '{number}'")[0][0])
    assert (after - before).days == 7
    last = rows(file, "select max(date) from appointments")[0][0]
    assert date.fromisoformat(last) > clock.now.date() + timedelta(days=25)


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_is_found_by_its_number(client: TestClient[Any, Any]) -> None:
    response = await client.get(f"/orders/{examples()['order']}")
    order = await response.json()
    assert response.status == 200
    assert (order["number"], order["state"]) == (examples()["order"], "shipped")
    assert date.fromisoformat(order["eta"]) > NOW.date()
    assert (await client.get("/orders/000000")).status == 404
    known = await client.get("/orders", params={"numbers": f"000000,{examples()['order']},111111"})
    assert await known.json() == {"numbers": [examples()["order"]]}
    assert (await client.get("/orders", params={"numbers": "1' OR 1=1"})).status == 400


# ── appointments ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_free_slot_is_free_and_a_taken_one_has_the_nearest_instead(store: CompanyDatabase) -> None:
    free, taken = free_and_taken(DAY)
    assert store.slot(DAY, free).body == {"free": True, "alternative_date": None, "alternative_time": None}
    other = store.slot(DAY, taken).body
    assert (other["free"], other["alternative_date"]) == (False, DAY.isoformat())
    assert time.fromisoformat(other["alternative_time"]) not in seed.taken_times(DAY)


@pytest.mark.parametrize(
    ("day", "slot", "alternative"),
    [
        (date(2026, 11, 21), time(10, 0), "2026-11-23"),  # Saturday → Monday
        (date(2026, 11, 2), time(10, 0), "2026-11-20"),  # past → today, a Friday
        (date(2026, 11, 24), time(3, 0), "2026-11-24"),  # closed at that hour
        (date(2026, 11, 24), time(10, 10), "2026-11-24"),  # between slots
        (date(2030, 1, 1), time(3, 0), "2030-01-01"),
    ],
)
def test_times_when_nobody_is_there_are_not_free(
    store: CompanyDatabase, day: date, slot: time, alternative: str
) -> None:
    found = store.slot(day, slot).body
    assert (found["free"], found["alternative_date"]) == (False, alternative)


def test_no_slot_of_today_that_is_over_is_offered(store: CompanyDatabase) -> None:
    found = store.slot(NOW.date(), time(9, 0)).body
    assert datetime.combine(NOW.date(), time.fromisoformat(found["alternative_time"])) > NOW


async def test_booking_takes_the_slot_and_a_second_one_gets_409(client: TestClient[Any, Any], file: Path) -> None:
    free, _ = free_and_taken(DAY)
    body = {
        "date": DAY.isoformat(),
        "time": free.strftime("%H:%M"),
        "service": "repair",
        "phone": "sip:anna@192.0.2.7:5061",
    }
    first = await client.post("/appointments", json=body, headers={"Idempotency-Key": "one"})
    again = await client.post("/appointments", json=body, headers={"Idempotency-Key": "one"})
    other = await client.post("/appointments", json=body, headers={"Idempotency-Key": "two"})
    assert (first.status, again.status, other.status) == (201, 201, 409)
    reference = (await first.json())["reference"]
    assert len(reference) == 5
    assert (await again.json())["reference"] == reference
    assert (await other.json())["alternative_time"] != body["time"]
    assert rows(file, "select date, time, service, phone from appointments where reference is not null") == [
        (body["date"], body["time"], "repair", "sip:anna@192.0.2.7:5061")
    ]


async def test_a_key_used_for_something_else_is_refused(client: TestClient[Any, Any]) -> None:
    body = {"date": DAY.isoformat(), "time": free_and_taken(DAY)[0].strftime("%H:%M"), "service": "a", "phone": None}
    for service, status in (("a", 201), ("b", 422)):
        answer = await client.post("/appointments", json={**body, "service": service}, headers={"Idempotency-Key": "k"})
        assert answer.status == status


def test_references_are_never_the_same() -> None:
    assert len({10000 + number * 7919 % 90000 for number in range(90000)}) == 90000


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────────────


def check(store: CompanyDatabase, employee: str, pin: str) -> dict[str, Any]:
    return store.once("", "", lambda: store.check_identity(employee, pin)).body


def reset(store: CompanyDatabase, employee: str) -> int:
    return store.once("", "", lambda: store.reset_password(employee)).status


def test_a_password_is_reset_once_after_a_passed_check(store: CompanyDatabase, file: Path) -> None:
    one = seed.employees()[0]
    assert reset(store, one.number) == 403
    assert check(store, one.number, one.pin) == {
        "ok": True, "locked": False, "name": one.name, "phone_end": one.phone[-4:],
    }  # fmt: skip
    assert reset(store, one.number) == 201
    assert reset(store, one.number) == 403
    assert len(rows(file, "select * from password_resets")) == 1


def test_a_passed_check_lasts_five_minutes_and_helps_nobody_else(store: CompanyDatabase, clock: Clock) -> None:
    one, other = seed.employees()[:2]
    check(store, one.number, one.pin)
    assert reset(store, other.number) == 403
    clock.now += timedelta(minutes=6)
    assert reset(store, one.number) == 403


def test_three_wrong_pins_lock_the_number_even_for_the_right_one(store: CompanyDatabase, clock: Clock) -> None:
    one = seed.employees()[0]
    assert [check(store, one.number, "0000")["locked"] for _ in range(3)] == [False, False, True]
    assert check(store, one.number, one.pin) == {"ok": False, "locked": True, "name": None, "phone_end": None}
    clock.now += timedelta(minutes=16)
    assert check(store, one.number, one.pin)["ok"]


def test_a_right_pin_starts_the_count_anew(store: CompanyDatabase) -> None:
    one = seed.employees()[0]
    for pin in ("0000", "0000", one.pin, "0000", "0000"):
        assert not check(store, one.number, pin)["locked"]


def test_an_unknown_employee_gets_the_same_answers_as_a_wrong_pin(store: CompanyDatabase) -> None:
    known = [check(store, seed.employees()[0].number, "0000") for _ in range(4)]
    assert [check(store, "00000", "0000") for _ in range(4)] == known


# ── nonsense ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/appointments", b"{"),
        ("/appointments", b"[" * 5000),
        ("/appointments", b"\xff"),
        ("/appointments", b"{}"),
        ("/appointments", b'{"date": 1, "time": "10:00", "service": "x", "phone": ""}'),
        ("/appointments", b'{"date": "2026-11-24", "time": "25:00", "service": "x", "phone": ""}'),
        ("/appointments", b'{"date": "2026-11-24", "time": "10:00", "service": "", "phone": ""}'),
        ("/appointments", b'{"date": "2026-11-24", "time": "10:00", "service": "x", "phone": "\\u0000"}'),
        ("/identity-checks", b'{"employee": 12345, "pin": "1"}'),
        ("/identity-checks", b'{"employee": "12345", "pin": {"a": 1}}'),
        ("/password-resets", b'{"employee": "x"}'),
        ("/password-resets", b"[]"),
    ],
)
async def test_nonsense_is_a_400_with_words(client: TestClient[Any, Any], path: str, body: bytes) -> None:
    response = await client.post(path, data=body, headers={"Content-Type": "application/json"})
    assert response.status == 400
    assert (await response.json())["error"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "0.0.0.0"])
async def test_a_page_whose_name_was_made_to_point_here_reads_no_pin(client: TestClient[Any, Any], host: str) -> None:
    response = await client.get("/", headers={"Host": host})
    assert response.status == 421 and examples()["pin"] not in await response.text()
    assert (await client.get("/", headers={"Host": "localhost:1234"})).status == 200


async def test_the_overview_says_what_to_try(client: TestClient[Any, Any]) -> None:
    data = await (await client.get("/")).json()
    assert (len(data["orders"]), data["try"]) == (40, examples())
    page = await (await client.get("/", headers={"Accept": "text/html"})).text()
    assert examples()["order"] in page
    pins = {one.pin for one in seed.employees()} - {examples()["pin"]}
    assert not any(f">{pin}<" in page or f'"{pin}"' in json.dumps(data) for pin in pins)


# ── as a process, through the actions of the demo ────────────────────────────────────────────────────────────────────


async def test_the_demo_s_actions_change_the_database_of_a_running_company(file: Path) -> None:
    company = await start_company(file)
    actions = Actions(Catalog.load(DIALOGS / "northwind.actions.yaml", {"NORTHWIND_PORT": str(company.port)}))
    await actions.start()
    log.call_id.set("test")

    async def do(action: str, **args: Any) -> Result:
        return await actions.run(Do(action, args, f"{action} {args}"))

    try:
        some = examples()
        assert (await do("find_order", number=some["order"])).data["state"] == "shipped"
        assert (await do("find_order", number="000000")).error == "status-404"
        slot = (await do("find_slot", date="2030-01-05", time="10:00")).data
        booked = {
            "date": slot["alternative_date"],
            "time": slot["alternative_time"],
            "service": "repair",
            "phone": None,
        }
        assert (await do("book_appointment", **booked)).data["reference"]
        assert (await do("reset_password", employee=some["employee"])).error == "status-403"
        assert (await do("check_identity", employee=some["employee"], pin=some["pin"])).data["ok"]
        assert (await actions.run(Do("reset_password", {"employee": some["employee"]}, "r2"))).data["reset_id"]
        os.kill(company.pid, signal.SIGKILL)
        assert (await do("find_order", number=some["order"])).error == "unreachable"
    finally:
        await actions.stop()
        await company.stop()
    assert rows(file, "select date, time from appointments where reference is not null") == [
        (booked["date"], booked["time"])
    ]
    assert rows(file, "select employee from password_resets") == [(some["employee"],)]


async def test_the_company_ends_when_it_is_stopped(file: Path) -> None:
    company = await start_company(file)
    await company.stop()
    await company.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{company.port}/")


async def test_a_company_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(VoicebotError, match="did not start"):
        await start_company(tmp_path)  # a folder is no database
