"""The telephone side put together: user agent, trunks, routes, gate and trace; what happens there goes into metrics.

Labels of metrics are names from the configuration and small fixed sets only: nothing that a caller can choose.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.doctor.call_trace import CallTrace
from telephony.doctor.rtp_capture import packets
from telephony.events import CallEnded, CallSetUp, SourceBlocked, SourceRefused, TelephonyEvent, TrunkStateChanged
from telephony.leg import Leg
from telephony.media.engine import MediaEngine
from telephony.media.stats import MediaStats
from telephony.problems import Problem, SourceError
from telephony.routing.call_facts import CallFacts
from telephony.routing.lint import lint
from telephony.routing.rules import RouteDecision, Router
from telephony.sip.flood_guard import Block, FloodGuard
from telephony.sip.tls import TlsServer
from telephony.trace import SipTrace
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry
from voicebot import log
from voicebot.config import Config
from voicebot.journal import metrics

NO_TRUNK = "none"
REMEMBERED = 2000
"""Calls whose legs can still be found by our own id."""
CAPTURED = 20
"""Legs whose audio packets are kept, where that is switched on."""
LOOK_S = 2.0
"""How often the file of routes is looked at for changes."""
_ENDS = frozenset({"caller", "local", "no-media", "session-expired", "transferred", "replaced"})
_log = log.get(__name__)


class Edge:
    """Everything between the network and an answered leg.

    Args:
        config: the whole configuration.
        media: a media engine, not started.
        on_call: gets each call that no route refuses, with where it goes.

    Raises:
        SourceError: trunks or routes are wrong.
    """

    def __init__(
        self, config: Config, media: MediaEngine, on_call: Callable[[IncomingCall, RouteDecision], Awaitable[None]]
    ) -> None:
        sip = config.sip
        self._config = config
        self._on_call = on_call
        self._legs_of: OrderedDict[str, list[str]] = OrderedDict()
        self._captured: OrderedDict[str, SipLeg] = OrderedDict()
        self._looked_s = 0.0
        self._changed_ns = 0
        self.trace = SipTrace(int(sip.trace_mb * 1_000_000)) if sip.trace_mb else None
        self.guard = FloodGuard(on_event=count)
        self.trunks = TrunkRegistry(sip.trunks, guard=self.guard, on_event=count)
        self.router = self._read_routes()
        tls = None if sip.tls is None else TlsServer(sip.tls.cert, sip.tls.key, sip.tls.clients)
        agent = AgentConfig(
            sip.addresses,
            sip.port,
            sip.advertise,
            sip.max_calls,
            max_new_per_s=sip.max_new_per_s,
            tls=tls,
            tls_port=5061 if sip.tls is None else sip.tls.port,
            nameservers=tuple(sip.nameservers),
            open=sip.takes_strangers,
        )
        self.agent = UserAgent(
            agent, media, self._ring, trunks=self.trunks, guard=self.guard, trace=self.trace, on_event=count
        )

    def decide(self, incoming: IncomingCall, now: datetime) -> RouteDecision:
        """Which rule takes a call, and what the dialog is told about it."""
        trunk = incoming.trunk
        facts = CallFacts(
            incoming.request_uri,
            next(iter(incoming.headers.get("from", ())), incoming.from_uri),
            "" if trunk is None else trunk.name,
            incoming.trusted,
            trunk is not None and trunk.verstat,
            dict(incoming.headers),
        )
        return self._current().decide(facts, now)

    async def _ring(self, incoming: IncomingCall) -> None:
        decision = self.decide(incoming, datetime.now().astimezone())
        target = decision.target
        if self.trace is not None:
            self.trace.remark(incoming.id, f"rule {decision.rule}: {target}")
        if target.redirect is not None:
            incoming.redirect([target.redirect])
        elif target.answer is not None:
            incoming.reject(*target.refusal)
        else:
            await self._on_call(incoming, decision)

    # ── what the doctor is shown ──

    def remember(self, call: str, leg: Leg) -> None:
        """A leg belongs to a call of this id."""
        self._legs_of.setdefault(call, []).append(leg.id)
        if len(self._legs_of) > REMEMBERED:
            self._legs_of.popitem(last=False)
        if isinstance(leg, SipLeg) and leg.media.capture is not None:
            self._captured[leg.id] = leg
            if len(self._captured) > CAPTURED:
                self._captured.popitem(last=False)

    def trace_of(self, call: str) -> CallTrace | None:
        """The SIP messages of a call, by our id, by a leg's Call-ID, or ``last``; None when nothing is known."""
        if self.trace is None:
            return None
        if call == "last" and self._legs_of:
            call = next(reversed(self._legs_of))
        ids = self._legs_of.get(call, [call])
        found = {leg: entries for leg in ids if (entries := self.trace.of(leg))}
        sound = [self._captured[leg] for leg in found if leg in self._captured]
        rtp = [packet for leg in sound for packet in packets(leg.media, leg.endpoint.local_host(leg.dialog.hop))]
        return CallTrace(call, found, rtp) if found else None

    def state(self) -> dict[str, Any]:
        """How trunks are doing, and who is blocked."""
        now_s = asyncio.get_running_loop().time()
        return {
            "trunks": [dataclasses.asdict(standing) for standing in self.trunks.states()],
            "blocked": [_shown(block, now_s) for block in self.guard.blocked(now_s)],
            "refused": dict(self.guard.refused),
            "calls": self.agent.active_calls,
        }

    def unblock(self, host: str) -> bool:
        """Let a blocked address in again. False when it was not blocked, or is no address."""
        return self.guard.unblock(host)

    # ── the file of routes ──

    def reload(self) -> list[Problem]:
        """Read trunks and routes again now. Returns what is wrong; the old ones stay at work then."""
        problems = self.trunks.reload()
        try:
            self.router = self._read_routes()
        except SourceError as error:
            problems += error.problems
        return problems

    def _read_routes(self) -> Router:
        path = self._config.sip.routes
        if path is None:
            return Router.always(self._config.flow.stem)
        self._changed_ns = _changed_ns(path)
        router = Router.load(path)
        problems = routing_problems(self._config, router, self.trunks.all())
        for problem in problems:
            _log.warning("routes", extra={"problem": str(problem)})
        wrong = [problem for problem in problems if not problem.warning]
        if wrong:
            raise SourceError(wrong)
        return router

    def _current(self) -> Router:
        """The routes; read again when the file has changed. A wrong new file leaves the old routes at work."""
        path, now_s = self._config.sip.routes, time.monotonic()
        if path is not None and now_s - self._looked_s > LOOK_S:
            self._looked_s = now_s
            if _changed_ns(path) != self._changed_ns:
                try:
                    self.router = self._read_routes()
                    _log.info("routes read again", extra={"file": str(path)})
                except SourceError as error:
                    _log.error("new routes are wrong, the old ones stay", extra={"problems": str(error)})
        return self.router


def _shown(block: Block, now_s: float) -> dict[str, Any]:
    return {"host": block.host, "why": block.why, "left_s": block.until_s - now_s, "times": block.times}


def routing_problems(config: Config, router: Router, trunks: Iterable[Trunk]) -> list[Problem]:
    """What lint says of routes in this configuration."""
    names = {trunk.name: trunk.trusted for trunk in trunks}
    trusted = [name for name, is_trusted in names.items() if is_trusted]
    return lint(router, list(config.flow_files), list(config.handover.targets), list(names), trusted)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def count(event: TelephonyEvent) -> None:
    """Write one happening down in the metrics."""
    match event:
        case CallSetUp(trunk, incoming, status, seconds):
            direction = "in" if incoming else "out"
            metrics.sip_calls.labels(trunk or NO_TRUNK, direction, str(status)).inc()
            if 200 <= status < 300:
                metrics.sip_setup.labels(trunk or NO_TRUNK, direction).observe(seconds)
        case CallEnded(trunk=trunk, why=why, media=media):
            metrics.sip_over.labels(trunk or NO_TRUNK, why if why in _ENDS else "failed").inc()
            _count_media(trunk or NO_TRUNK, media)
        case SourceRefused(why, _, trunk):
            metrics.sip_refused.labels(trunk or NO_TRUNK, why).inc()
        case SourceBlocked(seconds=seconds) if seconds:
            metrics.sip_blocked.inc()
        case TrunkStateChanged(trunk, state):
            if state in ("up", "down", "unknown"):
                metrics.trunk_up.labels(trunk).set({"up": 1, "down": 0, "unknown": -1}[state])
            else:
                metrics.trunk_registered.labels(trunk).set(state == "registered")


def _count_media(trunk: str, media: MediaStats) -> None:
    expected = media.packets_received + media.lost
    if not expected:
        return
    metrics.media_jitter.labels(trunk).observe(media.jitter_ms / 1000)
    metrics.media_loss.labels(trunk).observe(100 * media.lost / expected)
    if media.mos is not None:
        metrics.media_mos.labels(trunk).observe(media.mos)
