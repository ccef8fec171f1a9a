"""``voicebot trunk``: the trunk doctor. What is wrong with trunks, routes and calls, why, and what to do about it."""

from __future__ import annotations

import argparse
import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from telephony.doctor import call_trace, ladder, ladder_page, message_sequence, pcap
from telephony.doctor.call_trace import CallTrace
from telephony.doctor.findings import Finding, sound, to_json
from telephony.doctor.probe import Probe
from telephony.doctor.selftest import Selftest
from telephony.doctor.server_config import ServerConfig
from telephony.doctor.trunk_check import check
from telephony.routing.call_facts import CallFacts
from telephony.routing.opening_hours import zone_of
from telephony.routing.rules import RouteDecision, Router
from telephony.sip.listen_sockets import ListenConfig
from telephony.sip.tls import TlsServer
from telephony.trunk.load import load
from telephony.trunk.model import Trunk
from voicebot import config as configuration
from voicebot.config import Config
from voicebot.errors import VoicebotError
from voicebot.paths import ROOT

SERVER_S = 5.0
"""How long the running server may take to answer."""
MAX_ANSWER_BYTES = 64 << 20


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands to the parser."""
    top = sub.add_parser("trunk", help="find out what is wrong with a trunk, a route or a call", description=__doc__)
    commands = top.add_subparsers(title="commands", metavar="WHAT", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        cmd = commands.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        cmd.add_argument(
            "-c", "--config", type=Path, default=ROOT / "voicebot.yaml", help="default: the checkout's own"
        )
        cmd.add_argument("--trunks", type=Path, metavar="FOLDER", help="instead of the configuration's")
        cmd.add_argument("--routes", type=Path, metavar="FILE", help="instead of the configuration's")
        cmd.add_argument("--json", action="store_true", help="machine-readable")
        cmd.set_defaults(func=lambda args: _with_words(run, args))
        return cmd

    cmd = add("check", _check, "look through trunks, routes, certificates, ports, addresses and names")
    cmd.add_argument("folder", nargs="?", type=Path, help="trunk files, as --trunks")
    cmd = add("probe", _probe, "ask a trunk's servers, step by step: DNS, TCP, TLS, OPTIONS, REGISTER")
    cmd.add_argument("name", help="of the trunk")
    cmd.add_argument("--register", action="store_true", help="register for a moment, instead of only asking")
    cmd = add("selftest", _selftest, "call over a trunk and measure sound and key presses both ways")
    cmd.add_argument("name", help="of the trunk")
    cmd.add_argument("--to", required=True, metavar="NUMBER", help="a number that leads back to us, or an echo")
    cmd.add_argument("--ladder", action="store_true", help="show the SIP messages, too")
    cmd.add_argument("--pcap", type=Path, metavar="FILE", help="write them as a capture")
    _route_arguments(add("route", _route, "say which rule takes a call, why, and what the dialog will see"))
    cmd = add("state", _state, "how the running server's trunks are doing, and which sources it has blocked")
    cmd.add_argument("--url", help="of the running server; default: the configuration's http section")
    cmd.add_argument("--unblock", metavar="ADDRESS", help="let a blocked source in again")
    for name, run, words in (
        ("ladder", _ladder, "show a call's SIP messages and negotiation in words"),
        ("pcap", _pcap, "write a call's messages as a capture for Wireshark"),
    ):
        cmd = add(name, run, words)
        cmd.add_argument("call", help="id of the call, or a Call-ID")
        cmd.add_argument("--url", help="of the running server; default: the configuration's http section")
        if name == "ladder":
            cmd.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")
        else:
            cmd.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")


def _route_arguments(cmd: argparse.ArgumentParser) -> None:
    cmd.add_argument("--to", required=True, help="called number or URI")
    cmd.add_argument("--from", dest="from_", default="sip:anonymous@anonymous.invalid", help="calling number or URI")
    cmd.add_argument("--trunk", default="", help="name of the trunk that the call comes by")
    cmd.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="may be given several times")
    cmd.add_argument(
        "--at",
        metavar="TIME",
        help="such as 2026-12-24T12:00, in the zone of the routes, or with an offset; default: now",
    )


def _with_words(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Sockets and files that cannot be had are no fault of the program."""
    try:
        return run(args)
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        raise VoicebotError(f"{file}{error.strerror or error}") from None


# ── the commands ──


def _check(args: argparse.Namespace) -> int:
    found = asyncio.run(check(_site(args)))
    wrong = sum(finding.level == "problem" for finding in found)
    warnings = sum(finding.level == "warning" for finding in found)
    return _report(args, found, f"{wrong} problem(s), {warnings} warning(s), {len(found)} things looked at")


def _probe(args: argparse.Namespace) -> int:
    site = _site(args)
    trunk = _trunk(site, args.name)
    steps = Probe(site.listening, trunk, register=args.register).run()
    found = asyncio.run(_collect(args, steps))
    return _report(args, found, "the trunk is in order" if sound(found) else "", shown=not args.json)


def _selftest(args: argparse.Namespace) -> int:
    site = _site(args)
    test = Selftest(site, _trunk(site, args.name), args.to)
    found = asyncio.run(test.run())
    status = _report(args, found, "the trunk carries sound and keys" if sound(found) else "")
    if args.ladder and not args.json:
        print(f"\n{ladder.text(message_sequence.read_sequence(test.trace))}", end="")
    if args.pcap is not None:
        args.pcap.write_bytes(pcap.write(test.trace))
    return status


def _route(args: argparse.Namespace) -> int:
    site = _site(args)
    router = Router.load(site.routes) if site.routes is not None else Router.always(_config(args).flow.stem)
    trunks = load(site.trunks) if site.trunks is not None else {}
    if args.trunk and site.trunks is not None and args.trunk not in trunks:
        raise VoicebotError(f"there is no trunk {args.trunk!r}", f"there are: {', '.join(trunks) or 'none'}")
    trunk = trunks.get(args.trunk)
    headers = [_header(text) for text in args.header]
    trusted, verstat = (trunk.trusted, trunk.verstat) if trunk is not None else (False, False)
    facts = CallFacts.of(args.to, args.from_, headers, trunk=args.trunk, trusted=trusted, verstat=verstat)
    decision = router.decide(facts, _time(args.at, zone_of(router.model.zone)))
    print(json.dumps(_decision_json(decision), indent=2, ensure_ascii=False) if args.json else _decision(decision))
    return 0


def _state(args: argparse.Namespace) -> int:
    if args.unblock:
        try:
            _ask(args, f"unblock/{urllib.parse.quote(args.unblock, safe='')}", "POST")
        except urllib.error.HTTPError:
            raise VoicebotError(f"{args.unblock} is not blocked", "without --unblock: who is") from None
        print(f"{args.unblock} may call again")
        return 0
    state = _ask(args, "state")
    if args.json:
        print(json.dumps(state))
        return 0
    for trunk in state["trunks"]:
        words = f"registration {trunk['registration']}, health {trunk['health']}, {trunk['calls']} calls"
        print(f"{trunk['trunk']:16}{words}{': ' + trunk['why'] if trunk['why'] else ''}")
    for block in state["blocked"]:
        print(f"blocked  {block['host']} for {block['left_s']:.0f} s more: {block['why']}, {block['times']} times")
    refused = ", ".join(f"{count} {why}" for why, count in state["refused"].items()) or "nothing"
    print(f"{state['calls']} calls now; turned away before reading: {refused}")
    return 0


def _ladder(args: argparse.Namespace) -> int:
    trace = _fetch(args)
    told = message_sequence.read_sequence(trace)
    if args.html is not None:
        args.html.write_text(ladder_page.page(told), encoding="utf-8")
        print(f"{args.html}: {len(told.steps)} messages")
    else:
        print(json.dumps(call_trace.to_json(trace)) if args.json else ladder.text(told), end="")
    return 0 if told.steps else 1


def _pcap(args: argparse.Namespace) -> int:
    trace = _fetch(args)
    args.output.write_bytes(pcap.write(trace))
    count = sum(bool(entry.data) for entry in trace.entries)
    print(f"{args.output}: {count} messages, {len(trace.rtp)} RTP packets")
    return 0 if count else 1


# ── what they share ──


async def _collect(args: argparse.Namespace, steps: AsyncIterator[Finding]) -> list[Finding]:
    """Show each step as soon as it is done."""
    found: list[Finding] = []
    async for finding in steps:
        found.append(finding)
        if not args.json:
            print(finding, flush=True)
    return found


def _report(args: argparse.Namespace, found: list[Finding], summary: str, shown: bool = False) -> int:
    if args.json:
        print(json.dumps(to_json(found), indent=2, ensure_ascii=False))
    else:
        for finding in () if shown else found:
            print(finding)
        if summary:
            print(summary)
    return 0 if sound(found) else 1


def _config(args: argparse.Namespace) -> Config:
    return configuration.load(args.config)


def _site(args: argparse.Namespace) -> ServerConfig:
    config = _config(args)
    sip = config.sip
    tls = TlsServer(sip.tls.cert, sip.tls.key, sip.tls.clients) if sip.tls is not None else None
    tls_port = sip.tls.port if sip.tls is not None else 0
    return ServerConfig(
        listening=ListenConfig(sip.addresses, sip.port, sip.advertise, tls, tls_port, tuple(sip.nameservers)),
        trunks=getattr(args, "folder", None) or args.trunks or sip.trunks,
        routes=args.routes or sip.routes,
        rtp=(config.rtp.first_port, config.rtp.last_port),
        max_calls=sip.max_calls,
        flows=frozenset(config.flow_files),
        targets=frozenset(config.handover.targets),
    )


def _trunk(site: ServerConfig, name: str) -> Trunk:
    trunks = load(site.trunks) if site.trunks is not None else {}
    if name not in trunks:
        raise VoicebotError(f"there is no trunk {name!r}", f"there are: {', '.join(trunks) or 'none; give --trunks'}")
    return trunks[name]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise VoicebotError(f"--header {text!r} is no header", 'write --header "X-Customer: 42"')
    return name.strip(), value.strip()


def _time(text: str | None, zone: tzinfo) -> datetime:
    """The time meant; one without an offset is of the routes' own zone."""
    if text is None:
        return datetime.now(zone)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise VoicebotError(f"--at {text!r} is no time", "write 2026-12-24T12:00 or 2026-12-24T12:00+01:00") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=zone)


def _decision(decision: RouteDecision) -> str:
    lines = [str(outcome) for outcome in decision.why]
    lines += [f"→ {decision.target} (rule {decision.rule})", "", "the dialog sees:"]
    lines += [f"  {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in decision.variables.items()]
    return "\n".join(lines)


def _decision_json(decision: RouteDecision) -> dict[str, object]:
    tried = [{"rule": o.rule, "line": o.line, "matched": o.matched, "words": o.words} for o in decision.why]
    target = {"kind": decision.target.kind, "value": decision.target.value}
    return {"rule": decision.rule, "target": target, "variables": decision.variables, "why": tried}


def _fetch(args: argparse.Namespace) -> CallTrace:
    """A call's messages from the running server."""
    try:
        return call_trace.from_json(_ask(args, f"trace/{urllib.parse.quote(args.call, safe='')}"))
    except urllib.error.HTTPError as error:
        raise VoicebotError(f"the server knows no call {args.call!r}", "`voicebot calls` lists them; old ones are "
                            "forgotten when the server needs the memory, or was restarted") from error  # fmt: skip


def _ask(args: argparse.Namespace, what: str, method: str = "GET") -> Any:
    """What the running server answers. Raises HTTPError for 404 only."""
    http = _config(args).http
    base = args.url or f"http://{http.from_here}:{http.port}"
    if not base.startswith(("http://", "https://")):
        raise VoicebotError(f"--url {base!r} is no address of a server", "write http://127.0.0.1:8080")
    url = f"{base.rstrip('/')}/trunk/{what}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=SERVER_S) as answer:
            return json.loads(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise
        raise VoicebotError(f"the server answers {error.code} to {url}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise VoicebotError(f"no answer from {url}: {why}", "is the server running? name it with --url") from None
