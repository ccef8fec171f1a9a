"""The media engine: one thread and one 5 ms ticker for the RTP of all calls.

Calls are spread over a wheel of twelve ticks, where one with 20 ms packets has every fourth, so that the work of all
ticks is even. Each tick also drains the sockets that have something, and hands everything decoded to the event loop in
one call, so that neither a busy event loop delays packets nor packets keep the event loop busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from .. import descriptors
from .receiver import Heard
from .session import MediaSession
from .stats import MediaStats
from .udp import make_udp

logger = logging.getLogger(__name__)

__all__ = ["DescriptorsExhausted", "MediaEngine", "MediaSession", "MediaStats", "PortsExhausted"]

TICK_MS = 5
TICK_NS = TICK_MS * 1_000_000
WHEEL = 12
"""Ticks until all is as before, with packets of 10, 20 and 30 ms."""
LATE_NS = 4 * TICK_NS
"""Further behind than this, what was missed is left out."""
REST_S = 5.0
"""How long a port is not used again when there are others, so that a new call gets no late packets of an old one."""
SWITCH_INTERVAL_S = 0.001
"""Python's default of 5 ms would let a busy event loop hold the ticker up for a whole tick."""
MAX_BACKLOG = 50_000
"""Blocks that wait for the event loop, 20 s of 50 calls; one that is held longer misses the oldest."""
REALTIME_PRIORITY = 1
"""The least there is, and before everything else that is not real-time."""
THREAD_NICE = -11
_FAILED = "the media of port %d failed and is given up"
EXPEDITED_FORWARDING = 0xB8
"""DSCP 46 in the traffic class field (RFC 3246), what networks expect of voice."""


class PortsExhausted(Exception):
    """No pair of ports is free in the engine's range.

    Attributes:
        reason: words for the peer.
    """

    reason = "No Media Port Free"


class DescriptorsExhausted(PortsExhausted):
    """Ports may be free, but the process, or the system, can open no more sockets."""

    reason = descriptors.OUT_OF_DESCRIPTORS


class MediaEngine:
    """Owns the sockets of all sessions and the thread that serves them."""

    def __init__(
        self,
        listen: str | tuple[str, ...] = "127.0.0.1",
        first_port: int = 20000,
        last_port: int = 29999,
        *,
        capture: int = 0,
    ) -> None:
        """`listen` has one address, or one of IPv4 and one of IPv6. `capture`: see `MediaSession.capture`.

        Raises ValueError when `listen` has two addresses of one family.
        """
        addresses = (listen,) if isinstance(listen, str) else listen
        self._places = {_family(address): (address, make_udp(_family(address))) for address in addresses}
        if len(self._places) != len(addresses):
            raise ValueError(f"one address of each family, not {', '.join(addresses)}")
        self._first_family = _family(addresses[0])
        self.capture = capture
        """Datagrams kept of each session that is opened from now on."""
        self._ports = range(first_port + first_port % 2, last_port, 2)
        self._next_port = 0
        self._rested: dict[int, float] = {}
        """When a port that was used may be used again (monotonic)."""
        self._wheel: list[list[MediaSession]] = [[] for _ in range(WHEEL)]
        self._places_in_wheel: dict[MediaSession, range] = {}
        # Both of the same kind but for their price; one layer above (`selectors`) took as long as the system call.
        self._poller = select.epoll() if sys.platform == "linux" else select.poll()
        self._readers: dict[int, tuple[MediaSession, Callable[[int], None]]] = {}
        """By the number of its socket."""
        self._joining: deque[MediaSession] = deque()
        self._leaving: deque[MediaSession] = deque()
        self._heard: deque[tuple[MediaSession, Heard | None]] = deque(maxlen=MAX_BACKLOG)
        self._delivery_due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._workers = ThreadPoolExecutor(1, "dtls")
        self._old_switch_interval_s = sys.getswitchinterval()

    def start(self) -> None:
        """Start the thread. To be called on the event loop, where all callbacks will come."""
        self._loop = asyncio.get_running_loop()
        self._old_switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._thread = threading.Thread(target=self._run, name="media", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close all sessions and end the thread; returns when it has ended."""
        if self._thread is not None:
            self._stopping = True
            self._thread.join()
            self._thread = None
            sys.setswitchinterval(self._old_switch_interval_s)
        self._come_and_go()
        for session in list(self._places_in_wheel):
            session.close()
        self._come_and_go()
        if isinstance(self._poller, select.epoll):
            self._poller.close()
        self._workers.shutdown()

    def open(self, towards: str = "") -> MediaSession:
        """A session on the next free pair of ports.

        Args:
            towards: the peer's address, which decides between IPv4 and IPv6; without one the first address is taken.

        Raises PortsExhausted, also when there is no address of the peer's family; DescriptorsExhausted.
        """
        family = _family(towards) if towards else self._first_family
        if family not in self._places:
            raise PortsExhausted(f"no media address to reach {towards}")
        address, udp = self._places[family]
        for port in self._candidates():
            sockets = _bind(family, address, port)
            if sockets is not None:
                self._rested.pop(port, None)
                session = MediaSession(
                    udp,
                    *sockets,
                    self._leave,
                    repace=self._repace,
                    submit=self._workers.submit,
                    capture=self.capture,
                )
                self._joining.append(session)
                return session
        raise PortsExhausted(f"no free RTP port from {self._ports.start} to {self._ports.stop}")

    def _candidates(self) -> Iterator[int]:
        """All ports once: first those that have rested, in turn, then the others, the one with most rest first."""
        now_s = time.monotonic()
        for port, until_s in list(self._rested.items()):
            if until_s > now_s:
                break
            del self._rested[port]
        for _ in self._ports:
            port = self._ports[self._next_port]
            self._next_port = (self._next_port + 1) % len(self._ports)
            if port not in self._rested:
                yield port
        yield from list(self._rested)

    def _leave(self, session: MediaSession) -> None:
        self._rested[session.port] = time.monotonic() + REST_S
        self._leaving.append(session)

    # ── in the engine's thread ──

    def _run(self) -> None:
        _come_first()
        due_ns = time.monotonic_ns()
        tick = 0
        while not self._stopping:
            self._tick(tick % WHEEL)
            tick += 1
            due_ns += TICK_NS
            ahead_ns = due_ns - time.monotonic_ns()
            if ahead_ns > 0:
                time.sleep(ahead_ns / 1e9)
            elif -ahead_ns >= LATE_NS:
                # Sending all that was missed would be a burst; listeners fare better with a gap on the media clock.
                missed = -ahead_ns // TICK_NS
                self._skip(tick, missed)
                tick += missed
                due_ns += missed * TICK_NS

    def _skip(self, tick: int, missed: int) -> None:
        rounds, rest = divmod(missed, WHEEL)
        for session, places in self._places_in_wheel.items():
            turns = sum((place - tick) % WHEEL < rest for place in places)
            session.skip(rounds * len(places) + turns)

    def _tick(self, place: int) -> None:
        if self._joining or self._leaving:
            self._come_and_go()
        # A call is guarded by itself: should its work fail for a reason nobody thought of, only this call ends.
        touched = dict.fromkeys(self._wheel[place])
        clock, heard = time.monotonic_ns, self._heard
        for session in touched:
            try:
                session.send(clock())
            except Exception as error:  # noqa: BLE001 - told of in `_give_up`
                self._give_up(session, error)
        readable = self._poller.poll(0)
        now_ns = clock()
        for number, _ in readable:
            reader = self._readers.get(number)
            if reader is None:  # given up a moment ago
                continue
            session, read = reader
            touched[session] = None
            try:
                read(now_ns)
            except Exception as error:  # noqa: BLE001 - told of in `_give_up`
                self._give_up(session, error)
        for session in touched:
            try:
                for block in session.take(now_ns):
                    heard.append((session, block))
            except Exception as error:  # noqa: BLE001 - told of in `_give_up`
                self._give_up(session, error)
        if heard and not self._delivery_due and self._loop is not None:
            self._delivery_due = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _give_up(self, session: MediaSession, error: Exception) -> None:
        """Its call is told as if the caller's media had stopped."""
        session.context.copy().run(logger.error, _FAILED, session.port, exc_info=error)
        self._remove(session)
        self._heard.append((session, None))

    def _come_and_go(self) -> None:
        """Take in new sessions and let closed ones go.

        Who leaves is counted first: a session that was opened and closed since the last tick has joined by then.
        """
        leaving = len(self._leaving)
        while self._joining:
            session = self._joining.popleft()
            self._place(session)
            for one, read in zip(session.sockets, (session.read, session.read_rtcp), strict=True):
                self._readers[one.fileno()] = session, read
                self._poller.register(one.fileno(), select.POLLIN)
        for _ in range(leaving):
            self._remove(self._leaving.popleft())

    def _place(self, session: MediaSession) -> None:
        """Where the ticks have least to do."""
        period = session.ptime_ms // TICK_MS
        choices = (range(first, WHEEL, period) for first in range(period))
        places = min(choices, key=lambda places: sum(len(self._wheel[place]) for place in places) / len(places))
        self._places_in_wheel[session] = places
        for place in places:
            self._wheel[place].append(session)

    def _displace(self, session: MediaSession) -> None:
        for place in self._places_in_wheel.pop(session, ()):
            self._wheel[place].remove(session)

    def _repace(self, session: MediaSession) -> None:
        """Its packets have another length now."""
        if session in self._places_in_wheel:
            self._displace(session)
            self._place(session)

    def _remove(self, session: MediaSession) -> None:
        """Sockets are closed in this thread, so that none is closed under it."""
        if session in self._places_in_wheel:
            self._displace(session)
            for one in session.sockets:
                self._poller.unregister(one.fileno())
                del self._readers[one.fileno()]
            session.part(time.monotonic_ns())

    # ── on the event loop ──

    def _deliver(self) -> None:
        self._delivery_due = False
        try:
            for _ in range(len(self._heard)):
                session, heard = self._heard.popleft()
                session.deliver(heard)
        finally:
            # A callback that raises goes to the loop's exception handler; the other calls still get theirs.
            if self._heard and self._loop is not None:
                self._loop.call_soon(self._deliver)


def _come_first() -> None:
    """Recognition may fill every core; where the system lets us (root, CAP_SYS_NICE), voice packets go before it.

    A nice value counts only among the processes of one session where the kernel groups them (autogroup, cgroups); a
    real-time thread goes before the others of them all. Threads that it starts are ordinary ones again.
    """
    with contextlib.suppress(OSError, AttributeError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(REALTIME_PRIORITY))  # of this thread only
        return
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD_NICE)


def free_pair(address: str, first_port: int, last_port: int) -> int | None:
    """The first even port of which and of its neighbour nobody has anything; None when there is none in the range."""
    for port in range(first_port + first_port % 2, last_port, 2):
        sockets = _bind(_family(address), address, port)
        if sockets is not None:
            for one in sockets:
                one.close()
            return port
    return None


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _bind(family: socket.AddressFamily, address: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    """Sockets of RTP and RTCP; None when somebody has a port of them. Raises DescriptorsExhausted."""
    opened: list[socket.socket] = []
    try:
        for number in (port, port + 1):
            opened.append(socket.socket(family, socket.SOCK_DGRAM))
            opened[-1].setblocking(False)
            if family == socket.AF_INET6:
                opened[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened[-1].bind((address, number))
    except OSError as error:
        for one in opened:
            one.close()
        if descriptors.is_exhaustion(error):
            raise _no_descriptors() from error
        return None
    if descriptors.is_kept(max(one.fileno() for one in opened)):
        for one in opened:
            one.close()
        raise _no_descriptors()
    if family == socket.AF_INET:
        opened[0].setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED_FORWARDING)
    elif hasattr(socket, "IPV6_TCLASS"):
        opened[0].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED_FORWARDING)
    return opened[0], opened[1]


def _no_descriptors() -> DescriptorsExhausted:
    descriptors.tell()
    return DescriptorsExhausted("no file descriptor is free")
