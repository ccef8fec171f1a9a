"""What may be said or keyed at any time: a person, repeat, back, help, start over, goodbye, wait."""

from __future__ import annotations

from dataclasses import replace

from voicebot.conversation.pending import ForIntent, ForSlot, ForStep, ForValue, NeedHuman, Next, Waiting, Wish
from voicebot.conversation.recovery import Floor
from voicebot.conversation.slot_values import yes_or_no
from voicebot.flows import default_prompts
from voicebot.messages import Heard
from voicebot.nlu.commands import plain_command
from voicebot.nlu.slots.tokens import tokens
from voicebot.nlu.specs import Command

PATIENCE_S = 25.0
"""Silence that a caller gets who asked for a moment."""
_KEYED_DIGITS = {"digits", "alnum", "phone", "date", "time", "datetime", "amount", "number", "choice"}


class Orders:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def command(self, waiting: Waiting, heard: Heard) -> Command | None:
        if heard.source == "keys":
            return self._key(waiting, heard.text)
        command = plain_command(heard.text)
        yesno = isinstance(waiting, (ForValue, ForStep, ForIntent)) or self._slot_type(waiting) == "yesno"
        if command in ("goodbye", "repeat") and yesno and yes_or_no(heard):
            return None
        if isinstance(waiting, ForSlot) and self._slot_type(waiting) in ("choice", "text"):
            exact = self._floor.answers.along([waiting.slot], heard.text, self._floor.now())
            if exact and command != "person":
                return None
        if command is None and {*tokens(heard.text)} <= {"hello", "sorry"} and not isinstance(waiting, Wish):
            return "repeat"
        return command

    def _key(self, waiting: Waiting, keys: str) -> Command | None:
        if keys == "*":
            return "repeat"
        if keys == "0":
            slot = self._floor.flow.slots[waiting.slot] if isinstance(waiting, ForSlot) else None
            digit = slot is not None and slot.type in _KEYED_DIGITS and 1 in slot.lengths
            return None if digit else "person"
        return None

    def _slot_type(self, waiting: Waiting) -> str:
        return self._floor.flow.slots[waiting.slot].type if isinstance(waiting, ForSlot) else ""

    def obey(self, command: Command, waiting: Waiting) -> Next:
        self._floor.decision = replace(self._floor.decision, rule=f"command:{command}", failures=self._floor.failures)
        say = self._floor.machine.say
        match command:
            case "person":
                self._floor.why.append(f"asked for a person at {self._floor.where(waiting)}")
                words = self._floor.flow.model.handover
                return self._floor.decided("command:person", NeedHuman("asked", words.say, "handover.say"))
            case "repeat":
                self._floor.machine.out += self._floor.prompts
                return waiting
            case "wait":
                say(default_prompts.TAKE_YOUR_TIME)
                self._floor.patience_s = PATIENCE_S
                return waiting
            case "help":
                return self._help(waiting)
            case "back":
                return self._back(waiting)
            case "restart":
                self._floor.memory.clear()
                self._floor.progress()
                say(default_prompts.START_OVER)
                return self._floor.prompt(Wish(after=False))
            case "cancel" if self._floor.memory.frames:
                self._floor.memory.frames.pop()
                self._floor.progress()
                say(default_prompts.LEFT)
                return self._floor.go_on()
            case _:
                return self._floor.goodbye()

    def _help(self, waiting: Waiting) -> Next:
        slot = self._floor.flow.slots[waiting.slot] if isinstance(waiting, ForSlot) else None
        if slot is not None and slot.help and isinstance(waiting, ForSlot):
            self._floor.machine.say(slot.help, f"slots.{waiting.slot}.help")
            return waiting if slot.help.rstrip().endswith("?") else self._floor.prompt(waiting)
        self._floor.machine.say(self._floor.flow.model.help, "help")
        return waiting if isinstance(waiting, Wish) else self._floor.prompt(waiting)

    def _back(self, waiting: Waiting) -> Next:
        slots = self._floor.flow.programs[self._floor.memory.frames[-1].task].slots if self._floor.memory.frames else ()
        here = waiting.slot if isinstance(waiting, (ForSlot, ForValue)) else ""
        while self._floor.asked and (self._floor.asked[-1] == here or self._floor.asked[-1] not in slots):
            self._floor.asked.pop()
        if not self._floor.asked:
            if not self._floor.memory.frames:
                self._floor.machine.say(default_prompts.AT_THE_START)
            return self._floor.prompt(waiting)
        self._floor.machine.say(default_prompts.GO_BACK)
        return self._floor.jump(self._floor.asked.pop(), keep=())
