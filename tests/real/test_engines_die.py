"""Recognition or synthesis dies in the middle of real calls, placed by baresip: words, a human, and back again.

Acceptance 18 and 19. The engines are the real ones; a fault is switched on between them and whoever asks them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest

from tests.real.baresip import QUIET, RATE_HZ, Baresip, Wave, flite
from tests.real.server import Server
from tests.real.test_calls import SOME
from voicebot.app import App
from voicebot.asr.failover import Failover
from voicebot.calls.prompts import APOLOGY
from voicebot.config import Config
from voicebot.demo.process import start_company
from voicebot.engines.supervision import SupervisedEngine
from voicebot.errors import EngineFailed
from voicebot.messages import Expect
from voicebot.tts.voice import supervised

pytestmark = [pytest.mark.peer("baresip", "flite"), pytest.mark.models]


class Faulty:
    """An engine with a fault that can be switched on."""

    def __init__(self, engine: Any, name: str = "") -> None:
        self._engine = engine
        self.name = name or engine.name
        self.fault: Literal["", "breaks", "hangs"] = ""
        self.jobs = 0
        self._mended = threading.Event()

    def mend(self) -> None:
        self.fault = ""
        self._mended.set()

    def recognise(self, *given: Any) -> Any:
        self._pass()
        return self._engine.recognise(*given)

    def synthesize(self, *given: Any) -> None:
        self._pass()
        self._engine.synthesize(*given)

    def _pass(self) -> None:
        self.jobs += 1
        if self.fault == "hangs":
            self._mended.wait()
        elif self.fault == "breaks":
            raise EngineFailed("the fault is on")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@dataclass(frozen=True)
class House:
    """A running server whose engines can be broken."""

    app: App
    server: Server
    ears: Faulty
    member: SupervisedEngine[Any]
    mouth: Faulty

    async def understands(self, wave: Wave) -> str:
        """What a listener hears in it."""
        pcm = wave.astype(np.float32) / np.float32(32768)
        heard = await self.app.services.speech_input.recognise(pcm, RATE_HZ, Expect())
        return heard.text.lower()


@contextlib.asynccontextmanager
async def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, human: str, stand_in: bool = False
) -> AsyncIterator[House]:
    """`stand_in` puts the real recognition behind the faulty one."""
    data = tmp_path / "data"
    data.mkdir()
    company = await start_company(data / "northwind.db")
    monkeypatch.setenv("NORTHWIND_PORT", str(company.port))
    app = await asyncio.to_thread(
        App,
        Config.model_validate(
            {
                "sip": {"port": 0},
                "http": {"port": 0},
                "handover": {"targets": {"reception": human}},
                "tts": {"voice": "espeak"},
                "record": {"database": f"sqlite:///{data}/calls.db"},
            }
        ),
    )
    moonshine = app.services.speech_input._engine._members[0].engine  # type: ignore[attr-defined]
    ears = Faulty(moonshine, "faulty")
    failover = Failover([ears, moonshine] if stand_in else [ears], 1.5)
    app.services.speech_input._engine = app.services.speech_input._pool._engine = failover
    (voice,) = app.services.synthesizer._voices
    mouth = Faulty(voice.engine)
    app.services.synthesizer._voices[:] = [replace(voice, engine=mouth, watch=supervised(mouth, 1.0))]
    await app.start()
    await calm()
    try:
        server = Server(cast("Any", None), data, app.agent.port, 0, "")
        yield House(app, server, ears, failover._members[0], mouth)
    finally:
        ears.mend()
        mouth.mend()
        await app.stop()
        await company.stop()


async def calm() -> None:
    """Wait until the event loop has kept up for a while: a server that is short of time refuses calls."""
    loop, kept_up = asyncio.get_running_loop(), 0
    while kept_up < 12:
        begun = loop.time()
        await asyncio.sleep(0.1)
        kept_up = kept_up + 1 if loop.time() - begun < 0.4 else 0


def wait_before(answer: Wave, said: Wave) -> float:
    """Seconds from the end of what was said to the first sound of the answer."""
    loud = np.flatnonzero(np.abs(answer.astype(np.int32)) > QUIET)
    return float(loud[0] - len(said)) / RATE_HZ - 0.1


async def texts(server: Server, user: str, speaker: str) -> list[str]:
    """What somebody said in the newest call of a caller, as the record has it; not what answered nothing."""
    record = await asyncio.to_thread(server.record, user)
    turns = [row["turn"] for row in record["turns"]]
    return [turn["text"] for turn in turns if turn["speaker"] == speaker and turn["step"] != "overheard"]


async def test_without_recognition_there_is_an_apology_in_2_s_a_human_in_10_s_and_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish, number = flite("Where is my order?", tmp_path), flite("One two three four.", tmp_path)
    human, phone, keys = (Baresip(tmp_path / name, name) for name in ("human", "caller", "keys"))
    loop = asyncio.get_running_loop()
    async with human.running(answers=True), phone.running(), keys.running():
        async with house(tmp_path, monkeypatch, f"sip:human@127.0.0.1:{human.sip_port}") as running:
            for caller in (phone, keys):
                await caller.dial(running.server.uri)
                await caller.answer()
            await asyncio.gather(phone.say(wish), keys.say(wish))
            await asyncio.gather(phone.answer(), keys.answer())
            running.ears.fault = "hangs"
            await phone.say(number)
            ended = loop.time()
            await human.until("CALL_ESTABLISHED", 10)
            assert loop.time() - ended < 10
            assert wait_before(phone.heard()[phone.listened :], number) < 2
            await keys.press(SOME["order"])  # the other call goes on
            await human.answer()  # the summary
            await phone.say(flite("Hello, can you hear me?", tmp_path))
            heard = await human.answer()
            await phone.hang_up()
            running.ears.mend()
            mended = loop.time()
            while not running.member.usable:  # noqa: ASYNC110 - it changes in another thread
                await asyncio.sleep(0.05)
            assert loop.time() - mended < 10
            assert "hear me" in await running.understands(heard)
            assert "paper shredder" in " ".join(await texts(running.server, "keys", "bot"))
            await keys.answer(quiet_s=1.5)
            await keys.say(flite("No, that's all, thank you.", tmp_path))
            await keys.until("CALL_CLOSED", 15)
        call = running.server.call_of("caller")
        assert call["call"]["outcome"] == "handed-over"
        assert any("can't hear you" in text for text in await texts(running.server, "caller", "bot"))
        assert (await texts(running.server, "keys", "caller"))[-1].lower().startswith("no")


async def test_a_second_engine_hears_what_the_first_cannot_and_without_a_voice_there_is_a_recorded_apology_and_a_human(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    human, phone = (Baresip(tmp_path / name, name) for name in ("human", "caller"))
    uri = f"sip:human@127.0.0.1:{human.sip_port}"
    async with human.running(answers=True), phone.running():
        async with house(tmp_path, monkeypatch, uri, stand_in=True) as running:
            await phone.dial(running.server.uri)
            await phone.answer()
            running.ears.fault = "breaks"
            await phone.say(flite("Where is my order?", tmp_path))
            await phone.answer()
            assert running.ears.jobs >= 1
            assert "order number" in (await texts(running.server, "caller", "bot"))[-1]
            running.mouth.fault = "breaks"
            await phone.press(SOME["order"])
            await human.until("CALL_ESTABLISHED", 10)
            assert "sorry" in await running.understands(phone.heard()[phone.listened :])
            await asyncio.sleep(0.5)  # there is no summary: they are joined at once
            await phone.hang_up()
            await human.until("CALL_CLOSED", 10)
        call = running.server.call_of("caller")
        assert call["call"]["outcome"] == "handed-over"
        assert APOLOGY.text in await texts(running.server, "caller", "bot")
        assert not any("recognition failed" in text for text in await texts(running.server, "caller", "system"))
