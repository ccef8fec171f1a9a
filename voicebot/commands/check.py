"""``voicebot check``: everything that can be found wrong without a call, all of it at once, with file and line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from telephony.routing.rules import Router
from telephony.sip.message import parse_uri
from telephony.trunk.load import load as load_trunks
from telephony.trunk.registry import TrunkRegistry
from voicebot import config as configuration
from voicebot import models
from voicebot.actions.catalog import Catalog
from voicebot.config import Config
from voicebot.errors import Problem, SourceError, VoicebotError
from voicebot.flows.flow import Flow
from voicebot.gateway.routes_reload import routing_problems
from voicebot.listening import speech_input
from voicebot.paths import ROOT, models_dir
from voicebot.record import schema
from voicebot.tts import voices

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
    flows = [_look_at(found, config, path, *files) for files in config.flow_files.values()]
    found += _telephone(config, path)
    found += [Problem(str(path), 0, message, "run: voicebot models pull") for message in models.missing()]
    lacks = [*speech_input.faults(config.asr, config.turns), *voices.faults(config.tts, models_dir())]
    found += [Problem(str(path), 0, error.message, error.remedy) for error in lacks]
    words = [
        f"{name}: {len(flow.programs)} tasks, {len(flow.intents)} intents, {len(flow.actions_used())} actions"
        for name, flow in zip(config.flow_files, flows, strict=True)
        if flow is not None
    ]
    found += _records(config, path)
    return found, "; ".join(words)


def _records(config: Config, path: Path) -> list[Problem]:
    """Whether the URL of the call records can be used at all; nothing is connected to."""
    try:
        schema.engine_for(config.record.database).dispose()
    except VoicebotError as error:
        return [Problem(str(path), 0, error.message, error.remedy)]
    return []


def _look_at(
    found: list[Problem], config: Config, path: Path, flow_file: Path, actions_file: Path | None
) -> Flow | None:
    flow = _try(found, lambda: Flow.load(flow_file))
    catalog = Catalog.empty() if actions_file is None else _try(found, lambda: Catalog.load(actions_file))
    if flow is not None and catalog is not None:
        found += _fit(flow, catalog, config, path, flow_file, actions_file or flow_file.with_suffix(".actions.yaml"))
    return flow


def _telephone(config: Config, path: Path) -> list[Problem]:
    """What is wrong in trunks and routes; `voicebot trunk check` looks at certificates, ports and names besides."""
    found: list[Problem] = []
    folder, file = config.sip.trunks, config.sip.routes
    trunks = {} if folder is None else _try(found, lambda: load_trunks(folder)) or {}
    book = TrunkRegistry(trunks=trunks)
    for name, uri in config.handover.targets.items():
        parsed = parse_uri(uri)
        trunk = book.of_uri(parsed)
        if trunk is not None and not book.allowed(trunk, parsed):
            remedy = f"add it to destinations of trunk {trunk.name}, or name another target"
            found.append(Problem(str(path), 0, f"handover target {name!r}: {uri} may not be called", remedy))
    router = None if file is None else _try(found, lambda: Router.load(file))
    if router is not None:
        found += [problem for problem in routing_problems(config, router, trunks.values()) if not problem.warning]
    return found


def _try(found: list[Problem], read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except SourceError as error:
        found += error.problems
        return None


def _fit(
    flow: Flow, catalog: Catalog, config: Config, path: Path, flow_file: Path, actions_file: Path
) -> list[Problem]:
    """Do flow, actions and configuration name the same things?"""
    found = []
    for name, given in flow.actions_used().items():
        takes = catalog.names.get(name)
        if takes is None:
            found.append(Problem(str(flow_file), 0, f"action {name!r} is not defined", f"add it to {actions_file}"))
        elif given != takes:
            differ = ", ".join(sorted(given ^ takes))
            found.append(
                Problem(str(flow_file), 0, f"action {name!r} is called with other arguments than it takes: {differ}")
            )
    for language in sorted(flow.languages_used() - set(config.tts.languages)):
        found.append(
            Problem(str(path), 0, f"{flow_file} speaks {language!r}, for which there is no voice",
                    f"add `{language}: espeak` under tts.languages")
        )  # fmt: skip
    target = flow.model.handover.target
    if target not in config.handover.targets:
        found.append(
            Problem(str(path), 0, f"handover target {target!r} is not configured", "add it under handover.targets")
        )
    return found
