"""How a service of Pipecat's catalogue is named and made, as a recogniser or as a voice."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from voicebot.config import EngineSettings


class PipecatSettings(EngineSettings):
    pipecat: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """Module and class: ``pipecat.services.deepgram.stt:DeepgramSTTService``."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Of its constructor; ``${NAME}`` takes a secret from the environment."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Its ``Settings``: model, language, voice …"""
    rate_hz: Annotated[int, Field(ge=8000, le=48000)] = 16000
    """Audio that it is given or asked for."""

    @property
    def name(self) -> str:
        return self.pipecat.partition(":")[2]
