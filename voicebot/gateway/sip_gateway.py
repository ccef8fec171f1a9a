"""The telephone side put together: user agent, trunks, routes, flood guard and trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call_policy import Terms
from telephony.clock import now_s
from telephony.doctor.call_trace import CallTrace
from telephony.events import TelephonyEvent
from telephony.leg import Leg
from telephony.media.engine import MediaEngine
from telephony.routing.call_facts import CallFacts
from telephony.routing.rules import RouteDecision
from telephony.sip.flood_guard import Block, FloodGuard
from telephony.sip.tls import TlsServer
from telephony.sip_trace import SipTrace
from telephony.trunk.registry import TrunkRegistry
from telephony.yaml_problems import Problem
from voicebot.config import Config, SipSettings
from voicebot.gateway.call_forensics import CallForensics
from voicebot.gateway.routes_reload import RoutesReload
from voicebot.gateway.telephony_journal import note
from voicebot.gateway.telephony_metrics import count
from voicebot.journal.journal import Journal


class SipGateway:
    """Everything between the network and an answered leg.

    Args:
        config: the whole configuration.
        media: a media engine, not started.
        on_call: gets each call that no route refuses, with where it goes.
        journal: is told of addresses that are blocked.

    Raises:
        SourceError: trunks or routes are wrong.
    """

    def __init__(
        self,
        config: Config,
        media: MediaEngine,
        on_call: Callable[[IncomingCall, RouteDecision], Awaitable[None]],
        journal: Journal,
    ) -> None:
        sip = config.sip
        self._on_call = on_call

        def tell(event: TelephonyEvent) -> None:
            count(event)
            note(event, journal)

        self.trace = SipTrace(int(sip.trace_mb * 1_000_000)) if sip.trace_mb else None
        self.forensics = CallForensics(self.trace)
        """A sink of the journal."""
        self.guard = FloodGuard(on_event=tell)
        strangers = Terms(no_media_s=sip.no_media_s)
        self.trunks = TrunkRegistry(sip.trunks, guard=self.guard, on_event=tell, strangers=strangers)
        self.routes = RoutesReload(config, self.trunks.all)
        self.agent = UserAgent(
            _agent_config(sip),
            media,
            self._ring,
            trunks=self.trunks,
            guard=self.guard,
            trace=self.trace,
            on_event=tell,
        )

    async def start(self) -> None:
        """Take calls. Raises OSError with words when a port is taken."""
        await self.agent.start()
        self.routes.start()

    async def stop(self, grace_s: float = 0.0) -> None:
        """Refuse new calls, wait up to `grace_s` for the live ones, end what is left."""
        await self.routes.stop()
        await self.agent.stop(grace_s)

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
        return self.routes.router.decide(facts, now)

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

    async def reload(self) -> list[Problem]:
        """Read trunks and routes again now. Returns what is wrong; the old ones stay at work then."""
        return [*await self.trunks.reload(), *await self.routes.reload()]

    # ── what the doctor is shown ──

    def remember(self, call: str, leg: Leg) -> None:
        """A leg belongs to a call of this id."""
        self.forensics.remember(call, leg)

    def trace_of(self, call: str) -> CallTrace | None:
        """See `CallForensics.trace_of`."""
        return self.forensics.trace_of(call)

    def state(self) -> dict[str, Any]:
        """How trunks are doing, and who is blocked."""
        at_s = now_s()
        return {
            "trunks": [dataclasses.asdict(status) for status in self.trunks.states()],
            "blocked": [_shown(block, at_s) for block in self.guard.blocked(at_s)],
            "refused": dict(self.guard.refused),
            "calls": self.agent.active_calls,
        }

    def unblock(self, host: str) -> bool:
        """Let a blocked address in again. False when it was not blocked, or is no address."""
        return self.guard.unblock(host)


def _agent_config(sip: SipSettings) -> AgentConfig:
    return AgentConfig(
        sip.addresses,
        sip.port,
        sip.advertise,
        sip.max_calls,
        max_new_per_s=sip.max_new_per_s,
        tls=None if sip.tls is None else TlsServer(sip.tls.cert, sip.tls.key, sip.tls.clients),
        tls_port=5061 if sip.tls is None else sip.tls.port,
        nameservers=tuple(sip.nameservers),
        open=sip.takes_strangers,
    )


def _shown(block: Block, now_s: float) -> dict[str, Any]:
    return {"host": block.host, "why": block.why, "left_s": block.until_s - now_s, "times": block.times}
