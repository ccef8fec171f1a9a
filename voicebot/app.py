"""The wiring: which parts there are and who talks to whom. Nothing else in the program joins two rooms for good."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from telephony.agent import IncomingCall
from telephony.leg import Leg
from telephony.media.engine import MediaEngine
from telephony.routing.rules import RouteDecision
from voicebot import log
from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.calls.factory import CallFactory
from voicebot.calls.prompts import APOLOGY, FILLER, PROGRESS, SORRY
from voicebot.calls.services import LoadedFlow, Services
from voicebot.config import Config
from voicebot.flows.flow import Flow
from voicebot.gateway.sip_gateway import SipGateway
from voicebot.handoff.human_dialler import HumanDialler
from voicebot.handoff.webhook_sink import WebhookSink
from voicebot.journal.events import FlowDeployed, ServerStopped
from voicebot.journal.journal import Journal
from voicebot.journal.to_log import LogSink
from voicebot.journal.to_metrics import MetricsSink
from voicebot.listening.speech_input import SpeechInput
from voicebot.nlu.intents import Understanding
from voicebot.nlu.slots import extract
from voicebot.paths import models_dir
from voicebot.record.records import Records
from voicebot.record.sink import RecordSink
from voicebot.tts.synthesizer import Synthesizer
from voicebot.web.doctor import Doctor
from voicebot.web.page_sink import PageSink
from voicebot.web.server import Web

THINKERS = 2


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
            speech_input = loaders.submit(SpeechInput.load, config.asr, config.turns)
            synthesizer = loaders.submit(Synthesizer.load, config.tts)
            warmed = loaders.submit(extract.warm)
            self.flows = {name: load_flow(*files) for name, files in config.flow_files.items()}
        warmed.result()
        self.flow = self.flows[config.flow.stem]
        """What answers when no route says otherwise."""
        self.records = Records.open(config.record.database)
        self._pages, self._webhook = PageSink(), WebhookSink(config.handover.webhook)
        self.journal = Journal([RecordSink(self.records), MetricsSink(), LogSink(), self._pages, self._webhook])
        self.media = MediaEngine(
            config.sip.addresses, config.rtp.first_port, config.rtp.last_port, capture=config.sip.trace_rtp
        )
        self.gateway = SipGateway(config, self.media, self._sip_call, self.journal)
        self.journal.add(self.gateway.forensics)
        self.agent = self.gateway.agent
        self.services = Services(
            speech_input=speech_input.result(),
            synthesizer=synthesizer.result(),
            human_dialler=HumanDialler(config.handover, self._dial),
            thinkers=ThreadPoolExecutor(THINKERS, thread_name_prefix="dialog"),
            release=config.handover.release,
        )
        self.calls = CallFactory(self.services, self.flows, self.flow, self.journal, self._pages, self.gateway.remember)
        self.web = Web(
            config.http,
            on_browser_call=self.calls.browser,
            ready=lambda: self.ready,
            status=self.status,
            doctor=Doctor(lambda: self.gateway),
        )
        self.ready = False
        self._background: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Open everything; returns when calls are accepted. Raises OSError when a port is taken."""
        services = self.services
        self.records.start()
        self._webhook.start()
        self.journal.start()
        for name, loaded in self.flows.items():
            file = self.config.flow_files[name][0].name
            self.journal.note(FlowDeployed(loaded.flow.name, loaded.flow.hash, file))
        services.speech_input.start()
        services.synthesizer.start()
        for loaded in self.flows.values():
            await loaded.actions.start()
        self.media.start()
        prompts = [prompt for loaded in self.flows.values() for prompt in loaded.flow.prompts()]
        prompts += [(say.name, say.text) for say in (FILLER, *PROGRESS, SORRY)]
        await services.synthesizer.keep([APOLOGY, SORRY])
        await services.synthesizer.warm(prompts[:2], 8000)  # the greeting at once, the rest behind the first calls
        await self.gateway.start()
        await self.web.start()
        # What was loaded stays for good: without it a full collection, 60 to 170 ms, is a few.
        gc.collect()
        gc.freeze()
        self.ready = True
        for rate_hz in (8000, 16000):
            self._spawn(services.synthesizer.warm(prompts, rate_hz))

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
        for loaded in self.flows.values():
            await loaded.actions.stop()
        self.services.speech_input.stop()
        self.services.synthesizer.stop()
        self.services.thinkers.shutdown(wait=True)
        self.journal.note(ServerStopped(grace_s))
        await asyncio.to_thread(self.journal.stop)
        await self._webhook.stop()
        self.records.stop()

    def status(self) -> dict[str, Any]:
        """What the web pages show about the server."""
        return {
            "flow": self.flow.flow.name,
            "calls": self.agent.active_calls + self.web.phone.active,
            "hints": self.hints,
        }

    async def _sip_call(self, incoming: IncomingCall, decision: RouteDecision) -> None:
        await self.calls.incoming(incoming, decision)

    async def _dial(self, uri: str, ring_s: float) -> Leg:
        leg = await self.agent.call(uri, from_name=self.flow.flow.name, ring_s=ring_s)
        self.gateway.remember(log.call_id.get(), leg)
        return leg

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def load_flow(flow_file: Path, actions_file: Path | None) -> LoadedFlow:
    """Read a dialog and train what understands it. Raises SourceError."""
    flow = Flow.load(flow_file)
    catalog = Catalog.load(actions_file) if actions_file is not None else Catalog.empty()
    understanding = Understanding.train(flow.intents, models_dir(), flow.model.off_topic)
    return LoadedFlow(flow, understanding, Actions(catalog))
