"""Makes calls of legs: incoming ones from the phone, those of a browser, and the second leg to a human."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from telephony.agent import IncomingCall
from telephony.descriptors import OUT_OF_DESCRIPTORS
from telephony.leg import Leg, LegError
from telephony.routing.rules import RouteDecision
from voicebot import log
from voicebot.calls.reporter import AnsweredCall, CallReporter
from voicebot.calls.services import LoadedFlow, RoutedTarget, Services
from voicebot.calls.session import Call
from voicebot.journal.journal import CallJournal, Journal
from voicebot.journal.redaction import Redactor
from voicebot.web.page_sink import PageSink

if TYPE_CHECKING:
    from telephony.webrtc.leg import WebRtcLeg

_log = log.get(__name__)


class CallFactory:
    """Runs each call from its leg to its last event.

    Args:
        services: what all calls share.
        flows: the dialogs that routes may name.
        default: the dialog that answers when no route says otherwise.
        journal: of the server.
        pages: shows browser calls on their pages.
        remember: is told which leg belongs to which call.
    """

    def __init__(
        self,
        services: Services,
        flows: Mapping[str, LoadedFlow],
        default: LoadedFlow,
        journal: Journal,
        pages: PageSink,
        remember: Callable[[str, Leg], None],
    ) -> None:
        self._services, self._flows, self._default = services, flows, default
        self._journal, self._pages, self._remember = journal, pages, remember

    async def incoming(self, incoming: IncomingCall, decision: RouteDecision) -> None:
        """Answer a call from the phone and run it, by what its route says."""
        call = _begun(incoming.id)
        try:
            leg = await incoming.answer()
        except LegError as error:
            if error.reason != OUT_OF_DESCRIPTORS:  # which was said once for all of them
                _log.warning("call not answered", extra={"status": error.status, "reason": error.reason})
            return
        target = decision.target
        flow = self._default if target.flow is None else self._flows[target.flow]
        routed = None if target.kind == "flow" else RoutedTarget(target.value, queue=target.kind == "queue")
        await self._run(call, flow, leg, "sip", incoming.from_uri, incoming.to_uri, decision.variables, routed)

    async def browser(self, leg: WebRtcLeg) -> None:
        """Run a browser's call; its page is shown what happens."""
        call = _begun(leg.id)
        await self._run(call, self._default, leg, "browser", leg.peer, "browser phone", {}, send=leg.send_data)

    async def _run(
        self,
        call: str,
        flow: LoadedFlow,
        leg: Leg,
        channel: str,
        caller: str,
        called: str,
        known: Mapping[str, str | bool],
        routed: RoutedTarget | None = None,
        send: Callable[[str], None] | None = None,
    ) -> None:
        self._remember(call, leg)
        if send is not None:
            self._pages.attach(call, send)
        redactor = Redactor.of_call()
        facts = AnsweredCall(channel, caller, called, flow.flow.name, flow.flow.hash, leg.id)
        journal = CallJournal(call, self._journal.publish, redactor)
        actions = flow.actions
        report = CallReporter(journal, facts, lambda do: (actions.masked(do, redactor.secret), actions.writes(do)))
        await Call(self._services, flow, leg, report, redactor, known, routed).run()


def _begun(leg: str) -> str:
    """A new call, whose id all lines of this task and about this leg bear from now on."""
    call = uuid.uuid4().hex[:12]
    log.call_id.set(call)
    log.belongs(leg, call)
    return call
