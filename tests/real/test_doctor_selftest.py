"""The test call over real trunks: a loop through Kamailio, an echo by baresip, a sipp without audio, one-way audio."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.doctor import pcap
from telephony.doctor.findings import Finding
from telephony.doctor.selftest import Selftest
from telephony.doctor.server_config import ServerConfig
from telephony.sip.listen_sockets import ListenConfig
from telephony.trunk.load import load_one

from .baresip import Baresip
from .programs import free_port, free_ports
from .siprun import sipp
from .test_doctor_probe import registering
from .trunkrun import provider

RTP_PORTS = 20


def selftest(folder: Path, text: str, number: str, rtp: range | None = None) -> Selftest:
    """A test over a trunk file of this content."""
    path = folder / "acme.yaml"
    path.write_text(text)
    rtp = rtp or free_ports(RTP_PORTS)
    listening = ListenConfig(("127.0.0.1",), free_port())
    return Selftest(ServerConfig(listening=listening, rtp=(rtp[0], rtp[-1])), load_one(path), number)


def peer(port: int, more: str = "") -> str:
    return f"to: 127.0.0.1:{port}\ntransport: udp\ndestinations: ['*']\n{more}"


def levels(found: list[Finding]) -> dict[str, str]:
    """Subject → the gravest level said of it."""
    ranks = ["ok", "warning", "problem"]
    said: dict[str, str] = {}
    for finding in found:
        said[finding.subject] = max(said.get(finding.subject, "ok"), finding.level, key=ranks.index)
    return said


def words(found: list[Finding]) -> str:
    return "\n".join(map(str, found))


@pytest.mark.peer("kamailio", "tshark")
async def test_a_number_that_leads_back_to_us_is_measured_both_ways(tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port):
        text = registering(port, more="destinations: ['*']\ncodecs: [G722, PCMA]\n")
        test = selftest(tmp_path, text, "bot")
        found = await test.run()
    assert set(levels(found).values()) == {"ok"}, words(found)
    assert {"audio there", "audio back", "keys there", "keys back"} <= levels(found).keys()
    assert "G722 was agreed" in words(found) and "-10 dBm0 (sent -10)" in words(found)
    assert "159# arrived" in words(found)
    capture = tmp_path / "loop.pcap"
    capture.write_bytes(pcap.write(test.trace))
    words_ = ["tshark", "-r", str(capture), "-Y", "sip.Method == INVITE"]
    run = await asyncio.to_thread(subprocess.run, words_, capture_output=True, text=True, check=True)
    assert len(run.stdout.splitlines()) >= 2  # out and back
    words_ = ["tshark", "-r", str(capture), "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams"]
    run = await asyncio.to_thread(subprocess.run, words_, capture_output=True, text=True, check=True)
    streams = [line for line in run.stdout.splitlines() if "g722" in line]
    assert len(streams) == 2 and all(" 0 (0.0%)" in line for line in streams), run.stdout  # each way once, none missing


@contextlib.asynccontextmanager
async def talker(payload_type: int, first: int) -> AsyncIterator[int]:
    """Sends RTP silence to ports from `first` on, and listens to nobody. Yields its own port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind(("127.0.0.1", 0))

        async def talk() -> None:
            for number in range(2000):
                packet = struct.pack("!BBHII", 0x80, payload_type, number, number * 160, 7) + b"\xff" * 160
                for port in range(first, first + 8, 2):
                    rtp.sendto(packet, ("127.0.0.1", port))
                await asyncio.sleep(0.02)

        talking = asyncio.create_task(talk())
        try:
            yield int(rtp.getsockname()[1])
        finally:
            talking.cancel()


ANSWER = """<?xml version="1.0"?><scenario name="talks">
<recv request="INVITE"/>
<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=t 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio RTP_PORT RTP/AVP 0
]]></send>
<recv request="ACK"/><recv request="BYE"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send></scenario>"""


async def echo(folder: Path) -> list[Finding]:
    """At a baresip that returns what it hears."""
    bridged = ";audio_source=aubridge,echo;audio_player=aubridge,echo"
    async with Baresip(folder).running(answers=True, account=bridged) as phone:
        return await selftest(folder, peer(phone.sip_port, "codecs: [PCMU]\n"), phone.user).run()


async def quiet(folder: Path) -> list[Finding]:
    """At a baresip that says nothing."""
    async with Baresip(folder).running(answers=True) as phone:
        return await selftest(folder, peer(phone.sip_port, "codecs: [PCMU]\n"), phone.user).run()


async def no_audio(folder: Path) -> list[Finding]:
    """At a sipp that answers and sends no RTP."""
    scenario = folder / "answers.xml"
    scenario.write_text(ANSWER.replace("RTP_PORT", "9"))
    async with sipp(str(scenario.with_suffix(""))) as other:
        found = await selftest(folder, peer(other.port), "echo").run()
        await other.ended()
        return found


async def talking(folder: Path, payload_type: int) -> list[Finding]:
    """At a sipp beside which somebody sends RTP, but hears nothing."""
    rtp = free_ports(RTP_PORTS)
    async with talker(payload_type, rtp[0]) as port:
        scenario = folder / "talks.xml"
        scenario.write_text(ANSWER.replace("RTP_PORT", str(port)))
        async with sipp(str(scenario.with_suffix(""))) as other:
            found = await selftest(folder, peer(other.port, "codecs: [PCMU]\n"), "echo", rtp).run()
            await other.ended()
            return found


@pytest.mark.peer("baresip", "sipp")
async def test_each_trouble_has_its_own_verdict(tmp_path: Path) -> None:
    """All at one time, as each call takes five seconds."""
    folders = [tmp_path / name for name in ("echo", "quiet", "none", "one-way", "codec")]
    for folder in folders:
        folder.mkdir()
    good, still, none, one_way, codec = await asyncio.gather(
        echo(folders[0]), quiet(folders[1]), no_audio(folders[2]), talking(folders[3], 0), talking(folders[4], 18)
    )
    assert levels(good)["audio"] == "ok" and levels(good)["keys"] != "problem", words(good)
    assert "taken for an echo" in words(good)
    for found, said in (
        (still, "tone does not come back; the peer reports that it gets our packets"),
        (none, "not one RTP packet came, and no report that ours arrive"),
        (one_way, "one-way audio: we hear the peer's packets (silence)"),
        (codec, "of a payload type that was not agreed"),
    ):
        assert levels(found)["audio"] == "problem" and said in words(found), words(found)


@pytest.mark.peer("sipp")
async def test_a_refusal_is_told_with_its_meaning(tmp_path: Path) -> None:
    async with sipp("uas_busy") as other:
        found = await selftest(tmp_path, peer(other.port), "echo").run()
    assert found[0].level == "problem" and "486" in found[0].words and "(busy)" in found[0].words


async def test_a_number_that_the_trunk_may_not_call_is_refused_at_once(tmp_path: Path) -> None:
    found = await selftest(tmp_path, peer(9, "").replace("'*'", "'+49*'"), "+1900").run()
    assert "403" in found[0].words and "destinations" in found[0].words
