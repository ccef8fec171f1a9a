"""The wiring: which parts there are and who talks to whom. Nothing else in the program joins two rooms for good."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from telephony import descriptors
from telephony.agent import IncomingCall
from telephony.leg import Leg
from telephony.media.engine import MediaEngine
from telephony.routing.rules import RouteDecision
from voicebot import log
from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.cache.cache_folder import CacheFolder, open_cache
from voicebot.calls.factory import CallFactory
from voicebot.calls.prompts import APOLOGY, FILLER, PROGRESS, SORRY
from voicebot.calls.services import LoadedFlow, Services
from voicebot.config import Config
from voicebot.flows import default_prompts
from voicebot.flows.flow import Flow
from voicebot.gateway.sip_gateway import SipGateway
from voicebot.handoff.human_dialler import HumanDialler
from voicebot.handoff.webhook_sink import WebhookSink
from voicebot.journal.events import FlowDeployed, ServerStopped
from voicebot.journal.journal import Journal
from voicebot.journal.loop_lag import LoopLag
from voicebot.journal.to_log import LogSink
from voicebot.journal.to_metrics import MetricsSink
from voicebot.listening.speech_input import SpeechInput
from voicebot.nlu.intents import Understanding
from voicebot.nlu.slots import extract
from voicebot.paths import cache_dir, models_dir
from voicebot.record.records import Records
from voicebot.record.sink import RecordSink
from voicebot.tts.synthesizer import RATES_HZ, Synthesizer
from voicebot.web.doctor import Doctor
from voicebot.web.page_sink import PageSink
from voicebot.web.readiness import Readiness, disk_fault
from voicebot.web.server import Web

THINKERS = 2
TRAINED_BYTES = 64_000_000
"""Room for trained classifiers: one of the demo's size takes 1 MB."""


class App:
    """The running server. Building it loads the models (seconds, blocking); `start` opens the ports.

    Raises:
        SourceError: the configuration's flow or actions are wrong.
        ModelMissing: weights are not on this machine.
    """

    def __init__(self, config: Config, hints: list[str] | None = None) -> None:
        self.config = config
        self.hints = hints or []
        with ThreadPoolExecutor(2, thread_name_prefix="load") as loaders:
            speech_input = loaders.submit(SpeechInput.load, config.asr, config.turns)
            prompt_files = open_cache(cache_dir() / "prompts", config.tts.disk_cache_mb * 1_000_000)
            synthesizer = loaders.submit(Synthesizer.load, config.tts, prompt_files)
            trained = open_cache(cache_dir() / "intents", TRAINED_BYTES)
            self.flows = {name: load_flow(*files, trained) for name, files in config.flow_files.items()}
        self.flow = self.flows[config.flow.stem]
        """What answers when no route says otherwise."""
        self.records = Records.open(config.record.database)
        self._pages, self._webhook = PageSink(), WebhookSink(config.handover.webhook)
        self.journal = Journal([RecordSink(self.records), MetricsSink(), LogSink(), self._pages, self._webhook])
        self.media = MediaEngine(
            config.sip.addresses, config.rtp.first_port, config.rtp.last_port, capture=config.sip.trace_rtp
        )
        self.gateway = SipGateway(config, self.media, self._sip_call, self.journal)
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
            ready=lambda: self.ready and not descriptors.scarce(),
            status=self.status,
            doctor=Doctor(lambda: self.gateway),
            readiness=Readiness(
                {
                    "hearing": lambda: self.services.speech_input.fault,
                    "speech": lambda: self.services.synthesizer.fault,
                    "database": lambda: self.records.fault and "does not take what is written; the log says why",
                    "disk": lambda: disk_fault(self.records.folder),
                }
            ),
        )
        self._loop_lag = LoopLag()
        self.ready = False
        self._background: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Open everything; returns when calls are accepted. Raises OSError when a port is taken."""
        services = self.services
        self._loop_lag.start()
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
        prompts += [(say.name, say.text) for say in (FILLER, *PROGRESS, SORRY, APOLOGY)]
        prompts += [("", text) for text in default_prompts.FIXED]
        await services.synthesizer.keep_on_disk(prompts)
        await services.synthesizer.keep([APOLOGY, SORRY])
        await services.synthesizer.warm(prompts[:2], 8000)  # the greeting at once, the rest behind the first calls
        await self.gateway.start()
        await self.web.start()
        # What was loaded stays for good: without it a full collection, 60 to 170 ms, is a few.
        gc.collect()
        gc.freeze()
        _give_back_memory()
        self.ready = True
        self._spawn(self._warm(prompts))

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
        self._loop_lag.stop()
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

    @property
    def active_calls(self) -> int:
        """By telephone and browser, those that ring too."""
        return self.agent.active_calls + self.web.phone.active

    def status(self) -> dict[str, Any]:
        """What the web pages show about the server."""
        return {
            "flow": self.flow.flow.name,
            "calls": self.active_calls,
            "hints": self.hints,
        }

    async def _warm(self, prompts: list[tuple[str, str]]) -> None:
        """What the first callers will need, though not in their first seconds."""
        dates = asyncio.to_thread(extract.warm)
        await asyncio.gather(dates, *(self.services.synthesizer.warm(prompts, rate_hz) for rate_hz in RATES_HZ))
        self.services.synthesizer.leave_to_disk()
        _give_back_memory()

    async def _sip_call(self, incoming: IncomingCall, decision: RouteDecision) -> None:
        await self.calls.incoming(incoming, decision)

    async def _dial(self, uri: str, ring_s: float) -> Leg:
        outgoing, call = self.agent.dial(uri, from_name=self.flow.flow.name, ring_s=ring_s), log.call_id.get()
        log.belongs(outgoing.id, call)
        try:
            leg = await outgoing.answered()
        except asyncio.CancelledError:
            outgoing.give_up()
            raise
        self.gateway.remember(call, leg)
        return leg

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _give_back_memory() -> None:
    """Return what loading has used and let go of to the system: glibc keeps 50 MB of it otherwise, for good."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def load_flow(flow_file: Path, actions_file: Path | None, trained: CacheFolder | None = None) -> LoadedFlow:
    """Read a dialog and train what understands it, or take what `trained` has of it. Raises SourceError."""
    flow = Flow.load(flow_file)
    catalog = Catalog.load(actions_file) if actions_file is not None else Catalog.empty()
    understanding = Understanding.train(flow.intents, models_dir(), flow.model.off_topic, trained)
    return LoadedFlow(flow, understanding, Actions(catalog))
