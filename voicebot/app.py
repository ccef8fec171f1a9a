"""The wiring: which parts there are and who talks to whom. Nothing else in the program joins two rooms for good."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from telephony.agent import IncomingCall
from telephony.leg import Leg, LegError
from telephony.media.engine import MediaEngine
from telephony.routing.rules import RouteDecision
from telephony.webrtc.leg import WebRtcLeg
from voicebot import log
from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.calls.session import APOLOGY, FILLER, PROGRESS, SORRY, Call, Connect, House, Script
from voicebot.config import Config
from voicebot.flows.flow import Flow
from voicebot.gateway.sip_gateway import SipGateway
from voicebot.handoff.switchboard import Switchboard
from voicebot.handoff.webhook import post_summary
from voicebot.journal import metrics
from voicebot.journal.call_journal import Scribe
from voicebot.listening.listening import Ears
from voicebot.nlu.intents import Understanding
from voicebot.nlu.slots import extract as slots
from voicebot.paths import models_dir
from voicebot.record.records import Records
from voicebot.tts.synthesizer import Mouth
from voicebot.web.doctor import Doctor
from voicebot.web.server import Web

THINKERS = 2
_log = log.get(__name__)


class App:
    """The running server. Building it loads the models (seconds, blocking); `start` opens the ports.

    Raises:
        SourceError: the configuration's flow or actions are wrong.
        ModelMissing: weights are not on this machine.
    """

    def __init__(self, config: Config, hints: list[str] | None = None) -> None:
        self.config = config
        self.hints = hints or []
        with ThreadPoolExecutor(3, thread_name_prefix="load") as loaders:
            ears = loaders.submit(Ears.load, config.ears)
            mouth = loaders.submit(Mouth.load, config.mouth)
            loaders.submit(slots.warm)
            self.scripts = {name: load_script(*files) for name, files in config.scripts.items()}
        self.script = self.scripts[config.flow.stem]
        """What answers when no route says otherwise."""
        self.records = Records.open(config.record.database)
        self.media = MediaEngine(
            config.sip.addresses, config.rtp.first_port, config.rtp.last_port, capture=config.sip.trace_rtp
        )
        self.gateway = SipGateway(config, self.media, self._sip_call)
        self.agent = self.gateway.agent
        self.web = Web(
            config.http,
            on_browser_call=self._browser_call,
            ready=lambda: self.ready,
            status=self.status,
            doctor=Doctor(lambda: self.gateway),
        )
        self.house = House(
            config=config,
            ears=ears.result(),
            mouth=mouth.result(),
            switchboard=Switchboard(config.handover, self._dial),
            thinkers=ThreadPoolExecutor(THINKERS, thread_name_prefix="mind"),
            post_summary=self._post_summary,
        )
        self.ready = False
        self._background: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Open everything; returns when calls are accepted. Raises OSError when a port is taken."""
        house = self.house
        self.records.start()
        house.ears.start()
        house.mouth.start()
        for script in self.scripts.values():
            await script.actions.start()
        self.media.start()
        prompts = [prompt for script in self.scripts.values() for prompt in script.flow.prompts()]
        prompts += [(say.name, say.text) for say in (FILLER, *PROGRESS, SORRY)]
        await house.mouth.keep([APOLOGY, SORRY])
        await house.mouth.warm(prompts[:2], 8000)  # the greeting at once, the rest behind the first calls
        await self.gateway.start()
        await self.web.start()
        # What was loaded stays for good: without it a full collection, 60 to 170 ms, is a few.
        gc.collect()
        gc.freeze()
        self.ready = True
        for rate_hz in (8000, 16000):
            self._spawn(house.mouth.warm(prompts, rate_hz))

    async def stop(self, grace_s: float = 0.0) -> None:
        """Refuse new calls, give the live ones `grace_s` seconds, then end everything in order."""
        ends_s = asyncio.get_running_loop().time() + grace_s
        self.ready = False
        self.agent.drain()
        await self.web.phone.idle(grace_s)  # while SIP calls go on, too: what is left of the time is theirs
        await self.gateway.stop(max(0.0, ends_s - asyncio.get_running_loop().time()))
        await self.web.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self.media.stop()
        for script in self.scripts.values():
            await script.actions.stop()
        self.house.ears.stop()
        self.house.mouth.stop()
        self.house.thinkers.shutdown(wait=True)
        self.records.stop()

    def status(self) -> dict[str, Any]:
        """What the web pages show about the server."""
        return {
            "flow": self.script.flow.name,
            "calls": self.agent.active_calls + self.web.phone.active,
            "hints": self.hints,
        }

    async def _sip_call(self, incoming: IncomingCall, decision: RouteDecision) -> None:
        try:
            leg = await incoming.answer()
        except LegError as error:
            _log.warning("call not answered", extra={"status": error.status, "reason": error.reason})
            return
        target = decision.target
        script = self.script if target.flow is None else self.scripts[target.flow]
        connect = None if target.kind == "flow" else Connect(target.value, queue=target.kind == "queue")
        await self._converse(script, leg, "sip", incoming.from_uri, incoming.to_uri, decision.variables, connect)

    async def _browser_call(self, leg: WebRtcLeg) -> None:
        await self._converse(self.script, leg, "browser", leg.peer, "browser phone", {}, page=leg)

    async def _converse(
        self,
        script: Script,
        leg: Leg,
        channel: str,
        caller: str,
        called: str,
        known: Mapping[str, str | bool],
        connect: Connect | None = None,
        page: WebRtcLeg | None = None,
    ) -> None:
        call = uuid.uuid4().hex[:12]
        log.call_id.set(call)
        self.gateway.remember(call, leg)
        scribe = Scribe(
            self.records,
            call,
            script.flow.name,
            channel,
            caller,
            called,
            leg=leg.id,
            show=page.send_data if page is not None else None,
            mask=script.actions.masked,
        )
        metrics.calls_active.labels(channel).inc()
        try:
            await Call(self.house, script, leg, scribe, known, connect).run()
        finally:
            metrics.calls_active.labels(channel).dec()

    async def _dial(self, uri: str, ring_s: float) -> Leg:
        leg = await self.agent.call(uri, from_name=self.script.flow.name, ring_s=ring_s)
        self.gateway.remember(log.call_id.get(), leg)
        return leg

    def _post_summary(self, summary: dict[str, Any]) -> None:
        url = self.config.handover.webhook
        if url is not None:
            self._spawn(post_summary(url, summary, f"{summary['call']}-{summary['number']}"))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def load_script(flow_file: Path, actions_file: Path | None) -> Script:
    """Read a dialog and train what understands it. Raises SourceError."""
    flow = Flow.load(flow_file)
    catalog = Catalog.load(actions_file) if actions_file is not None else Catalog.empty()
    return Script(flow, Understanding.train(flow.intents, models_dir(), flow.model.off_topic), Actions(catalog))
