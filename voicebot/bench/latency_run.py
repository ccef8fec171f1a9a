"""The work of ``voicebot bench latency``: a server, its callers, their figures."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path

from telephony.agent import UserAgent
from voicebot import config
from voicebot.bench.call_plan import CallReport
from voicebot.bench.call_run import as_dict
from voicebot.bench.demo_callers import CallerSpeech, caller
from voicebot.bench.demo_server import DemoServer, demo_server
from voicebot.bench.latency_figures import LatencyBudget, as_text, figures
from voicebot.bench.measuring_caller import MeasuringCaller
from voicebot.bench.softphone import phone, transcribe
from voicebot.errors import VoicebotError
from voicebot.listening.speech_input import SpeechInput
from voicebot.tts.synthesizer import Synthesizer

SPREAD_S = 10.0
"""The calls of a round begin within this time, evenly, as calls do: not all in one instant."""


def run(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when every turn was answered within the budget, otherwise 1."""
    if not (1 <= args.calls <= 500 and 1 <= args.rounds <= 1000):
        raise VoicebotError("--calls must be 1 to 500, --rounds 1 to 1000")
    try:
        budget = LatencyBudget.parse(args.budget) if args.budget else None
    except ValueError as error:
        raise VoicebotError(f"--budget: {error}", "such as p50=400,p95=700") from None
    reports, cpu_s = asyncio.run(_run(args))
    found = figures(reports, budget, cpu_s)
    if args.out is not None:
        _write(args.out, found, reports, budget)
    print(as_text(found))
    print(json.dumps(found), flush=True)
    return 0 if found["ok"] else 1


def _write(folder: Path, found: dict[str, object], reports: list[CallReport], budget: LatencyBudget | None) -> None:
    from voicebot.bench.latency_plot import draw

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latency.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "calls.jsonl").write_text("".join(json.dumps(as_dict(report)) + "\n" for report in reports))
    draw(reports, budget, folder / "latency.png")


async def _run(args: argparse.Namespace) -> tuple[list[CallReport], float | None]:
    """All rounds, and the processor seconds that the server used for them (None when it is not ours)."""
    async with contextlib.AsyncExitStack() as stack:
        server: DemoServer | None = None
        if args.to is None:
            server = await stack.enter_async_context(demo_server())
        uri = args.to or (server.uri if server else "")
        speech_input, synthesizer = (
            SpeechInput.load(config.AsrSettings(threads=1)),
            Synthesizer.load(config.TtsSettings(voice="espeak")),
        )
        speech_input.start()
        stack.callback(speech_input.stop)
        synthesizer.start()
        stack.callback(synthesizer.stop)
        agent = await stack.enter_async_context(phone(uri))
        studio = CallerSpeech(synthesizer)
        _say(f"{args.calls} callers to {uri}; they speak with {'recordings and ' if studio.recorded else ''}espeak-ng")
        began_cpu_s = server.cpu_s() if server else 0.0
        reports: list[CallReport] = []
        for number in range(args.rounds):
            reports += await _round(agent, uri, args.calls, number, studio, speech_input)
            _say(f"round {number + 1} of {args.rounds} is over")
        return reports, server.cpu_s() - began_cpu_s if server else None


async def _round(
    agent: UserAgent, uri: str, calls: int, number: int, studio: CallerSpeech, speech_input: SpeechInput
) -> list[CallReport]:
    """`calls` callers at once; each one's audio is made before he calls."""
    people = [await caller(number * calls + i, studio, lambda pcm: transcribe(speech_input, pcm)) for i in range(calls)]

    async def one(i: int) -> CallReport:
        await asyncio.sleep(i * SPREAD_S / calls)
        name, persona = people[i]
        report = await MeasuringCaller(agent, uri).run(name, persona)
        for turn, heard, waited in zip(report.turns, persona.heard[1:], persona.waited[1:], strict=False):
            turn.heard = heard
            turn.kind = "after-action" if waited else turn.kind
        return report

    return list(await asyncio.gather(*(one(i) for i in range(calls))))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
