"""Joins two legs until one of them is over: audio and keys both ways, sample rates converted where they differ."""

from __future__ import annotations

import asyncio

import numpy as np
import soxr

from telephony.leg import AudioHandler, Leg, Pcm

MAX_QUEUED_S = 0.12
"""Audio waiting to be sent on; more than this (clock drift, a stall) is dropped rather than added to the delay."""


def forward(source: Leg, sink: Leg) -> AudioHandler:
    """A handler for `source.on_audio` that plays on `sink`, at the sink's rate."""
    limit = int(MAX_QUEUED_S * sink.rate_hz)
    resampler = (
        None
        if source.rate_hz == sink.rate_hz
        else soxr.ResampleStream(source.rate_hz, sink.rate_hz, 1, dtype="int16", quality="LQ")
    )

    def play(pcm: Pcm) -> None:
        if sink.queued_samples > limit or sink.closed.done():
            return
        out = pcm if resampler is None else np.asarray(resampler.resample_chunk(pcm), dtype=np.int16)
        if len(out):
            sink.play(out)

    return play


async def bridge(caller: Leg, human: Leg) -> str:
    """Let two parties talk to each other until one hangs up, then end both.

    Returns:
        Who ended it: ``caller`` or ``human``.
    """
    caller.flush()
    human.flush()
    caller.on_audio, human.on_audio = forward(caller, human), forward(human, caller)
    caller.on_dtmf, human.on_dtmf = human.send_dtmf, caller.send_dtmf
    try:
        await asyncio.wait({caller.closed, human.closed}, return_when=asyncio.FIRST_COMPLETED)
        return "caller" if caller.closed.done() else "human"
    finally:
        caller.on_audio = human.on_audio = None
        caller.on_dtmf = human.on_dtmf = None
        await asyncio.gather(caller.hang_up(), human.hang_up())
