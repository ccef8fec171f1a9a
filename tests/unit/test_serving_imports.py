"""What a serving process holds: only what its calls need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicebot.paths import ROOT

UNNEEDED = (
    "sklearn", "scipy", "scipy.signal", "aiortc", "av", "matplotlib", "pandas", "pipecat", "torch", "transformers",
    "numba", "faster_whisper", "piper", "playwright", "pytest",
)  # fmt: skip
SERVE = """
import asyncio, contextlib, json, sys
from pathlib import Path
from voicebot import config
from voicebot.app import App
from voicebot.config import Config
from voicebot.messages import Expect

given = config.load(Path(sys.argv[1])).model_dump()
given["sip"]["port"] = given["http"]["port"] = 0
given["record"]["database"] = f"sqlite:///{sys.argv[2]}/calls.db"


async def answer(app):
    await app.start()
    speech, voice = app.services.speech_input, app.services.synthesizer
    blocks = [block async for block in voice.speak("Your order is on its way.", 8000)]
    import numpy as np
    said = np.concatenate(blocks).astype(np.float32) / 32768
    heard = await speech.recognise(said, 8000, Expect())
    guesses = app.flow.understanding.classify("where is my order")
    await app.stop()
    return heard.text, guesses[0].intent


heard, wanted = asyncio.run(answer(App(Config.model_validate(given))))
print(json.dumps({"heard": heard, "wanted": wanted, "modules": sorted(sys.modules)}))
"""


@pytest.mark.models
def test_a_server_that_has_spoken_heard_and_understood_holds_nothing_of_training_browsers_and_plots(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "VOICEBOT_CACHE": str(tmp_path / "cache"), "NORTHWIND_PORT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(ROOT / "voicebot.yaml"), str(tmp_path)],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert "order" in told["heard"].lower()
    assert told["wanted"] == "order_status"
    assert [name for name in UNNEEDED if name in told["modules"]] == []
