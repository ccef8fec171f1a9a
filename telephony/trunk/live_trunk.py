"""The live side of one trunk: keeps it registered, asks its servers how they are, knows their addresses.

Belongs to the event loop. What is decided is in `registration` and `health`; here it is sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping

from sipmessage import URI

from ..clock import now_s
from ..events import OnEvent, TrunkStateChanged
from ..sip.digest import Credentials
from ..sip.endpoint import Endpoint
from ..sip.hop import Hop
from ..sip.keepalive import KeepAlive
from ..sip.message import Request, Response, new_branch, new_tag, read_head
from .health import Health
from .identify import token_of
from .model import Trunk
from .next_hops import NextHop, find_next_hops, settled, with_transport
from .registration import AddressMismatch, LookUpRegistrar, Output, Registration, SendRegister, State, StateChanged

LOOK_UP_S = 300.0
"""How often the addresses of the trunk's names are looked up again."""
LOOK_UP_AGAIN_S = 30.0
"""After a failure."""
OPTIONS_S = 8.0
"""An OPTIONS without an answer in this time is a miss."""
UNREGISTER_PATIENCE_S = 1.5
"""How long `stop` waits for the registrar."""
KEEPALIVE_S = {"udp": 25, "tcp": 120, "tls": 120}

Learn = Callable[[str, Mapping[str, frozenset[str]]], None]
"""As `Callers.learn`."""

log = logging.getLogger(__name__)


class LiveTrunk:
    """One trunk at work.

    Args:
        trunk: its file.
        endpoint: listening already.
        on_event: is told when registration or health change.
        learn: gets the addresses of the names in the trunk's file, whenever they have changed.
        dice: spreads requests over time.
    """

    def __init__(self, trunk: Trunk, endpoint: Endpoint, on_event: OnEvent, learn: Learn, dice: random.Random) -> None:
        self.trunk = trunk
        self.health = Health()
        self.token = ""
        self.registration: Registration | None = None
        self.addresses: Mapping[str, frozenset[str]] = {}
        """Host name in the trunk's file → the addresses that it has now."""
        self._endpoint = endpoint
        self._on_event = on_event
        self._learn = learn
        self._dice = dice
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._keepalive: KeepAlive | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        if trunk.registration is not None:
            self.token = token_of(trunk)
            own = trunk.registration
            credentials = Credentials(own.auth_user or own.user, own.password.reveal())
            self.registration = Registration(own, credentials, trunk.registrars, self.token, dice)

    # ── life ──

    def start(self) -> None:
        """Register, look names up, send the first OPTIONS."""
        if self.registration is not None:
            self._do(self.registration.start(now_s()))
        if self._names():
            self._spawn(self._look_up_names())
        if self.trunk.options_every_s and self.trunk.targets:
            self._spawn(self._ask_health())

    async def stop(self) -> None:
        """Unregister, within `UNREGISTER_PATIENCE_S`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.registration is not None:
            self._do(self.registration.stop(now_s()))
            try:
                async with asyncio.timeout(UNREGISTER_PATIENCE_S):
                    await self._over.wait()
            except TimeoutError:
                log.info("the registrar does not confirm that we have unregistered", extra={"trunk": self.trunk.name})
        if self._timer is not None:
            self._timer.cancel()
        self._keep_alive(None)
        for task in self._tasks:
            task.cancel()

    def same(self, trunk: Trunk) -> bool:
        """Whether another version of the file asks for nothing else here: then this line goes on."""
        return _work(self.trunk) == _work(trunk)

    async def next_hops(self, uri: URI) -> list[NextHop]:
        """How to reach a URI, best first. Raises OSError."""
        registration = self.registration
        route = registration.service_route if registration is not None else ()
        next_hops, problem = await find_next_hops(self.trunk, uri, self._endpoint.resolve, route)
        if not next_hops:
            raise problem or OSError(f"trunk {self.trunk.name} leads nowhere: its file has no `to`")
        home = registration.hop if registration is not None and registration.state == "registered" else None
        down = {next_hop.hop for next_hop in next_hops if self.health.of(next_hop.hop) == "down"}
        return sorted(
            next_hops, key=lambda next_hop: (next_hop.hop in down, home is None or next_hop.hop.route != home.route)
        )

    # ── registration ──

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case LookUpRegistrar(attempt, registrar):
                    self._spawn(self._find(attempt, registrar))
                case SendRegister():
                    self._send(output)
                case StateChanged(state, why):
                    self._told(state, why)
                case AddressMismatch():
                    self._seen(output)
        self._arm()

    async def _find(self, attempt: int, registrar: str) -> None:
        assert self.registration is not None
        proxy, tls = self.trunk.outbound_proxy, self.trunk.tls
        try:
            hops = await self._endpoint.resolve(
                with_transport(self.trunk, proxy or registrar), self.trunk.name, tls.name
            )
            why = ""
        except OSError as error:
            hops, why = [], str(error)
        hops = [settled(self.trunk, hop) for hop in hops]
        self._do(self.registration.found(attempt, hops, why, now_s()))

    def _send(self, ask: SendRegister) -> None:
        request, hop = ask.request, ask.hop
        assert self.registration is not None and self.trunk.registration is not None
        user = self.trunk.registration.contact_user or self.trunk.registration.user
        contact = self._endpoint.contact(hop, user, secure=request.uri.scheme == "sips")
        request.headers.set("Contact", f"{contact[:-1]};line={self.token}>")
        if self.trunk.outbound_proxy is not None and "lr" in URI.parse(self.trunk.outbound_proxy).parameters:
            request.headers.set("Route", f"<{self.trunk.outbound_proxy}>")
        self._complete(request, hop)
        self._endpoint.request(request, hop, lambda event: self._on_answer(ask, event))

    def _on_answer(self, ask: SendRegister, event: Response | int) -> None:
        assert self.registration is not None
        if isinstance(event, int):
            why = self._endpoint.why(ask.hop) if event == 503 else "no answer"
            self._do(self.registration.failed(ask.attempt, why or "no connection", now_s()))
        else:
            self._do(self.registration.answered(ask.attempt, event, now_s()))

    def _told(self, state: State, why: str) -> None:
        name = self.trunk.name
        level = logging.INFO if state in ("registered", "over") else logging.WARNING
        log.log(level, "registration is %s", state, extra={"trunk": name, "why": why})
        if state == "over":
            self._over.set()
            self._on_event(TrunkStateChanged(name, "unknown", why))
        elif state != "offline":
            self._on_event(TrunkStateChanged(name, state, why))
        hop = self.registration.hop if self.registration is not None and state == "registered" else None
        self._keep_alive(hop)

    def _seen(self, seen: AddressMismatch) -> None:
        log.warning(
            "the registrar sees us at %s:%s, we say %s:%s: set `advertise: %s` in the trunk's file, or sip.advertise",
            *(seen.host, seen.port, seen.told_host, seen.told_port, seen.host),
            extra={"trunk": self.trunk.name},
        )

    def _keep_alive(self, hop: Hop | None) -> None:
        """Ping this hop from now on, or nobody."""
        if hop is not None and self._keepalive is not None and self._keepalive.hop.route == hop.route:
            return
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None
        if hop is None:
            return
        every_s = self.trunk.keepalive_s if self.trunk.keepalive_s is not None else KEEPALIVE_S[hop.protocol]
        if every_s:
            self._keepalive = self._endpoint.keep_alive(hop, every_s, lambda why: self._on_dead(hop, why))

    def _on_dead(self, hop: Hop, why: str) -> None:
        if self.registration is not None:
            self._do(self.registration.lost(hop, why, now_s()))

    def _arm(self) -> None:
        due_s = self.registration.next_s() if self.registration is not None else None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = self._loop.call_at(due_s, self._tick)

    def _tick(self) -> None:
        assert self.registration is not None
        self._do(self.registration.poll(now_s()))

    # ── health ──

    async def _ask_health(self) -> None:
        """OPTIONS to every hop, for ever."""
        await asyncio.sleep(self._dice.uniform(0, min(self.trunk.options_every_s, 2.0)))
        while True:
            try:
                next_hops = await self.next_hops(URI("sip", self.trunk.name))
            except OSError as error:
                log.warning("no server of the trunk is found", extra={"trunk": self.trunk.name, "why": str(error)})
                next_hops = []
            before = self.health.state
            self.health.watch([next_hop.hop for next_hop in next_hops])
            await asyncio.gather(*(self._ask_hop(next_hop) for next_hop in next_hops))
            if self.health.state != before:
                log.info("trunk is %s", self.health.state, extra={"trunk": self.trunk.name})
                self._on_event(
                    TrunkStateChanged(self.trunk.name, self.health.state, f"OPTIONS to {len(next_hops)} hops")
                )
            await asyncio.sleep(self.trunk.options_every_s * self._dice.uniform(0.9, 1.0))

    async def _ask_hop(self, next_hop: NextHop) -> None:
        answered: asyncio.Future[Response | int] = self._loop.create_future()

        def on_event(event: Response | int) -> None:
            if not answered.done() and (isinstance(event, int) or event.code >= 200):
                answered.set_result(event)

        self._endpoint.request(self._options(next_hop), next_hop.hop, on_event)
        try:
            async with asyncio.timeout(OPTIONS_S):
                event = await answered
        except TimeoutError:
            event = 408
        if isinstance(event, int):
            self.health.missed(next_hop.hop)
        else:
            self.health.answered(next_hop.hop)

    def _options(self, next_hop: NextHop) -> Request:
        request = Request("OPTIONS", next_hop.uri)
        headers = request.headers
        user = self.trunk.registration.user if self.trunk.registration else self.trunk.caller_id.user
        contact = self._endpoint.contact(next_hop.hop, user or "")
        headers.set("Max-Forwards", "70")
        headers.set("From", f"{contact};tag={new_tag()}")
        headers.set("To", f"<{next_hop.uri}>")
        headers.set("Call-ID", f"{self._dice.getrandbits(128):032x}")
        headers.set("CSeq", "1 OPTIONS")
        headers.set("Contact", contact)
        headers.set("Accept", "application/sdp")
        if next_hop.routes:
            headers.setlist("Route", list(next_hop.routes))
        self._complete(request, next_hop.hop)
        return request

    # ── names ──

    def _names(self) -> set[str]:
        """What has to be looked up so that a caller's address tells the trunk."""
        names = {peer.name for peer in self.trunk.peers if peer.name}
        if self.trunk.registration is not None:
            names.update([self.trunk.outbound_proxy] if self.trunk.outbound_proxy else self.trunk.registrars)
        return names

    async def _look_up_names(self) -> None:
        missing: set[str] = set()
        while True:
            found = dict(self.addresses)
            failed: dict[str, str] = {}
            for name in sorted(self._names()):
                uri = with_transport(self.trunk, name) if ":" in name else URI("sip", name)
                try:
                    found[name] = frozenset(hop.host for hop in await self._endpoint.resolve(uri))
                except OSError as error:
                    failed[name] = str(error)  # what it had stays
            for name in failed.keys() - missing:
                log.warning("a name is not found", extra={"trunk": self.trunk.name, "why": failed[name]})
            missing = set(failed)
            if found != self.addresses:
                self.addresses = found
                self._learn(self.trunk.name, found)
            await asyncio.sleep(LOOK_UP_AGAIN_S if failed else LOOK_UP_S)

    # ── both ──

    def _complete(self, request: Request, hop: Hop) -> None:
        request.headers.set("Via", f"SIP/2.0/{self._endpoint.via(hop)};rport;branch={new_branch()}")
        request.head = read_head(request.headers)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _work(trunk: Trunk) -> tuple[object, ...]:
    """What a line does its work by."""
    return (
        *(trunk.registration, trunk.to, trunk.transport, trunk.outbound_proxy, trunk.advertise, trunk.tls),
        *(trunk.keepalive_s, trunk.options_every_s, tuple(peer.name for peer in trunk.peers)),
    )
