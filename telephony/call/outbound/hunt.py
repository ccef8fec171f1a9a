"""A call that we place: over which hops it goes, where redirects lead, and what is heard before the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sipmessage import URI

from ...leg import AudioHandler, LegError
from ...media.codecs import Pcm
from ...sip.digest import DigestClient
from ...sip.reason_header import Reason
from ...trunk.caller_id import OutgoingIdentity
from ...trunk.next_hops import NextHop
from ..dialog.sipleg import SipLeg
from .call_request import CallFailed, CallProgress, CallRequest
from .invite import InviteAttempt
from .redirects import Redirects

HOP_PATIENCE_S = 4.0
"""How long a hop may be silent while there is another one; the last one has all of timer B, 32 s."""

FindNextHops = Callable[[URI], Awaitable[list[NextHop]]]
IdentityFor = Callable[[NextHop], tuple[OutgoingIdentity, DigestClient | None]]


class OutgoingCall:
    """A call that is being placed. Made by `UserAgent.dial`.

    Args:
        call: what is wanted.
        next_hops: the hops to a URI, in order. Raises OSError with words.
        identity_for: From and the identity headers on one of them, and who answers its challenges.
        may_redirect: whether a 3xx may lead to that URI.
        ring_s: how long to wait for the answer in all.
    """

    def __init__(
        self,
        call: CallRequest,
        next_hops: FindNextHops,
        identity_for: IdentityFor,
        may_redirect: Callable[[URI], bool],
        ring_s: float,
    ) -> None:
        self.on_progress: Callable[[CallProgress], None] | None = None
        """Called with each provisional response."""
        self.on_early_audio: AudioHandler | None = None
        """Called with each block (int16, mono, `rate_hz`) that the called party sends before the answer."""
        self.ringing = False
        self.early_audio = False
        """The called party sends audio already (announcements, its own ringback)."""
        self.began_s = time.monotonic()
        self.seconds = 0.0
        """From the first INVITE to the end of the dialling, once it has ended."""
        self._call = call
        self._next_hops = next_hops
        self._identity_for = identity_for
        self._redirects = Redirects(call.uri, call.terms.redirects, may_redirect)
        self._ring_s = ring_s
        self._reason: Reason | None = None
        self._attempt: InviteAttempt | None = None
        call.on_progress = self._on_progress
        call.media.on_audio = self._on_audio
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(_seen)

    @property
    def id(self) -> str:
        """Call-ID."""
        return self._call.call_id

    @property
    def rate_hz(self) -> int:
        """Of `play` and `on_early_audio`."""
        return self._call.media.rate_hz

    @property
    def done(self) -> bool:
        """Answered, or failed."""
        return self._task.done()

    def on_done(self, callback: Callable[[SipLeg | LegError], None]) -> None:
        """Have this called once at the end, with what `answered` returns or raises."""
        self._task.add_done_callback(lambda task: callback(_outcome(task)))

    async def answered(self) -> SipLeg:
        """Wait for the answer.

        Raises LegError (`CallFailed` where a peer said why): his status, 408 nobody answered in time, 487 given up,
        503 nobody can be reached. Cancelling the task that waits here does not give the call up: `give_up` does.
        """
        await asyncio.wait([self._task])
        outcome = _outcome(self._task)
        if isinstance(outcome, LegError):
            raise outcome
        return outcome

    def give_up(self, reason: Reason | None = None) -> None:
        """Nobody wants the call any more: CANCEL, or BYE when it has just been answered; `reason` is for the peer."""
        self._reason = reason
        if self._task.done() and not self._task.cancelled() and self._task.exception() is None:
            self._task.result().end()
        if self._attempt is not None:
            self._attempt.give_up(reason)
        self._task.cancel()

    def play(self, pcm: Pcm) -> None:
        """Send audio to a called party that takes it before the answer; what is played sooner waits for that."""
        self._call.media.play(pcm)

    def flush(self) -> int:
        """Drop what is queued. Returns the number of samples."""
        return self._call.media.flush()

    # ── how it goes ──

    async def _run(self) -> SipLeg:
        try:
            async with asyncio.timeout(self._ring_s):
                leg = await self._try_all()
        except TimeoutError:
            self._end()
            raise LegError(408, "No Answer") from None
        except BaseException:
            self._end()
            raise
        self.seconds = time.monotonic() - self.began_s
        return leg

    def _end(self) -> None:
        self.seconds = time.monotonic() - self.began_s
        self._call.media.close()

    async def _try_all(self) -> SipLeg:
        """Each target in turn, each with its hops (RFC 3263 section 4.3, RFC 3261 section 8.1.3.4)."""
        failure: LegError = LegError(503, "Nowhere To Go")
        while (uri := self._redirects.next()) is not None:
            try:
                next_hops = await self._next_hops(uri)
            except OSError as error:
                failure = LegError(503, f"{uri} cannot be reached: {error}")
                continue
            try:
                return await self._try_next_hops(next_hops)
            except CallFailed as error:
                failure = error
                followed = error.response is not None and self._redirects.follow(error.response)
                if not followed and (not self._redirects.redirected or error.status >= 600):
                    break  # a redirect to several places is tried to its end
        raise failure

    async def _try_next_hops(self, next_hops: list[NextHop]) -> SipLeg:
        failure: CallFailed | None = None
        for number, next_hop in enumerate(next_hops, 1):
            identity_for, login = self._identity_for(next_hop)
            attempt = self._attempt = InviteAttempt(self._call, next_hop, identity_for, login)
            try:
                leg = await attempt.run(HOP_PATIENCE_S if number < len(next_hops) else None)
                self._call.media.on_audio = None
                return leg
            except CallFailed as error:
                if failure is None or error.response is not None or failure.response is None:
                    failure = error  # a refusal says more than silence
                if attempt.alerted or not error.next_hop_may_help:
                    raise
        assert failure is not None  # `next_hops` is never empty
        raise failure

    def _on_progress(self, progress: CallProgress) -> None:
        self.ringing = self.ringing or progress.status == 180
        self.early_audio = progress.early_media
        if self.on_progress is not None:
            self.on_progress(progress)

    def _on_audio(self, pcm: Pcm) -> None:
        if self.early_audio and self.on_early_audio is not None:
            self.on_early_audio(pcm)


def _outcome(task: asyncio.Task[SipLeg]) -> SipLeg | LegError:
    if task.cancelled():
        return LegError(487, "Request Terminated")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, LegError):
        return error
    raise error


def _seen(task: asyncio.Task[SipLeg]) -> None:
    if not task.cancelled():
        task.exception()  # whoever gave up does not come for it
