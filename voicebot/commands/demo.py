"""``voicebot demo``: the server with the demo company, its backend and its database; nothing to configure."""

from __future__ import annotations

import argparse
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from voicebot import config as configuration
from voicebot.config import Config
from voicebot.demo.company import examples
from voicebot.demo.process import start_company
from voicebot.paths import ROOT


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser(
        "demo",
        help="answer calls for the demo company",
        description="Answer calls for Northwind, a made-up company: order status, appointments, password reset.",
    )
    cmd.add_argument(
        "-c", "--config", type=Path, default=ROOT / "voicebot.yaml", help="another configuration, with trunks or routes"
    )
    cmd.add_argument("--listen", metavar="ADDRESS", help="address for SIP and audio (127.0.0.1)")
    cmd.add_argument("--sip-port", type=int, metavar="N", help="SIP port (5060; 0 takes a free one)")
    cmd.add_argument("--http-port", type=int, metavar="N", help="port of the browser phone (8080; 0 takes a free one)")
    cmd.add_argument("--human", metavar="SIP-URI", help="who is called when a caller wants a person")
    cmd.add_argument("--webhook", metavar="URL", help="where the written summary of a handover is posted")
    cmd.add_argument("--data", type=Path, metavar="DIR", default=ROOT / "var" / "demo", help="databases of the demo")
    cmd.set_defaults(func=main)


def settings(args: argparse.Namespace) -> Config:
    """The configuration with what the command line changes."""
    base = configuration.load(args.config).model_dump()
    base["record"]["database"] = f"sqlite:///{args.data.resolve()}/calls.db"
    for section, key, value in (
        ("sip", "listen", args.listen),
        ("sip", "port", args.sip_port),
        ("http", "port", args.http_port),
        ("handover", "webhook", args.webhook),
    ):
        if value is not None:
            base[section][key] = value
    if args.human is not None:
        base["handover"]["targets"] = dict.fromkeys(base["handover"]["targets"], args.human)
    return Config.model_validate(base)


def main(args: argparse.Namespace) -> int:
    """Start the company's backend as a process of its own, then the server."""
    args.data.mkdir(parents=True, exist_ok=True)
    config = settings(args)
    with ThreadPoolExecutor(1) as starter:  # a process of its own, and so a core of its own, while this one imports
        starting = starter.submit(lambda: asyncio.run(start_company(args.data / "northwind.db")))
        from voicebot.commands import serve

        company = starting.result()
    os.environ.setdefault("VOICEBOT_CACHE", str(args.data.resolve() / "cache"))
    os.environ["NORTHWIND_PORT"] = str(company.port)
    try:
        return serve.run(config, hints(company.port, secrets=config.http.is_private))
    finally:
        asyncio.run(company.stop())


def hints(port: int, *, secrets: bool) -> list[str]:
    """What a person can say to the demo, with numbers that exist in its database.

    `secrets`: those that prove who somebody is, too. Only where nobody else can open the page that shows them.
    """
    some = examples()
    proof = f"employee number {some['employee']}, PIN {some['pin']}"
    return [
        f"Where is my order? (number {some['order']}; more at http://127.0.0.1:{port}/)",
        f"I forgot my password ({proof if secrets else f'numbers at http://127.0.0.1:{port}/ on the server itself'})",
        "I'd like to book an appointment",
    ]
