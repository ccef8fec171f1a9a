"""kill -9 at random moments: a call record that was finished is there afterwards, and the database is whole."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from voicebot.record.records import Records

KILLS = 20
SERVER = """
import asyncio, sys, uuid
from voicebot.record.records import Records
from voicebot.record.rows import Turn
async def call(records):
    while True:
        name = uuid.uuid4().hex[:12]
        records.call_started(name, "sip", "sip:a@b", "sip:c@d", "northwind")
        for i in range(6):
            records.turn(name, Turn("caller", "where is my order " * 20, 0.9, timings_ms={"asr": 40.0}))
            await asyncio.sleep(0)
        records.call_ended(name, "resolved", "caller", ("order_status",), "Asked for an order.", {})
        await records.flush()
        print(name, flush=True)
async def main():
    records = Records.open(sys.argv[1])
    records.start()
    await asyncio.gather(*(call(records) for _ in range(8)))
asyncio.run(main())
"""


async def test_no_finished_call_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    rng = random.Random(22)
    finished: set[str] = set()
    for _ in range(KILLS):
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVER, f"sqlite:///{file}", stdout=asyncio.subprocess.PIPE
        )
        assert server.stdout is not None
        finished.add((await server.stdout.readline()).decode().strip())
        await asyncio.sleep(rng.uniform(0.0, 0.15))
        server.kill()
        said = (await server.stdout.read()).decode()
        await server.wait()
        finished |= {line for line in said.split("\n")[:-1] if line}  # a last line without its end was cut off
    assert len(finished) > KILLS * 3
    records = Records.open(f"sqlite:///{file}")
    await asyncio.to_thread(records.start)
    await asyncio.to_thread(records.stop)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        outcomes = dict(db.execute("select call_id, outcome from calls").fetchall())
        turns = dict(db.execute("select call_id, count(*) from turns group by call_id").fetchall())
    assert {outcomes.get(call) for call in finished} == {"resolved"}
    assert {turns[call] for call in finished} == {6}
    assert "" not in outcomes.values()
