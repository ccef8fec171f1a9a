"""The media engine: one thread and one 5 ms ticker for the RTP of all calls.

Calls are spread over the ticker's four phases, so each sends one 20 ms packet at its own phase and the work is even.
Each tick also drains the sockets that have something, and hands everything decoded to the event loop in one call, so
that neither a busy event loop delays packets nor packets keep the event loop busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from .receiver import Heard
from .session import MediaSession
from .stats import MediaStats
from .udp import make_udp

logger = logging.getLogger(__name__)

__all__ = ["MediaEngine", "MediaSession", "MediaStats", "PortsExhausted"]

TICK_NS = 5_000_000
PHASES = 4
SLOT_NS = TICK_NS * PHASES
SWITCH_INTERVAL_S = 0.001
"""Python's default of 5 ms would let a busy event loop hold the ticker up for a whole tick."""
MAX_BACKLOG = 50_000
"""Blocks that wait for the event loop, 20 s of 50 calls; one that is held longer misses the oldest."""
THREAD_NICE = -11
EXPEDITED_FORWARDING = 0xB8
"""DSCP 46 in the traffic class field (RFC 3246), what networks expect of voice."""


_Result = TypeVar("_Result")


class PortsExhausted(Exception):
    """No pair of ports is free in the engine's range."""


class MediaEngine:
    """Owns the sockets of all sessions and the thread that serves them."""

    def __init__(self, listen: str = "127.0.0.1", first_port: int = 20000, last_port: int = 29999) -> None:
        self.listen = listen
        self._ports = range(first_port + first_port % 2, last_port, 2)
        self._next_port = 0
        self._family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        self._udp = make_udp(self._family)
        self._phases: list[list[MediaSession]] = [[] for _ in range(PHASES)]
        self._selector = selectors.DefaultSelector()
        self._joining: deque[MediaSession] = deque()
        self._leaving: deque[MediaSession] = deque()
        self._heard: deque[tuple[MediaSession, Heard | None]] = deque(maxlen=MAX_BACKLOG)
        self._delivery_due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
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
        for session in [session for phase in self._phases for session in phase]:
            session.close()
        self._come_and_go()
        self._selector.close()

    def open(self) -> MediaSession:
        """A session on the next free pair of ports. Raises PortsExhausted."""
        for _ in self._ports:
            port = self._ports[self._next_port]
            self._next_port = (self._next_port + 1) % len(self._ports)
            sockets = self._bind(port)
            if sockets is not None:
                session = MediaSession(self._udp, *sockets, self._leaving.append)
                self._joining.append(session)
                return session
        raise PortsExhausted(f"no free RTP port from {self._ports.start} to {self._ports.stop}")

    def _bind(self, port: int) -> tuple[socket.socket, socket.socket] | None:
        opened: list[socket.socket] = []
        try:
            for number in (port, port + 1):
                opened.append(socket.socket(self._family, socket.SOCK_DGRAM))
                opened[-1].setblocking(False)
                opened[-1].bind((self.listen, number))
        except OSError:
            for one in opened:
                one.close()
            return None
        if self._family == socket.AF_INET:
            opened[0].setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED_FORWARDING)
        return opened[0], opened[1]

    # ── in the engine's thread ──

    def _run(self) -> None:
        # Recognition may fill every core; where the system lets us (root, CAP_SYS_NICE), voice packets come first.
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD_NICE)
        due_ns = time.monotonic_ns()
        tick = 0
        while not self._stopping:
            self._tick(tick % PHASES)
            tick += 1
            due_ns += TICK_NS
            ahead_ns = due_ns - time.monotonic_ns()
            if ahead_ns > 0:
                time.sleep(ahead_ns / 1e9)
            elif -ahead_ns >= SLOT_NS:
                # Sending all that was missed would be a burst; listeners fare better with a gap on the media clock.
                missed = -ahead_ns // SLOT_NS
                due_ns += missed * SLOT_NS
                for phase in self._phases:
                    for session in phase:
                        session.skip(missed)

    def _tick(self, phase: int) -> None:
        self._come_and_go()
        sessions = self._phases[phase].copy()
        for session in sessions:
            self._guard(session, session.send, time.monotonic_ns())
        readable = self._selector.select(0)
        now_ns = time.monotonic_ns()
        touched = dict.fromkeys(sessions)
        for key, _ in readable:
            session, read = key.data
            self._guard(session, read, now_ns)
            touched[session] = None
        for session in touched:
            for heard in self._guard(session, session.take, now_ns) or ():
                self._heard.append((session, heard))
        if self._heard and not self._delivery_due and self._loop is not None:
            self._delivery_due = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _guard(self, session: MediaSession, work: Callable[[int], _Result], now_ns: int) -> _Result | None:
        """Do some of a session's work; should that fail for a reason nobody thought of, only this call ends."""
        try:
            return work(now_ns)
        except Exception:
            logger.exception("the media of port %d failed and is given up", session.port)
            self._remove(session)
            self._heard.append((session, None))
            return None

    def _come_and_go(self) -> None:
        """Take in new sessions and let closed ones go.

        Who leaves is counted first: a session that was opened and closed since the last tick has joined by then.
        """
        leaving = len(self._leaving)
        while self._joining:
            session = self._joining.popleft()
            min(self._phases, key=len).append(session)
            for one, read in zip(session.sockets, (session.read, session.read_rtcp), strict=True):
                self._selector.register(one, selectors.EVENT_READ, (session, read))
        for _ in range(leaving):
            self._remove(self._leaving.popleft())

    def _remove(self, session: MediaSession) -> None:
        """Sockets are closed in this thread, so that none is closed under it."""
        for phase in self._phases:
            if session in phase:
                phase.remove(session)
                for one in session.sockets:
                    self._selector.unregister(one)
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
