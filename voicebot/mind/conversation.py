"""(signatures first; filled in next)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from voicebot.events import Act, Heard, Result, Snapshot
from voicebot.mind.decision import Decision
from voicebot.mind.flow import Flow
from voicebot.mind.nlu.understanding import Understanding


class Conversation:
    def __init__(
        self,
        flow: Flow,
        understanding: Understanding,
        *,
        now: Callable[[], datetime],
        caller: Mapping[str, str] | None = None,
    ) -> None:
        self.last_decision = Decision()

    def start(self) -> list[Act]:
        raise NotImplementedError

    def hear(self, heard: Heard) -> list[Act]:
        raise NotImplementedError

    def silence(self) -> list[Act]:
        raise NotImplementedError

    def result(self, result: Result) -> list[Act]:
        raise NotImplementedError

    def handover_failed(self, why: str) -> list[Act]:
        raise NotImplementedError

    def hung_up(self) -> None:
        raise NotImplementedError

    @property
    def snapshot(self) -> Snapshot:
        raise NotImplementedError

    @property
    def summary(self) -> str:
        raise NotImplementedError
