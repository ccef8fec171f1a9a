"""``voicebot bench``: its suites, each in a module of its own that is imported for its arguments only."""

from __future__ import annotations

import argparse
import importlib

SUITES = (
    "voicebot.bench.latency",
    "voicebot.bench.asr.command",
    "voicebot.bench.turns.command",
    "voicebot.bench.bargein.command",
    "voicebot.bench.tts.command",
    "voicebot.bench.edge.command",
    "voicebot.bench.kill",
    "voicebot.bench.start",
)
"""Modules with a ``register(suites)`` that adds one subcommand."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``bench`` with its suites to the parser."""
    bench = sub.add_parser("bench", help="measure latency and accuracy", description="Benchmarks: load and hearing.")
    suites = bench.add_subparsers(title="suites", metavar="SUITE", required=True)
    for module in SUITES:
        importlib.import_module(module).register(suites)
