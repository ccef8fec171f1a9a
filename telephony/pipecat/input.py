"""What the caller says and presses, as frames."""

from __future__ import annotations

import asyncio

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.utils import create_stream_resampler
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams

from ..leg import Pcm
from ..media.resample import Resampler, make_resampler
from .transport_call import Notify, TransportCall

_OUR_RATES = (8000, 16000)


class SipInput(BaseInputTransport):
    """Frames have the pipeline's input rate; 8000 or 16000 Hz as the call has it costs nothing.

    Args:
        line: the call.
        params: `audio_in_sample_rate` overrides the pipeline's.
        notify: tells the bot of keys.
    """

    def __init__(
        self, line: TransportCall, params: TransportParams, notify: Notify, *, name: str | None = None
    ) -> None:
        super().__init__(params, name=name)
        self._call = line
        self._notify = notify
        self._hearing: asyncio.Task[None] | None = None
        self._keying: asyncio.Task[None] | None = None
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._from_hz = 0
        self._near: Resampler | None = None
        self._far = create_stream_resampler()

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """The caller hears ringing until the pipeline has started."""
        await super().setup(setup)
        self._call.ring()

    async def start(self, frame: StartFrame) -> None:
        """Hear the caller from here on; answer when the pipeline has no output to do that."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        if not self._call.answers_at_output and await self._call.answer(self) is not None:
            await self._call.begin(self)
        self._call.on_dtmf = self._keys.put_nowait
        self._keying = self._keying or self.create_task(self._press())
        if self._params.audio_in_stream_on_start:
            await self._start_audio_in_streaming()

    async def _start_audio_in_streaming(self) -> None:
        if self._params.audio_in_enabled and self._hearing is None:
            self._hearing = self.create_task(self._hear())

    async def stop(self, frame: EndFrame) -> None:
        """The bot is saying its last words and no longer listens."""
        await super().stop(frame)
        await self._deafen()

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop at once."""
        await super().cancel(frame)
        await self._deafen()

    async def cleanup(self) -> None:
        """Hang up what nobody has hung up."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._deafen()
        await self._call.close(self)

    async def _deafen(self) -> None:
        tasks, self._hearing, self._keying = (self._hearing, self._keying), None, None
        for task in filter(None, tasks):
            await self.cancel_task(task)

    async def _hear(self) -> None:
        while True:
            for pcm in await self._call.blocks():
                audio = await self._convert(pcm)
                if audio:
                    await self.push_audio_frame(InputAudioRawFrame(audio, self.sample_rate, 1))

    async def _convert(self, pcm: Pcm) -> bytes:
        """To the pipeline's rate."""
        leg = self._call.leg
        from_hz = self.sample_rate if leg is None else leg.rate_hz
        if from_hz == self.sample_rate:
            return pcm.tobytes()
        if self.sample_rate not in _OUR_RATES:
            return await self._far.resample(pcm.tobytes(), from_hz, self.sample_rate)
        if from_hz != self._from_hz:
            self._from_hz, self._near = from_hz, make_resampler(from_hz, self.sample_rate)
        return (pcm if self._near is None else self._near(pcm)).tobytes()

    async def _press(self) -> None:
        while True:
            key = await self._keys.get()
            if key not in "ABCD":  # Pipecat has no frame for those
                await self.push_frame(InputDTMFFrame(KeypadEntry(key)))
            await self._notify("on_dtmf_event", key)
