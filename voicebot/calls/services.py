"""What all calls share, what belongs to one flow, and where a route sends a call."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from voicebot.actions.runner import Actions
from voicebot.flows.flow import Flow
from voicebot.handoff.human_dialler import HumanDialler
from voicebot.listening.speech_input import SpeechInput
from voicebot.nlu.intents import Understanding
from voicebot.tts.synthesizer import Synthesizer


@dataclass(frozen=True, slots=True)
class LoadedFlow:
    """One flow with what belongs to it alone."""

    flow: Flow
    understanding: Understanding
    actions: Actions


@dataclass(frozen=True, slots=True)
class RoutedTarget:
    """A human whom a call goes to at once, because a route says so."""

    target: str
    queue: bool


@dataclass(frozen=True, slots=True)
class Services:
    """What all calls share."""

    speech_input: SpeechInput
    synthesizer: Synthesizer
    human_dialler: HumanDialler
    thinkers: Executor
    """Runs the dialog's work, which is short but not short enough for the event loop."""
    release: bool = False
    """Ask the caller's side to connect caller and human without us (`config.Handover.release`)."""
