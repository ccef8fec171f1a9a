"""The work of ``voicebot bench tts``: speaks, measures, and tells the figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from telephony.media.codecs import RATE_HZ
from telephony.media.engine import SWITCH_INTERVAL_S
from voicebot import config
from voicebot.asr.moonshine import Moonshine
from voicebot.bench.asr.line_conditions import read_noises
from voicebot.bench.tts import flow_prompts, predicted_mos
from voicebot.bench.tts.figures import as_text, figures, side_by_side
from voicebot.bench.tts.prompts import PROMPTS, BenchPrompt, of_tasks, read
from voicebot.bench.tts.report import write_report
from voicebot.bench.tts.run import MeasuredPrompt, judge, speak_all, understand
from voicebot.errors import VoicebotError
from voicebot.paths import models_dir, speech_dir
from voicebot.tts.synthesizer import Synthesizer


def run(args: argparse.Namespace) -> int:
    """See `tts.main`. Raises VoicebotError: no such voice, no such file; ModelMissing; EngineFailed."""
    if args.repeat < 1:
        raise VoicebotError("each prompt must be spoken at least once", "give --repeat 1 or more")
    prompts = _prompts(args)
    voices = list(dict.fromkeys(args.voice)) or ["auto"]
    found = [_measured(args, voice, prompts, several=len(voices) > 1) for voice in voices]
    if len(found) > 1 and not args.json:
        print(side_by_side(found))
    ok = all(voice["ok"] for voice in found)
    print(json.dumps(found[0] if len(found) == 1 else {"bench": "tts", "voices": found, "ok": ok}, ensure_ascii=False))
    return 0 if ok else 1


def _prompts(args: argparse.Namespace) -> tuple[BenchPrompt, ...]:
    """What is asked for; without anything our own prompts and all that the demo's flow says."""
    kinds = [name for name in args.task if name != flow_prompts.KIND]
    prompts = of_tasks(kinds, args.speech or speech_dir())
    flows = list(args.flow)
    if flow_prompts.KIND in args.task or not (args.task or flows or args.text_file):
        flows = flows or [config.Config().flow]
    for path in flows:
        prompts += flow_prompts.of_flow(path)
    if args.text_file is not None:
        prompts += read(args.text_file)
    return prompts if args.task or args.flow or args.text_file else PROMPTS + prompts


def _measured(args: argparse.Namespace, voice: str, prompts: Sequence[BenchPrompt], *, several: bool) -> dict[str, Any]:
    """The figures of one voice, told and reported on the way."""
    speech = args.speech or speech_dir()
    name, done = asyncio.run(_speak(voice, prompts, args.repeat))
    if not args.no_recognition:
        understand(done, Moonshine(models_dir() / "moonshine-tiny-en"), read_noises(speech))
    judge(done, predicted_mos.installed())
    found = figures(name, done)
    if args.out is not None:
        write_report(args.out / re.sub(r"[^\w.-]+", "-", voice) if several else args.out, found, done)
    if not args.json:
        print(as_text(found))
    return found


async def _speak(voice: str, prompts: Sequence[BenchPrompt], repeat: int) -> tuple[str, list[MeasuredPrompt]]:
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as in a server: with Python's 5 ms a block waits for that more
    synthesizer = Synthesizer.load(config.TtsSettings(voice=voice))
    synthesizer.start()
    try:
        async for _ in synthesizer.speak(
            "Hello.", RATE_HZ, secret=True
        ):  # threads and tables: a server has them long before
            pass
        return synthesizer.voice_name, await speak_all(synthesizer, prompts, repeat)
    finally:
        synthesizer.stop()
