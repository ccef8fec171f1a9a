"""``voicebot check``: everything that can be found wrong without a call, all of it at once, with file and line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from voicebot import config as configuration
from voicebot import models
from voicebot.actions.catalog import Catalog
from voicebot.config import Config
from voicebot.errors import Problem, SourceError
from voicebot.mind.flow import Flow
from voicebot.paths import ROOT

Read = TypeVar("Read")


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser(
        "check",
        help="find mistakes in configuration, flow and actions",
        description="Read configuration, flow and actions, see that they fit together and that the models are there.",
    )
    cmd.add_argument("-c", "--config", type=Path, default=ROOT / "voicebot.yaml", help="default: the checkout's own")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print what is wrong. Returns 0 when nothing is, otherwise 1."""
    found, summary = look(args.config)
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(found)} problem(s)" if found else f"ok: {summary}")
    return 1 if found else 0


def look(path: Path) -> tuple[list[Problem], str]:
    """Check one configuration and all that it names. Returns the problems and words for when there are none."""
    found: list[Problem] = []
    try:
        config = configuration.load(path)
    except SourceError as error:
        return error.problems, ""
    flow = _try(found, lambda: Flow.load(config.flow))
    catalog = _try(found, lambda: Catalog.load(config.actions_file))
    if flow is not None and catalog is not None:
        found += _fit(flow, catalog, config, path)
    found += [Problem(str(path), 0, message, "run: voicebot models pull") for message in models.missing()]
    if flow is None:
        return found, ""
    used = len(flow.actions_used())
    return found, f"{config.flow.name}: {len(flow.programs)} tasks, {len(flow.intents)} intents, {used} actions"


def _try(found: list[Problem], read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except SourceError as error:
        found += error.problems
        return None


def _fit(flow: Flow, catalog: Catalog, config: Config, path: Path) -> list[Problem]:
    """Do flow, actions and configuration name the same things?"""
    found = []
    for name, given in flow.actions_used().items():
        takes = catalog.names.get(name)
        if takes is None:
            found.append(
                Problem(str(config.flow), 0, f"action {name!r} is not defined", f"add it to {config.actions_file}")
            )
        elif given != takes:
            differ = ", ".join(sorted(given ^ takes))
            found.append(
                Problem(str(config.flow), 0, f"action {name!r} is called with other arguments than it takes: {differ}")
            )
    target = flow.model.handover.target
    if target not in config.handover.targets:
        found.append(
            Problem(str(path), 0, f"handover target {target!r} is not configured", "add it under handover.targets")
        )
    return found
