"""The DNS records that lead to a server, as text."""

from __future__ import annotations

import asyncio
import ipaddress

from sipmessage import URI

from telephony.routing.call_facts import clean
from telephony.sip.resolve import DnsClient, Kind

MAX_RECORDS = 12


async def records(dns: DnsClient, uri: URI) -> list[str]:
    """What the DNS says of a URI's host, one line a record; nothing for an address literal."""
    host = uri.host.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return []
    questions: list[tuple[str, Kind]] = []
    if uri.port is None:
        questions.append((host, "NAPTR"))
        questions += [(f"{service}.{host}", "SRV") for service in ("_sip._udp", "_sip._tcp", "_sips._tcp")]
    questions += [(host, "A"), (host, "AAAA")]
    answers = await asyncio.gather(*(_ask(dns, name, kind) for name, kind in questions))
    lines = [line for answer in answers for line in answer]
    return lines[:MAX_RECORDS] + ([f"… and {len(lines) - MAX_RECORDS} more"] if len(lines) > MAX_RECORDS else [])


async def _ask(dns: DnsClient, name: str, kind: Kind) -> list[str]:
    try:
        found = await dns(name, kind)
    except OSError as error:
        return [f"{name} {kind}: {clean(str(error))}"]
    if not found and kind in ("NAPTR", "SRV"):
        return []
    if not found:
        return [f"{name} {kind}: none"]
    return [f"{name} {kind} {clean(getattr(one, 'address', '') or str(one), 160)}" for one in found]
