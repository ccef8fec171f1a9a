"""``trunk selftest``: a call over the trunk, with tones and key presses, and what became of them.

A number that leads back to us is answered by us, too, and both directions are measured by themselves; any other number
should be an echo. When the server's own port is free, the test takes it and registers like the server; when it is not,
the test calls from another port without registering, and a call that comes back goes to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time

import numpy as np

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.events import TelephonyEvent, TrunkStateChanged
from telephony.leg import LegError
from telephony.media.codecs import Pcm
from telephony.media.engine import MediaEngine
from telephony.media.rtp_capture import captured_packets
from telephony.sip_trace import SipTrace, TraceEntry
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry

from .call_trace import CallTrace
from .findings import Finding
from .port_check import bind
from .selftest_verdict import MeasuredCall, MeasuredEnd, judge
from .server_config import ServerConfig
from .sine_tone import measure, tone
from .status_meanings import meaning

NEAR_HZ, FAR_HZ = 1004.0, 620.0
"""The tones of the two ends; the first is the one that lines are measured with (ITU-T O.6, away from 1000 Hz)."""
LEVEL_DBM0 = -10.0
TONE_S = 2.5
KEYS = "159#"
KEYS_S = 1.6
SETTLE_S = 0.4
RING_S = 30.0
REGISTER_S = 12.0
MARK = "X-Voicebot-Selftest"
MAX_HEARD_S = 20.0
KEPT_PACKETS = 3000
"""Of RTP and RTCP, of each end, for `trace`."""


class _Ear:
    """Keeps what a leg hears."""

    def __init__(self, leg: SipLeg) -> None:
        self.leg = leg
        self.keys = ""
        self._blocks: list[Pcm] = []
        self._left = round(MAX_HEARD_S * leg.rate_hz)
        leg.on_audio = self._hear
        leg.on_dtmf = self._press

    def _hear(self, block: Pcm) -> None:
        if self._left > 0:
            self._blocks.append(block.copy())
            self._left -= len(block)

    def _press(self, key: str) -> None:
        self.keys = (self.keys + key)[:64]

    def end(self, tone_hz: float) -> MeasuredEnd:
        """What was heard, against the tone of the other end."""
        heard = np.concatenate([np.zeros(0, np.int16), *self._blocks])
        sound = measure(heard, tone_hz, self.leg.rate_hz)
        media = self.leg.media
        return MeasuredEnd(media.stats(), media.codec, sound, self.keys, media.refused_security)


class Selftest:
    """One test call.

    Args:
        site: the server's configuration.
        trunk: to be tested.
        number: to call: a number, or a URI.
    """

    def __init__(self, site: ServerConfig, trunk: Trunk, number: str) -> None:
        self._site = site
        self._own_port = _free(site)
        if not self._own_port:  # the server is up and registered; a second registration could take its calls away
            targets = trunk.targets
            changes = {"registration": None, "login": trunk.account, "to": targets, "options_every_s": 0}
            trunk = trunk.model_copy(update=changes)
        self._trunk = trunk
        self._uri = number if number.startswith(("sip:", "sips:", "tel:")) else f"sip:{number}@{trunk.name}"
        self._token = secrets.token_hex(8)
        self._trace = SipTrace()
        self._far: asyncio.Future[SipLeg] | None = None
        self._calls: list[str] = []
        self._rtp: list[TraceEntry] = []
        self._told = asyncio.Event()
        """The registration has succeeded or failed."""

    @property
    def trace(self) -> CallTrace:
        """The messages of the call, and of its way back."""
        return CallTrace("selftest", {call: self._trace.of(call) for call in self._calls}, self._rtp)

    async def run(self) -> list[Finding]:
        """Call, measure, hang up. Raises OSError when no port can be opened."""
        site, listening = self._site, self._site.listening
        engine = MediaEngine(listening.hosts, *site.rtp, capture=KEPT_PACKETS)
        engine.start()
        config = AgentConfig(
            listen=listening.hosts,
            port=listening.port if self._own_port else 0,
            advertise=listening.advertise,
            user_agent="voicebot doctor",
            tls=listening.tls if self._own_port else None,
            tls_port=listening.tls_port,
            nameservers=listening.nameservers,
        )
        registry = TrunkRegistry(trunks={self._trunk.name: self._trunk}, on_event=self._on_event)
        agent = UserAgent(config, engine, self._on_call, trunks=registry, trace=self._trace)
        self._far = asyncio.get_running_loop().create_future()
        try:
            await agent.start()
            failure = await self._registered(registry)
            return [failure] if failure is not None else await self._call(agent)
        finally:
            await agent.stop()
            engine.stop()
            self._calls += [one.call_id for one in self._trace.calls() if b"INVITE" in one.first.encode()][:4]

    async def _registered(self, registry: TrunkRegistry) -> Finding | None:
        if self._trunk.registration is None:
            return None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), REGISTER_S)
        standing = registry.states()[0]
        if standing.registration == "registered":
            return None
        words = f"the registration is {standing.registration}: {standing.why}"
        return Finding("problem", "register", words, f"see: voicebot trunk probe {self._trunk.name}")

    def _on_event(self, event: TelephonyEvent) -> None:
        if isinstance(event, TrunkStateChanged) and event.state in ("registered", "refused", "down"):
            self._told.set()

    async def _call(self, agent: UserAgent) -> list[Finding]:
        began_s = time.monotonic()
        try:
            near = await agent.call(
                self._uri, trunk=self._trunk.name, ring_s=RING_S, headers={MARK: self._token}, from_name="selftest"
            )
        except LegError as error:
            return [self._unanswered(error, time.monotonic() - began_s)]
        set_up_s = time.monotonic() - began_s
        seen = await self._talk(near, set_up_s)
        await near.hang_up()
        return list(judge(seen))

    def _unanswered(self, error: LegError, seconds: float) -> Finding:
        words = f"not answered: {error.status} {error.reason}"
        if any(not entry.outgoing for call in self._trace.calls() for entry in self._trace.of(call.call_id)):
            what, remedy = meaning(error.status)
            return Finding("problem", "call", words + (f" ({what})" if what else ""), remedy, seconds)
        name = self._trunk.name
        allowed = f"see `destinations` of the trunk, and: voicebot trunk probe {name}"
        return Finding("problem", "call", f"{words}; the peer said nothing", allowed, seconds)

    async def _talk(self, near: SipLeg, set_up_s: float) -> MeasuredCall:
        assert self._far is not None
        near_ear = _Ear(near)
        await asyncio.sleep(SETTLE_S)  # echo cancellers and latches settle; a loop's other end is confirmed
        far = self._far.result() if self._far.done() else None
        far_ear = _Ear(far) if far is not None else None
        near.play(tone(NEAR_HZ, TONE_S, LEVEL_DBM0, near.rate_hz))
        if far is not None:
            far.play(tone(FAR_HZ, TONE_S, LEVEL_DBM0, far.rate_hz))
        await self._wait(near, TONE_S + SETTLE_S)
        near.send_dtmf(KEYS)
        if far is not None:
            far.send_dtmf(KEYS)
        await self._wait(near, KEYS_S + SETTLE_S)
        self._keep_rtp(near, far)
        return MeasuredCall(
            set_up_s=set_up_s,
            near=near_ear.end(FAR_HZ if far_ear is not None else NEAR_HZ),
            far=far_ear.end(NEAR_HZ) if far_ear is not None else None,
            sent_dbm0=LEVEL_DBM0,
            keys=KEYS,
            wished=tuple(self._trunk.codecs),
            beside_server=not self._own_port,
            ended=near.ended_by if near.closed.done() else "",
        )

    def _keep_rtp(self, *legs: SipLeg | None) -> None:
        """Where no server stands between both ends, each packet is seen twice and kept once."""
        found: dict[tuple[frozenset[str], bytes], TraceEntry] = {}
        for leg in filter(None, legs):
            for packet in captured_packets(leg.media, leg.endpoint.local_host(leg.dialog.hop)):
                found.setdefault((frozenset((packet.local, packet.remote)), packet.data), packet)
        self._rtp = list(found.values())

    @staticmethod
    async def _wait(leg: SipLeg, seconds: float) -> None:
        await asyncio.wait([leg.closed], timeout=seconds)

    async def _on_call(self, incoming: IncomingCall) -> None:
        """Our own call that comes back; carriers may have taken our mark away. All others are not for a test."""
        marks = incoming.headers.get(MARK, ())
        if self._far is None or self._far.done() or (marks and self._token not in marks):
            incoming.reject(480)
            return
        try:
            leg = await incoming.answer()
        except LegError:
            return
        if self._far.done():
            await leg.hang_up()
            return
        self._far.set_result(leg)
        await asyncio.wait([leg.closed])


def _free(site: ServerConfig) -> bool:
    """Whether the server's SIP port is free, so that calls to us come to the test."""
    listening = site.listening
    kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
    return all(bind(host, listening.port, kind) is None for host in listening.hosts for kind in kinds)
