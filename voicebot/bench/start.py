"""``voicebot bench start``: how long a server takes until it is ready, and the memory that it holds then."""

from __future__ import annotations

import argparse


def register(suites: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``start`` to the suites of ``bench``."""
    cmd = suites.add_parser(
        "start",
        help="seconds until a server is ready, and its memory",
        description="Starts the demo's server again and again, with a cold cache and with a warm one, and"
        " asks /readyz as an operator would. Wall-clock figures are worth something on an otherwise idle machine only."
        " The last line is JSON. Exit status 1 when the budget is missed.",
    )
    cmd.add_argument("--starts", type=int, default=5, metavar="N", help="starts of each kind (5)")
    cmd.add_argument("--only", choices=("cold", "warm"), help="one kind only")
    cmd.add_argument(
        "--budget", metavar="LIMITS", help="of the medians, such as warm_s=3,cold_s=6,rss_mb=380 (or cpu_s, pss_mb)"
    )
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when the budget was kept, otherwise 1."""
    from voicebot.bench.start_run import run

    return run(args)
