"""Joins two legs until one of them is over: audio and keys both ways, sample rates converted where they differ."""

from __future__ import annotations

import asyncio

from telephony.leg import AudioHandler, Leg, LegError, Pcm
from telephony.media.resample import make_resampler
from voicebot import log

RELEASE_S = 3.0
"""How long a phone that has left us may take to tell that the transfer went well."""
MAX_QUEUED_S = 0.12
"""Audio waiting to be sent on; more than this (clock drift, a stall) is dropped rather than added to the delay."""

_log = log.get(__name__)


async def _release(caller: Leg, human: Leg) -> bool:
    """Whether the two have been connected without us."""
    try:
        return await caller.connect_to(human)
    except LegError as error:
        _log.info("not released, the call goes on through us", extra={"status": error.status, "reason": error.reason})
        return False


def forward(source: Leg, sink: Leg) -> AudioHandler:
    """A handler for `source.on_audio` that plays on `sink`, at the sink's rate."""
    limit = int(MAX_QUEUED_S * sink.rate_hz)
    resample = make_resampler(source.rate_hz, sink.rate_hz)

    def play(pcm: Pcm) -> None:
        if sink.queued_samples > limit or sink.closed.done():
            return
        out = pcm if resample is None else resample(pcm)
        if len(out):
            sink.play(out)

    return play


async def bridge(caller: Leg, human: Leg, release: bool = False) -> str:
    """Let two parties talk to each other until one hangs up, then end both.

    Args:
        caller, human: the two legs.
        release: ask the caller's side to connect to the human without us (REFER with Replaces). Both hear each other
            through us until that is done, and go on so when it is refused.

    Returns:
        Who ended it: ``caller``, ``human``, or ``released`` when they talk on without us.
    """
    caller.flush()
    human.flush()
    caller.on_audio, human.on_audio = forward(caller, human), forward(human, caller)
    caller.on_dtmf, human.on_dtmf = human.send_dtmf, caller.send_dtmf
    leaving = asyncio.create_task(_release(caller, human)) if release else None
    try:
        await asyncio.wait({caller.closed, human.closed}, return_when=asyncio.FIRST_COMPLETED)
        if leaving is not None:  # the human's phone may say goodbye before the caller's says that all went well
            await asyncio.wait({leaving}, timeout=RELEASE_S)
            if leaving.done() and leaving.result():
                return "released"
        return "caller" if caller.closed.done() else "human"
    finally:
        if leaving is not None:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        caller.on_audio = human.on_audio = None
        caller.on_dtmf = human.on_dtmf = None
        await asyncio.gather(caller.hang_up(), human.hang_up())
