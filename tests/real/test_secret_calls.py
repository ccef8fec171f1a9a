"""A caller of baresip says a card number in pieces at a wrong question and keys one: nothing of it is on the disk."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.real.baresip import Baresip, flite
from tests.real.server import Server, demo
from tests.secrets_trial import digits_of

pytestmark = [pytest.mark.peer("baresip", "flite"), pytest.mark.models]
CARD = "4539578763621486"
SPOKEN = (
    "I want to pay with my card.", "Four five three nine.", "Five seven eight seven.", "Six three six two.",
    "One four eight six.",
)  # fmt: skip


def test_a_card_number_said_in_pieces_and_keyed_is_nowhere_on_the_disk(tmp_path: Path) -> None:
    with demo(tmp_path / "data") as server:
        asyncio.run(call(server, tmp_path))
        record = server.call_of("payer")
    texts = [row["turn"]["text"] for row in record["turns"]]
    callers = "\n".join(row["turn"]["text"] for row in record["turns"] if row["turn"]["speaker"] == "caller")
    print(callers)
    assert "#" in callers, texts
    pieces = {CARD[at : at + 4] for at in range(len(CARD) - 3)}
    for said in (
        callers,
        *texts,
        record["summary"],
        str(record["slots"]),
        str([row["args"] for row in record["actions"]]),
    ):
        assert not [piece for piece in pieces if piece in digits_of(said)], said
    files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
    for file in [*files, tmp_path / "data.log"]:
        raw = file.read_bytes().decode("latin-1").lower()
        assert not re.search(
            "4539 ?5787|6362 ?1486|four five three nine|five seven eight seven|six three six two", raw
        ), file
        assert CARD[:6] not in raw and CARD[-6:] not in raw, file


async def call(server: Server, folder: Path) -> None:
    async with Baresip(folder / "payer", "payer").running() as phone:
        await phone.dial(server.uri)
        await phone.answer()
        for text in SPOKEN:
            await phone.say(flite(text, folder))
            await phone.answer(quiet_s=1.5)
        await phone.press(CARD)
        await asyncio.sleep(3)  # whatever is said to it
        await phone.hang_up()
        await asyncio.sleep(2)
