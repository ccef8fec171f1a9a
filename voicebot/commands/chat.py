"""``voicebot chat``: talk to a flow in the terminal; actions run for real."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from voicebot import log
from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.calls.text_channel import chat
from voicebot.demo.process import start_company
from voicebot.flows.flow import Flow
from voicebot.nlu.intents import Understanding
from voicebot.paths import DIALOGS, models_dir

DEMO = DIALOGS / "northwind.yaml"


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("chat", help="talk to a flow in the terminal", description=__doc__)
    cmd.add_argument("flow", type=Path, nargs="?", default=DEMO, help="flow file (default: the demo company's)")
    cmd.add_argument("--actions", type=Path, help="default: the flow's name with .actions.yaml")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Chat until goodbye or end of input."""
    log.setup("warning")
    flow = Flow.load(args.flow)
    understanding = Understanding.train(flow.intents, models_dir(), flow.model.off_topic)
    asyncio.run(_chat(args, flow, understanding))
    return 0


async def _chat(args: argparse.Namespace, flow: Flow, understanding: Understanding) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if args.flow.resolve() == DEMO and "NORTHWIND_PORT" not in os.environ:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            company = await start_company(Path(folder) / "northwind.db")
            stack.push_async_callback(company.stop)
            os.environ["NORTHWIND_PORT"] = str(company.port)
            print(f"the demo company's numbers: http://127.0.0.1:{company.port}/")
        actions = Actions(Catalog.load(args.actions or args.flow.with_suffix(".actions.yaml")))
        await actions.start()
        stack.push_async_callback(actions.stop)
        await chat(flow, understanding, actions, _read_line, print)


async def _read_line() -> str | None:
    """One line of the terminal without holding the loop; None at the end of input."""
    sys.stdout.write("> ")
    sys.stdout.flush()
    line = await asyncio.to_thread(sys.stdin.readline)
    return line.rstrip("\n") if line else None
