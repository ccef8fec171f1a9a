"""``voicebot bench edge``: how much the telephony by itself carries, measured by callers in processes of their own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any, TypeAlias


def register(suites: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``edge`` to the suites of ``bench``."""
    edge = suites.add_parser(
        "edge",
        help="load on SIP and RTP: media, set-up, floods, soak",
        description="Loads the SIP and RTP side by itself (no recognition, no synthesis): a server that answers every"
        " call with sound, and callers in another process. CPU is the server's alone.",
    )
    sub = edge.add_subparsers(title="loads", metavar="LOAD", required=True)
    for add in (_add_media, _add_setup, _add_flood, _add_soak):
        cmd = add(sub)
        cmd.add_argument(
            "--budget",
            nargs="?",
            const="",
            metavar="LIMITS",
            help="exit with 1 when a figure is above its limit, such as gap_p99=25; without LIMITS: the project's",
        )
        cmd.add_argument("--first-port", type=int, default=30000, metavar="PORT", help="first RTP port (30000)")
        cmd.add_argument("--json", action="store_true", help="JSON only, as one line")
        cmd.set_defaults(func=main)


Sub: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_media(sub: Sub) -> argparse.ArgumentParser:
    cmd = sub.add_parser(
        "media",
        help="many calls with RTP both ways",
        description="How even the packets leave (gaps by the kernel's stamps at the callers), and CPU per call-second."
        " Limits: gap_p50, gap_p99, gap_max (ms), engine_cpu, cpu (ms per call-second).",
    )
    cmd.add_argument("--calls", type=int, default=200, metavar="N", help="calls at a time (200)")
    cmd.add_argument("--seconds", type=float, default=20, metavar="S", help="measured for so long (20)")
    cmd.add_argument("--hold-ms", type=float, default=0, metavar="MS", help="hold the event loop in each second (0)")
    cmd.add_argument("--srtp", action="store_true", help="SRTP by SDES")
    cmd.add_argument("--codec", choices=("PCMU", "PCMA", "G722", "opus"), default="PCMU", help="(PCMU)")
    cmd.set_defaults(load="media", given=("calls", "seconds", "hold_ms", "srtp", "codec"))
    return cmd


def _add_setup(sub: Sub) -> argparse.ArgumentParser:
    cmd = sub.add_parser(
        "setup",
        help="new calls per second",
        description="INVITE to 200, and what is left of memory, sockets and tasks when all calls are over."
        " Limits: setup_p50, setup_p95, setup_p99 (ms), cpu (ms per call), growth (kB per call,"
        " after warm-up), blocks (objects left), turned_away (calls answered with 503 and placed again).",
    )
    cmd.add_argument("--calls", type=int, default=400, metavar="N", help="calls in all (400)")
    cmd.add_argument("--per-s", type=float, default=20, metavar="R", help="new calls per second (20)")
    cmd.add_argument("--talk-s", type=float, default=1.0, metavar="S", help="each call lasts so long (1)")
    cmd.add_argument("--settle-s", type=float, default=40, metavar="S", help="patience for what is held (40)")
    cmd.set_defaults(load="setup", given=("calls", "per_s", "talk_s", "settle_s"))
    return cmd


def _add_flood(sub: Sub) -> argparse.ArgumentParser:
    cmd = sub.add_parser(
        "flood",
        help="floods of INVITEs, and calls over the limit",
        description="A flood while calls are up, then calls over the limit, which get 503 with Retry-After."
        " Limits: gap_p99 (ms, of the calls that are up), growth (MB), refused_max (ms, over the limit).",
    )
    cmd.add_argument("--calls", type=int, default=20, metavar="N", help="calls that are up (20)")
    cmd.add_argument("--seconds", type=float, default=60, metavar="S", help="of the flood (60)")
    cmd.add_argument("--per-s", type=float, default=500, metavar="R", help="INVITEs per second (500)")
    cmd.add_argument("--source", default="127.0.0.66", metavar="IP", help="from here (127.0.0.66)")
    cmd.add_argument("--sources", type=int, default=1, metavar="N", help="and the addresses behind it (1)")
    cmd.set_defaults(load="flood", given=("calls", "seconds", "per_s"))
    return cmd


def _add_soak(sub: Sub) -> argparse.ArgumentParser:
    cmd = sub.add_parser(
        "soak",
        help="minutes at 80 %% of the limit",
        description="Calls of 3 to 9 s come and go at 80 %% of the limit; memory per call is put on the clock of calls"
        " of three minutes. Limits: slope (MB per hour of such calls), setup_p95 (ms).",
    )
    cmd.add_argument("--minutes", type=float, default=5, metavar="M", help="(5)")
    cmd.add_argument("--limit", type=int, default=50, metavar="N", help="of calls at a time (50)")
    cmd.set_defaults(load="soak", given=("minutes", "limit"))
    return cmd


def main(args: argparse.Namespace) -> int:
    """Run one load. Returns 0 when nothing went wrong and the budget was kept, otherwise 1."""
    import importlib

    from voicebot.bench.edge.figures import as_text, limits, missed
    from voicebot.errors import VoicebotError

    suite: Any = importlib.import_module(f"voicebot.bench.edge.{args.load}")
    names: Mapping[str, str] = suite.NAMES
    options = {name: getattr(args, name) for name in args.given}
    try:
        bars = limits(args.budget or suite.BARS, names) if args.budget is not None else {}
        if args.load == "flood":
            options["sources"] = suite.addresses(args.source, args.sources)
    except ValueError as error:
        raise VoicebotError(str(error), f"such as --budget {suite.BARS}") from None
    if any(not 0 < options.get(name, 1) <= 100_000 for name in ("calls", "per_s", "seconds", "minutes", "limit")):
        raise VoicebotError("numbers of calls, rates and times are above 0")
    found = suite.measure(**options, first_port=args.first_port)
    found["missed"] = found.pop("wrong") + missed(found, bars, names)
    found["ok"] = not found["missed"]
    if not args.json:
        print(as_text(found))
    print(json.dumps(found), flush=True)
    return 0 if found["ok"] else 1
