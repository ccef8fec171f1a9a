"""The test callers' side of the line: a SIP user agent and a media engine of their own."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator

import numpy as np

from telephony.agent import AgentConfig, UserAgent
from telephony.media.codecs import RATE_HZ, Pcm
from telephony.media.engine import MediaEngine
from voicebot.bench.caller_audio import segments
from voicebot.errors import VoicebotError
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Expect

FIRST_PORT, LAST_PORT = 25000, 26999
"""RTP of the callers; away from the first ports that a server takes."""
_URI = re.compile(r"sips?:(?:[^@\s]*@)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::(\d+))?(?:[;?].*)?")


def address_towards(uri: str) -> str:
    """Our address on the way to `uri`.

    Raises:
        VoicebotError: no SIP URI, or no way there.
    """
    found = _URI.fullmatch(uri)
    if not found or int(found[2] or 0) > 65535:
        raise VoicebotError(f"{uri!r} is no SIP URI", "such as sip:127.0.0.1:5060 or sip:sales@pbx.example")
    host, port = found[1].strip("[]"), int(found[2] or 5060)
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(info[0], socket.SOCK_DGRAM) as probe:
            probe.connect(info[4])
            return str(probe.getsockname()[0])
    except (OSError, OverflowError) as error:
        raise VoicebotError(f"{host} cannot be reached: {error}", "check the name and the network") from None


@contextlib.asynccontextmanager
async def phone(uri: str) -> AsyncIterator[UserAgent]:
    """A started user agent for calls towards `uri`. Raises VoicebotError when its ports are taken."""
    address = address_towards(uri)
    media = MediaEngine(address, FIRST_PORT, LAST_PORT)
    agent = UserAgent(AgentConfig(address, 0), media, None)
    media.start()
    try:
        await agent.start()
        try:
            yield agent
        finally:
            await agent.stop(0.0)
    except OSError as error:
        raise VoicebotError(f"cannot listen on {address}: {error}") from None
    finally:
        media.stop()


async def transcribe(speech_input: SpeechInput, pcm: Pcm) -> str:
    """What a prompt of any length says, sentence by sentence. Raises EngineFailed."""
    heard = []
    for part in segments(pcm):
        audio = (part / np.float32(32768)).astype(np.float32)
        heard.append((await speech_input.recognise(audio, RATE_HZ, Expect())).text)
    return " ".join(filter(None, heard))
