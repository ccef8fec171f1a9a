"""All trunks of a server, as the user agent asks for them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sipmessage import URI

from ..call_policy import Terms
from ..clock import now_s
from ..events import OnEvent, SourceRefused, ignore_event
from ..sip.challenge import Challenger
from ..sip.endpoint import Endpoint
from ..sip.flood_guard import FloodGuard
from ..sip.hop import Hop
from ..sip.message import Request
from ..sip.tls import TlsClient
from ..yaml_problems import Problem, SourceError
from .allowed_peer import Network
from .caller_id import CallingParty, OutgoingIdentity, allowed, outgoing_identity
from .identify import TrunkMatcher
from .interface import Trunks
from .limits import ChannelLease, Limits, TrunkFull
from .live_trunk import LiveTrunk
from .load import load, signature
from .model import Trunk
from .next_hops import NextHop, NotRegistered, request_uri, with_transport
from .registrar import RegisterAnswer, Registrar

__all__ = [
    "CallingParty",
    "ChannelLease",
    "NextHop",
    "NotRegistered",
    "OutgoingIdentity",
    "RegisterAnswer",
    "Trunk",
    "TrunkFull",
    "TrunkRegistry",
    "TrunkStatus",
    "Trunks",
]

MIN_TRUSTED_BITS = {4: 8, 6: 16}
"""Masks shorter than this may hold strangers: the flood guard treats their senders as such."""

_STRANGERS = Terms()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """How a trunk is doing."""

    trunk: str
    registration: str
    """``none`` when we do not register; else as `registration.State`."""
    why: str
    """Of the registration, in words."""
    health: str
    """``up``, ``down`` or ``unknown``, by OPTIONS."""
    calls: int
    """Now, both directions."""
    devices: int
    """Registered with us on this trunk."""


class TrunkRegistry:
    """The trunks of one folder, at work. Belongs to the event loop that starts it.

    Args:
        folder: of the trunk files; None for no trunks, or those of `trunks`.
        trunks: instead of a folder, for tests and tools.
        realm: of our challenges to phones that register.
        guard: is told of wrong digests, and whom to trust.
        on_event: is told of registrations and health.
        poll_s: how often the folder is looked at for changes; None: only `reload` reads it again.
        strangers: the terms of calls that belong to no trunk, either way.

    Raises SourceError when the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        trunks: Mapping[str, Trunk] | None = None,
        realm: str = "voicebot",
        guard: FloodGuard | None = None,
        on_event: OnEvent = ignore_event,
        poll_s: float | None = 2.0,
        strangers: Terms = _STRANGERS,
    ) -> None:
        self._folder = folder
        self._strangers = strangers
        self._trunks: Mapping[str, Trunk] = load(folder) if folder is not None else dict(trunks or {})
        self._signature = signature(folder) if folder is not None else ()
        self._matcher = TrunkMatcher(self._trunks)
        self._guard = guard
        self._on_event = on_event
        self._poll_s = poll_s
        self._challenger = Challenger(realm)
        self._registrar = Registrar()
        self._limits: dict[str, Limits] = {}
        self._live: dict[str, LiveTrunk] = {}
        self._endpoint: Endpoint | None = None
        self._poller: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._dice = random.SystemRandom()

    # ── life ──

    async def start(self, endpoint: Endpoint) -> None:
        """See `Trunks`."""
        self._endpoint = endpoint
        self._apply(self._trunks)
        if self._folder is not None and self._poll_s is not None:
            self._poller = asyncio.get_running_loop().create_task(self._poll(self._poll_s))

    async def stop(self) -> None:
        """See `Trunks`."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        live_trunks, self._live = list(self._live.values()), {}
        await asyncio.gather(*(live.stop() for live in live_trunks), *self._changes)

    async def reload(self) -> list[Problem]:
        """See `Trunks`. The folder is read in a thread: a slow disk holds up no call."""
        if self._folder is None:
            return []
        async with self._reading:
            self._signature = await asyncio.to_thread(signature, self._folder)
            try:
                trunks = await asyncio.to_thread(load, self._folder)
            except SourceError as error:
                for problem in error.problems:
                    log.error("the trunks stay as they are: %s", problem)
                return error.problems
            self._take(trunks)
        return []

    def _take(self, trunks: Mapping[str, Trunk]) -> None:
        if trunks != self._trunks:
            self._trunks = trunks
            self._matcher = TrunkMatcher(trunks)
            self._apply(trunks)
            log.info("trunks read again", extra={"trunks": ", ".join(trunks)})

    async def _poll(self, every_s: float) -> None:
        assert self._folder is not None
        while True:
            await asyncio.sleep(every_s)
            if await asyncio.to_thread(signature, self._folder) != self._signature:
                await self.reload()

    def _apply(self, trunks: Mapping[str, Trunk]) -> None:
        """Begin to work by these; what is not changed goes on undisturbed."""
        endpoint = self._endpoint
        if endpoint is None:
            return
        for name, trunk in trunks.items():
            tls = trunk.tls
            endpoint.profiles[name] = TlsClient(tls.ca, tls.cert, tls.key, tls.verify)
        if self._guard is not None:
            self._guard.trust(str(net) for trunk in trunks.values() for net in _networks(trunk))
        self._registrar.forget(
            frozenset((t.name, user) for t in trunks.values() if t.accept_registrations for user in t.users)
        )
        for name in list(self._live.keys() - trunks.keys()):
            self._change(name, self._live.pop(name), None)
        for name, trunk in trunks.items():
            live = self._live.get(name)
            if live is not None and live.same(trunk):
                live.trunk = trunk
                self._matcher.learn(name, live.addresses)
                continue
            self._live[name] = LiveTrunk(trunk, endpoint, self._on_event, self._learn, self._dice)
            self._change(name, live, self._live[name])
        for name in self._limits.keys() - trunks.keys():
            if not self._limits[name].live:
                del self._limits[name]

    def _learn(self, name: str, addresses: Mapping[str, frozenset[str]]) -> None:
        self._matcher.learn(name, addresses)

    def _change(self, name: str, old: LiveTrunk | None, new: LiveTrunk | None) -> None:
        task = asyncio.get_running_loop().create_task(self._exchange(name, old, new))
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    async def _exchange(self, name: str, old: LiveTrunk | None, new: LiveTrunk | None) -> None:
        """In turn: an old registration that is ended later would take the new one with it."""
        async with self._turns[name]:
            if old is not None:
                await old.stop()
            if new is not None and self._live.get(name) is new:
                new.start()
            elif name not in self._trunks and self._endpoint is not None:
                self._endpoint.profiles.pop(name, None)

    # ── questions ──

    def exist(self) -> bool:
        """See `Trunks`."""
        return bool(self._trunks)

    def get(self, name: str) -> Trunk | None:
        """See `Trunks`."""
        return self._trunks.get(name)

    def all(self) -> list[Trunk]:
        """Every trunk, in the order of names."""
        return list(self._trunks.values())

    def of_uri(self, uri: URI) -> Trunk | None:
        """See `Trunks`."""
        return self._trunks.get(uri.host.lower())

    def identify(self, source: Hop, request: Request) -> Trunk | None:
        """See `Trunks`."""
        registered = self._registrar.trunk_at(source, now_s())
        return self._matcher.find(source, request, registered)

    def passwords(self, trunk: Trunk) -> Mapping[str, str]:
        """See `Trunks`."""
        return {user: secret.reveal() for user, secret in trunk.users.items()}

    def admit(self, trunk: Trunk, now_s: float) -> ChannelLease | TrunkFull:
        """See `Trunks`."""
        return self._limits.setdefault(trunk.name, Limits()).admit(trunk, now_s)

    def terms(self, trunk: Trunk | None) -> Terms:
        """See `Trunks`."""
        return trunk.terms if trunk is not None else self._strangers

    def allowed(self, trunk: Trunk, uri: URI) -> bool:
        """See `Trunks`."""
        return allowed(trunk, uri)

    def elsewhere(self, trunk: str, uri: URI) -> URI | None:
        """See `Trunks`."""
        if not trunk:
            return uri
        known = self._trunks.get(trunk)
        if known is None or not allowed(known, uri):
            return None
        target = next(iter(known.targets), None)
        return uri if target is None else request_uri(known, with_transport(known, target), uri)

    async def next_hops(self, trunk: Trunk | None, uri: URI) -> list[NextHop]:
        """See `Trunks`."""
        if self._endpoint is None:
            raise OSError("the trunks are not started")
        if trunk is None:
            return [NextHop(uri, hop) for hop in await self._endpoint.resolve(uri)]
        if trunk.accept_registrations is not None and uri.host.lower() == trunk.name and uri.user in trunk.users:
            next_hops = self._registrar.next_hops(trunk.name, uri.user or "", now_s())
            if not next_hops:
                raise NotRegistered(f"{uri.user} is not registered on trunk {trunk.name}")
            return next_hops
        live = self._live.get(trunk.name)
        if live is None:
            raise OSError(f"trunk {trunk.name} is not there any more")
        return await live.next_hops(uri)

    def outgoing_identity(self, trunk: Trunk | None, caller: CallingParty, hop: Hop) -> OutgoingIdentity:
        """See `Trunks`."""
        local_host = self._endpoint.local_host(hop) if self._endpoint is not None else "anonymous.invalid"
        return outgoing_identity(trunk, caller, local_host)

    def register(self, request: Request, source: Hop, now_s: float) -> RegisterAnswer:
        """See `Trunks`."""
        trunk = self.identify(source, request)
        if trunk is None or trunk.accept_registrations is None:
            return RegisterAnswer(403)
        passwords = self.passwords(trunk)
        verdict = self._challenger.verify(request, "Authorization", passwords, trunk.digest, source=source.host)
        if not verdict.ok:
            if verdict.result == "wrong":
                self._on_event(SourceRefused("digest", source.host, trunk.name))
                certain = verdict.solicited or source.reliable
                if self._guard is not None and self._guard.failed(source.host, now_s, certain=certain):
                    return RegisterAnswer(403)
            stale = verdict.result in ("stale", "replayed")
            challenge = self._challenger.challenge(stale, algorithms=trunk.digest, source=source.host)
            return RegisterAnswer(401, tuple(challenge))
        answer = self._registrar.register(trunk.name, verdict.user, trunk.accept_registrations, request, source, now_s)
        if self._guard is not None and answer.status == 200:
            self._guard.proved(source.host, now_s)
        return answer

    def states(self) -> list[TrunkStatus]:
        """How every trunk is doing, for pages, metrics and the doctor."""
        at_s = now_s()
        devices: Counter[str] = Counter()
        for (name, _), bindings in self._registrar.registered(at_s).items():
            devices[name] += len(bindings)
        found = []
        for name in self._trunks:
            live, limits = self._live.get(name), self._limits.get(name)
            registration = live.registration if live is not None else None
            found.append(
                TrunkStatus(
                    name,
                    registration.state if registration is not None else "none",
                    registration.why if registration is not None else "",
                    live.health.state if live is not None else "unknown",
                    limits.live if limits is not None else 0,
                    devices[name],
                )
            )
        return found


def _networks(trunk: Trunk) -> Iterator[Network]:
    """Those that are no half of the world: their senders are let in freely."""
    for peer in trunk.peers:
        if peer.network is not None and peer.network.prefixlen >= MIN_TRUSTED_BITS[peer.network.version]:
            yield peer.network
