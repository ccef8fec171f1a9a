"""What one turn means where the dialog stands: an answer, a correction, another wish, a command, or nothing."""

from __future__ import annotations

from voicebot.conversation.global_commands import Orders
from voicebot.conversation.intent_routing import Wishes
from voicebot.conversation.pending import (
    ForChange,
    ForHuman,
    ForIntent,
    ForResult,
    ForSlot,
    ForStep,
    ForValue,
    NeedHuman,
    Next,
    Over,
    Waiting,
    Wish,
)
from voicebot.conversation.recovery import Floor
from voicebot.conversation.slot_filling import Replies
from voicebot.conversation.trace import Decision
from voicebot.messages import Heard, Result


class Turns:
    """Hands each turn to the part that knows what is waited for."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._orders = Orders(floor)
        self._wishes = Wishes(floor, self._orders)
        self._replies = Replies(floor, self._wishes)

    def hear(self, waiting: Waiting, heard: Heard) -> Next:
        """A turn with words or keys."""
        self._floor.guesses, self._floor.patience_s, self._floor.waiting = None, 0.0, waiting
        secret = isinstance(waiting, ForSlot) and self._floor.flow.slots[waiting.slot].secret
        self._floor.decision = Decision(step=self._floor.where(waiting), secret=secret)
        command = self._orders.command(waiting, heard)
        if command is not None:
            return self._orders.obey(command, waiting)
        match waiting:
            case ForSlot(slot):
                return self._replies.slot(slot, waiting, heard)
            case ForValue(slot, found):
                return self._replies.value(slot, found, waiting, heard)
            case ForStep() | ForChange():
                return self._replies.checked(waiting, heard)
            case ForIntent():
                return self._wishes.meant(waiting, heard)
            case Wish(after):
                return self._wishes.wish(heard, after, waiting)
        raise TypeError(f"nothing can be heard while {waiting} is under way")

    def silence(self, waiting: Waiting, nobody_there: bool) -> Next:
        """No input. `nobody_there`: a human was called for and not reached already."""
        self._floor.patience_s = 0.0
        self._floor.decision = Decision(rule="no-input", step=self._floor.where(waiting))
        if isinstance(waiting, Wish) and waiting.after and self._floor.silences and self._floor.memory.resolved:
            return self._floor.goodbye()
        if nobody_there and self._floor.silences >= 2:
            self._floor.machine.say(self._floor.flow.model.after.goodbye, "after.goodbye")
            return Over("no-input")
        return self._floor.fail("no-input", waiting)

    def result(self, waiting: ForResult, result: Result) -> Next:
        """A backend's answer."""
        if waiting.lookup is not None:
            return self._replies.looked_up(waiting.lookup, result)
        frame = self._floor.memory.frames[-1]
        self._floor.decision = Decision(rule="result", step=f"{frame.task}.action")
        failure = self._floor.machine.result(result)
        if failure is not None:
            self._floor.count(f"action-failed ({failure.kind})", f"{frame.task}.action")
        if failure is not None and not failure.handled:
            self._floor.memory.frames.pop()
            words = self._floor.flow.model.handover
            return self._floor.decided("action-failed", NeedHuman("backend", words.backend, "handover.backend"))
        if failure is not None and self._floor.failures >= self._floor.flow.model.fallbacks.limit:
            return self._floor.decided("failures", self._floor.need_human())
        return self._floor.go_on(counted=failure is not None)

    def resume(self, waiting: ForHuman) -> Next:
        """Back to the dialog after a human could not be reached."""
        self._floor.progress()
        self._floor.decision = Decision(rule="handover-failed", step="handover")
        if waiting.reason == "flow" and self._floor.memory.frames:
            self._floor.memory.frames[-1].at += 1
            return self._floor.go_on()
        back = waiting.back_to
        if waiting.reason == "route":
            return self._floor.prompt(Wish(after=False))
        if isinstance(back, (ForSlot, ForValue, ForStep, ForChange)) and self._floor.memory.frames:
            return self._floor.prompt(back)
        return self._floor.go_on() if self._floor.memory.frames else self._floor.prompt(Wish(after=True))
