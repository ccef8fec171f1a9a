"""The command line that the examples share."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import sys
from pathlib import Path

from ..agent import OnCall
from ..agent_config import AgentConfig
from ..events import CallEnded, CallSetUp, SourceBlocked, SourceRefused, TelephonyEvent, TrunkStateChanged
from ..server import FIRST_RTP, LAST_RTP, serving, stop_signal
from ..yaml_problems import SourceError


def arguments(description: str) -> argparse.ArgumentParser:
    """The options of every example."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--listen", type=_address, default="127.0.0.1", metavar="ADDRESS", help="for SIP and RTP; %(default)s")
    add("--port", type=_port, default=5060, help="of SIP, UDP and TCP; %(default)s; 0 takes any free one")
    add("--advertise", type=_address, metavar="ADDRESS", help="ours as callers see it, behind NAT or on 0.0.0.0")
    add("--first-rtp", type=_port, default=FIRST_RTP, metavar="PORT", help="first port for audio; %(default)s")
    add("--last-rtp", type=_port, default=LAST_RTP, metavar="PORT", help="last port for audio; %(default)s")
    add("--trunks", type=Path, metavar="FOLDER", help="trunk files, see docs/trunks.md")
    return parser


def run(on_call: OnCall, chosen: argparse.Namespace) -> None:
    """Take calls until Ctrl-C or SIGTERM. Leaves the program with status 1 and a sentence when that cannot begin."""
    try:
        asyncio.run(_serve(on_call, chosen))
    except OSError as error:
        sys.exit(f"cannot start: {error.strerror or error}")
    except SourceError as error:
        sys.exit(f"cannot start: {error}")


async def _serve(on_call: OnCall, chosen: argparse.Namespace) -> None:
    config = AgentConfig(chosen.listen, chosen.port, chosen.advertise, user_agent="telephony-example")
    ports = (chosen.first_rtp, chosen.last_rtp)
    async with serving(on_call, config, trunks=chosen.trunks, rtp_ports=ports, on_event=tell) as agent:
        host = f"[{chosen.listen}]" if ":" in chosen.listen else chosen.listen
        print(f"listening: call sip:bot@{host}:{agent.port} (UDP or TCP), stop with Ctrl-C", flush=True)
        await stop_signal()
        print("stopping", flush=True)


def tell(event: TelephonyEvent) -> None:
    """Print what happens at the edge; a server would count it."""
    match event:
        case CallSetUp(status=status, seconds=seconds):
            print(f"call answered with {status} after {seconds * 1000:.0f} ms", flush=True)
        case CallEnded(words=why, seconds=seconds, media=media):
            mos = "unknown" if media.mos is None else f"{media.mos:.1f}"
            print(f"call over after {seconds:.1f} s ({why}); {media.codec}, MOS {mos}", flush=True)
        case SourceRefused(why=why, host=host):
            print(f"refused {host}: {why}", flush=True)
        case SourceBlocked(host=host, why=why, seconds=seconds):
            print(f"blocked {host} for {seconds:.0f} s: {why}", flush=True)
        case TrunkStateChanged(trunk=trunk, state=state, why=why):
            print(f"trunk {trunk} is {state} {why}".rstrip(), flush=True)


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IPv4 or IPv6 address") from None
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)
