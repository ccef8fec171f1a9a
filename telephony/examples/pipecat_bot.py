"""A Pipecat bot on the telephone that needs no key and no download.

It greets with a melody, answers each digit with so many beeps, says back what was said to it, and falls silent when
spoken to. * makes it press a key itself, # ends the call.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections import deque

import numpy as np
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    OutputDTMFFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from telephony.examples.commandline import arguments, run
from telephony.pipecat import SipTransferFrame, SipTransport, calls_to

RATE_HZ = 8000
MELODY = ((523, 0.15), (659, 0.15), (784, 0.15), (1047, 0.5))
"""Frequency in Hz and seconds of each note."""
FAREWELL = ((784, 0.15), (523, 0.3))
BEEP = ((1000, 0.12), (0, 0.12))
BEFORE_S = 0.4
"""Speech is noticed late: what was heard so shortly before belongs to it."""
LONGEST_S = 20.0


def tones(notes: tuple[tuple[int, float], ...]) -> bytes:
    """Notes (0 Hz is a rest) as 16-bit samples at `RATE_HZ`, faded so that they do not click."""
    waves = []
    for hz, seconds in notes:
        at = np.arange(int(RATE_HZ * seconds))
        fade = np.minimum(1, np.minimum(at, at[::-1]) / 80)
        waves.append(6000 * fade * np.sin(2 * np.pi * hz / RATE_HZ * at))
    return np.concatenate(waves).astype(np.int16).tobytes()


class Parrot(FrameProcessor):
    """Where another bot has speech recognition, a language model and a voice. `transfer_to` is for key 0."""

    def __init__(self, transfer_to: str) -> None:
        super().__init__()
        self._transfer_to = transfer_to
        self._before: deque[bytes] = deque(maxlen=int(BEFORE_S / 0.02))
        self._said: list[bytes] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Listen, and answer."""
        await super().process_frame(frame, direction)
        match frame:
            case InputAudioRawFrame():
                self._hear(frame.audio)
            case UserStartedSpeakingFrame():
                self._said = list(self._before)
            case UserStoppedSpeakingFrame() if self._said is not None:
                said, self._said = b"".join(self._said), None
                await self.say(said)
            case InputDTMFFrame():
                await self._on_key(frame.button.value)
        await self.push_frame(frame, direction)

    def _hear(self, audio: bytes) -> None:
        self._before.append(audio)
        if self._said is not None and len(self._said) * 0.02 < LONGEST_S:
            self._said.append(audio)

    async def _on_key(self, key: str) -> None:
        if key == "#":
            await self.say(tones(FAREWELL))
            await self.push_frame(EndWorkerFrame())
        elif key == "*":
            await self.push_frame(OutputDTMFFrame.from_string("*"))
        elif key == "0" and self._transfer_to:
            await self.push_frame(SipTransferFrame(uri=self._transfer_to))
        else:
            await self.say(tones(BEEP * (int(key) or 10)))

    async def say(self, audio: bytes) -> None:
        """As a voice would."""
        await self.push_frame(TTSStartedFrame())
        await self.push_frame(TTSAudioRawFrame(audio, RATE_HZ, 1))
        await self.push_frame(TTSStoppedFrame())


async def bot(transport: SipTransport, transfer_to: str = "") -> None:
    """One call: returns when it is over."""
    parrot = Parrot(transfer_to)
    vad = await asyncio.to_thread(SileroVADAnalyzer, params=VADParams(start_secs=0.1))  # other calls go on meanwhile
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3, wait_for_transcript=False)],
    )
    pipeline = Pipeline(
        [
            transport.input(),
            VADProcessor(vad_analyzer=vad),
            UserTurnProcessor(user_turn_strategies=turns),
            parrot,
            transport.output(),
        ]
    )
    worker = PipelineWorker(pipeline, params=transport.pipeline_params(), enable_rtvi=False)

    @transport.event_handler("on_client_connected")  # type: ignore[untyped-decorator]
    async def greet(_transport: SipTransport, _leg: object) -> None:
        await parrot.say(tones(MELODY))

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def leave(_transport: SipTransport, _leg: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    """The command line."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--transfer-to", default="", metavar="URI", help="where key 0 sends the caller (REFER)")
    chosen = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    run(calls_to(functools.partial(bot, transfer_to=chosen.transfer_to)), chosen)


if __name__ == "__main__":
    main()
