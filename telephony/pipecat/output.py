"""What the bot says, presses and does, into the call."""

from __future__ import annotations

import asyncio

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.utils.errors import ErrorCategory

from ..call.dialog.sipleg import SipLeg
from ..clock import now_s
from ..leg import LegError
from ..media.resample import make_resampler
from .frames import SipTransferFrame
from .transport_call import TransportCall

LEAD_S = 0.2
"""Audio that is in the leg ahead of the caller's ear: a pipeline held up this long is not heard. An interruption drops
it at once."""
LAST_S = 0.1
"""Between the last audio and the BYE: the other side has some of it in its jitter buffer."""
KEY_S = 0.26
"""One key and the pause after it, by INFO; less by RFC 4733. Nobody tells when it is through."""
LOOK_S = 0.05
"""How often it is looked whether a write may end early: interrupted, on hold, hung up."""


class SipOutput(BaseOutputTransport):
    """Writes wait in real time, `LEAD_S` ahead; a caller who holds us misses what is said meanwhile.

    Args:
        line: the call.
        params: with `audio_out_sample_rate` left out, the leg's rate is used.
    """

    def __init__(self, line: TransportCall, params: TransportParams, *, name: str | None = None) -> None:
        super().__init__(params, name=name)
        self._call = line
        self._asked_hz = params.audio_out_sample_rate
        self._resampler = make_resampler(8000, 8000)
        self._protected = 0
        """Up to here, counted as the leg counts what it has played, interruptions drop nothing."""
        self._keyed_s = 0.0
        """When the last key is through, on the loop's clock."""
        self._transfer: asyncio.Task[None] | None = None
        line.answers_at_output = True

    @property
    def sample_rate(self) -> int:
        """Of `write_audio_frame`: the leg's, so that nothing is resampled twice."""
        leg = self._call.leg
        return self._asked_hz or (super().sample_rate if leg is None else leg.rate_hz)

    @property
    def audio_chunk_size(self) -> int:
        """Bytes of one write."""
        return self.sample_rate // 100 * 2 * self._params.audio_out_10ms_chunks

    async def start(self, frame: StartFrame) -> None:
        """All of the pipeline is ready: answer."""
        await super().start(frame)
        leg = await self._call.answer(self)
        if leg is None:
            return
        self._resampler = make_resampler(self.sample_rate, leg.rate_hz)
        await self.set_transport_ready(frame)
        await self._call.begin(self)

    async def stop(self, frame: EndFrame) -> None:
        """Hang up when the caller has heard everything, keys too."""
        await super().stop(frame)
        leg = self._call.leg
        if leg is not None:
            await self._drained(leg)
            await asyncio.sleep(max(LAST_S, self._keyed_s - now_s()))
            await self._call.hang_up()

    async def cancel(self, frame: CancelFrame) -> None:
        """Hang up at once."""
        await super().cancel(frame)
        self._call.end()

    async def cleanup(self) -> None:
        """Hang up what nobody has hung up."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        if self._transfer is not None:
            await self.cancel_task(self._transfer)
            self._transfer = None
        await self._call.close(self)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pipecat drops what it has queued on an interruption; we drop what is in the leg."""
        await super().process_frame(frame, direction)
        leg = self._call.leg
        if isinstance(frame, InterruptionFrame) and leg is not None and leg.played_samples >= self._protected:
            leg.flush()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Play it, and wait until no more than `LEAD_S` is ahead. False when the call is over."""
        leg = self._call.leg
        if leg is None or self._call.over:
            return False
        if self._call.deaf:
            await asyncio.sleep(frame.num_frames / frame.sample_rate)
            return True
        pcm = np.frombuffer(frame.audio, np.int16)
        leg.play(pcm if self._resampler is None else self._resampler(pcm))
        if not frame.interruptible:
            self._protected = leg.played_samples + leg.queued_samples
        await self._drained(leg, LEAD_S)
        return True

    def _supports_native_dtmf(self) -> bool:
        return True

    async def _write_dtmf_native(self, frame: OutputDTMFFrame | OutputDTMFUrgentFrame) -> None:
        leg = self._call.leg
        if leg is None or self._call.over:
            return
        if isinstance(frame, OutputDTMFFrame):  # keys overtake audio in the leg
            await self._drained(leg)
        keys = frame.to_string()
        leg.send_dtmf(keys)
        self._keyed_s = max(self._keyed_s, now_s()) + KEY_S * len(keys)

    async def write_transport_frame(self, frame: Frame) -> None:
        """Transfers come in their turn and go on beside the audio."""
        leg = self._call.leg
        if isinstance(frame, SipTransferFrame) and leg is not None:
            await self._drained(leg)
            if self._transfer is None or self._transfer.done():
                self._transfer = self.create_task(self._refer(leg, frame.uri))
            else:
                await self._fail(frame.uri, "another one is going on")

    async def _refer(self, leg: SipLeg, uri: str) -> None:
        try:
            await leg.transfer(uri)
        except (LegError, ValueError) as error:
            await self._fail(uri, str(error))

    async def _fail(self, uri: str, why: str) -> None:
        # Without a category a SIP status would be taken for one of HTTP, and 403 for the end of this transport.
        await self.push_error(f"transfer to {uri}: {why}", category=ErrorCategory.UNKNOWN)

    async def _drained(self, leg: SipLeg, left_s: float = 0.0) -> None:
        """Wait until at most `left_s` of audio is still to go out, or none can go out: a hold, the end."""
        # The media thread that takes it tells nobody.
        while (ahead_s := leg.queued_samples / leg.rate_hz - left_s) > 0 and not self._call.deaf:  # noqa: ASYNC110
            await asyncio.sleep(min(ahead_s, LOOK_S))
