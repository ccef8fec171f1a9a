"""The log of real calls: every line that belongs to one bears its id, whatever goes wrong in it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.real.plain_phone import phone, placed
from tests.real.server import demo
from voicebot.paths import ROOT

pytestmark = pytest.mark.models
SERVER_LINES = ("voicebot.web.server", "voicebot.commands.serve", "telephony.agent", "telephony.trunk.registry")
"""Loggers of lines that are about the server."""


def log_of(data: Path) -> list[dict[str, Any]]:
    lines = (data.parent / f"{data.name}.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


async def test_every_line_of_a_call_bears_its_id(tmp_path: Path) -> None:
    """Two calls at once: one asks for a person who is not there, and both do what is logged in their dialog."""
    config = tmp_path / "voicebot.yaml"
    text = (ROOT / "voicebot.yaml").read_text().replace("dialogs/", f"{ROOT}/dialogs/")
    config.write_text(text.replace("format: text", "format: json").replace("level: info", "level: debug"))
    data = tmp_path / "data"
    legs = []
    with demo(data, "--config", str(config)) as server:
        async with phone(23_100) as one, phone(23_200) as other:
            for agent in (one, other):
                legs.append(await placed(agent, server.uri))
            ids = [leg.id for leg in legs]
            await asyncio.sleep(3)
            await legs[0].hold()
            await legs[0].resume()
            for _ in range(2):  # in words that nobody has; "0" asks for a person
                legs[1].send_dtmf("0")
                await asyncio.sleep(3)
            await asyncio.gather(*(leg.hang_up() for leg in legs))
        await asyncio.sleep(1)
    lines = log_of(data)
    answered = {line["leg"]: line["call"] for line in lines if line["event"] == "call answered"}
    assert set(answered) == set(ids) and len(set(answered.values())) == 2
    for leg, call in answered.items():
        named = [line for line in lines if leg in json.dumps(line)]
        assert {line["call"] for line in named} == {call}
        assert {"call answered", "leg closed", "call ended"} <= {
            line["event"] for line in lines if line["call"] == call
        }
    began = next(i for i, line in enumerate(lines) if line["event"] == "call answered")
    ended = max(i for i, line in enumerate(lines) if line["event"] == "call ended")
    nobody = [line for line in lines[began:ended] if line["call"] == "-" and line["logger"] not in SERVER_LINES]
    assert nobody == []
