"""The work of ``voicebot call``: one call, and what is told of it."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from voicebot import config
from voicebot.bench import caller_script
from voicebot.bench.call_plan import CallReport, FixedPlan
from voicebot.bench.caller_script import ScriptLine
from voicebot.bench.measuring_caller import MeasuringCaller
from voicebot.bench.softphone import phone, transcribe
from voicebot.errors import VoicebotError
from voicebot.listening.speech_input import SpeechInput
from voicebot.tts.synthesizer import Synthesizer


def run(args: argparse.Namespace) -> int:
    """Call once. Returns 0 when every turn was answered, otherwise 1."""
    report = asyncio.run(_call(args, _lines(args)))
    print(json.dumps(as_dict(report)) if args.json else as_text(report))
    return 0 if not report.failure and all(t.status == "answered" for t in report.turns) else 1


def _lines(args: argparse.Namespace) -> list[ScriptLine]:
    if args.script is not None:
        if args.lines:
            raise VoicebotError("--script goes without --wav, --say and --keys")
        lines = caller_script.load(args.script)
    else:
        try:
            lines = [ScriptLine.model_validate({name: value}) for name, value in args.lines or []]
        except ValueError as error:
            raise VoicebotError(str(error)) from None
    return [line.model_copy(update={"barge_in": True}) for line in lines] if args.barge_in else lines


async def _call(args: argparse.Namespace, lines: list[ScriptLine]) -> CallReport:
    synthesizer = Synthesizer.load(config.TtsSettings(voice="espeak"))
    synthesizer.start()
    try:
        steps = await caller_script.prepare(lines, synthesizer)
    finally:
        synthesizer.stop()
    speech_input = None if args.no_transcript else SpeechInput.load(config.AsrSettings())
    async with phone(args.uri) as agent:
        report = await MeasuringCaller(agent, args.uri, args.ring).run(args.uri, FixedPlan(steps))
    if speech_input is not None:
        await understand(speech_input, [report])
    return report


async def understand(speech_input: SpeechInput, reports: list[CallReport]) -> None:
    """Recognise what was heard in these calls, after them, so that it takes no time from the measurement."""
    speech_input.start()
    try:
        for report in reports:
            if report.greeting is not None:
                report.heard = await transcribe(speech_input, report.greeting)
            for turn in report.turns:
                if turn.answer is not None:
                    turn.heard = await transcribe(speech_input, turn.answer)
    finally:
        speech_input.stop()


def as_dict(report: CallReport) -> dict[str, Any]:
    """A call as JSON data; times in milliseconds."""
    return {
        "uri": report.script,
        "failure": report.failure,
        "greeting_ms": report.greeting_ms,
        "greeting": report.heard,
        "seconds": round(report.seconds, 2),
        "ended_by": report.ended_by,
        "turns": [
            {
                "said": turn.label,
                "kind": turn.kind,
                "status": turn.status,
                "voice_to_voice_ms": turn.voice_to_voice_ms,
                "stopped_ms": turn.stopped_ms,
                "heard": turn.heard,
            }
            for turn in report.turns
        ],
    }


def as_text(report: CallReport) -> str:
    """A call as people read it."""
    if report.failure:
        return f"no call: {report.failure}"
    greeted = "no greeting" if report.greeting_ms is None else f"{report.greeting_ms:6.0f} ms"
    lines = [f"bot  {greeted}  {report.heard}"]
    for turn in report.turns:
        lines.append(f"you             {turn.label}")
        took = turn.status if turn.voice_to_voice_ms is None else f"{turn.voice_to_voice_ms:6.0f} ms"
        stopped = "" if turn.stopped_ms is None else f" (stopped speaking after {turn.stopped_ms:.0f} ms)"
        lines.append(f"bot  {took}  {turn.heard}{stopped}")
    lines.append(f"{report.seconds:.1f} s, ended by {report.ended_by}")
    return "\n".join(lines)
