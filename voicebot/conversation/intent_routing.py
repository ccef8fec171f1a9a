"""What the caller wants: a task, another task in the middle of one, or a command in his own words."""

from __future__ import annotations

from dataclasses import replace

from voicebot.conversation.global_commands import Orders
from voicebot.conversation.pending import ForIntent, Next, Waiting, Wish
from voicebot.conversation.recovery import Floor
from voicebot.conversation.slot_values import yes_or_no
from voicebot.flows import default_prompts
from voicebot.messages import Heard
from voicebot.nlu.slots.thresholds import DOUBTED
from voicebot.nlu.slots.tokens import tokens

SWITCH = 0.75
"""Confidence from which a sentence changes the subject although it also holds an answer."""
_NOES = {"no", "nope", "nah"}
_GREETING = {
    "hello",
    "hi",
    "hey",
    "good",
    "morning",
    "afternoon",
    "evening",
    "there",
    "yes",
    "yeah",
    "um",
    "uh",
    "okay",
    "so",
}


class Wishes:
    def __init__(self, floor: Floor, orders: Orders) -> None:
        self._floor, self._orders = floor, orders

    def wish(self, heard: Heard, after: bool, waiting: Waiting) -> Next:
        if after and heard.expected_confidence >= DOUBTED:  # recognised inside the grammar of yes and no
            heard = replace(heard, text=heard.expected_text)
            if yes_or_no(heard) != "yes" or heard.text.split()[0] in _NOES:
                return self._floor.goodbye()
        words = tokens(heard.text)
        answer = yes_or_no(heard)
        short = len(words) <= 5
        if after and short and (answer == "no" or {*words[:1]} & _NOES) and not self._sure(heard):
            return self._floor.goodbye()
        if after and answer == "yes" and short and not self._sure(heard):
            self._floor.machine.say(self._floor.flow.model.after.go_on, "after.go_on")
            self._floor.decision = replace(self._floor.decision, rule="go-on")
            return Wish(after=False)
        if words and set(words) <= _GREETING:
            self._floor.decision = replace(self._floor.decision, rule="greeting")
            return self._floor.prompt(waiting)
        change = self.change_of_subject(heard, 0.0)
        if change is not None:
            return change
        guess = self._floor.guess(heard)
        if guess is not None and guess.band == "confirm" and guess.command is None:
            task = self._floor.flow.intents[guess.intent].task or ""
            self._floor.machine.say(default_prompts.meant(self._floor.flow.programs[task].about))
            self._floor.decision = replace(self._floor.decision, rule="intent?")
            return ForIntent(guess.intent, heard.text, after)
        if after and answer == "no":
            return self._floor.goodbye()
        return self._floor.fail("no-match", waiting)

    def _sure(self, heard: Heard) -> bool:
        guess = self._floor.guess(heard)
        return guess is not None and guess.band == "accept" and guess.command is None

    def meant(self, waiting: ForIntent, heard: Heard) -> Next:
        answer = yes_or_no(heard)
        if answer == "yes" and not self._floor.was_asked(heard):
            return self._floor.ask_in_full(waiting)
        if answer == "yes":
            self._floor.decision = replace(self._floor.decision, rule="intent-confirmed", intent=waiting.intent)
            return self._start(waiting.intent, Heard(waiting.text, source=heard.source))
        change = self.change_of_subject(heard, 0.0) if len(tokens(heard.text)) > 2 else None
        return change or self._floor.fail("rejected" if answer == "no" else "no-match", Wish(after=waiting.after))

    def change_of_subject(self, heard: Heard, threshold: float) -> Next | None:
        """Another task or a command in other words; None when the turn is neither, or not surely enough."""
        guess = self._floor.guess(heard)
        if guess is None or guess.band != "accept" or guess.confidence < threshold:
            return None
        if (command := guess.command) is not None:
            leaving = command in ("goodbye", "restart", "cancel")
            if threshold or (leaving and (self._floor.memory.frames or guess.confidence < SWITCH)):
                return None  # in the middle of a task only plain words end it
            return self._orders.obey(command, self._floor.waiting)
        task = self._floor.flow.intents[guess.intent].task or ""
        if self._floor.memory.frames and self._floor.memory.frames[-1].task == task:
            return None
        return self._start(guess.intent, heard)

    def _start(self, intent: str, heard: Heard) -> Next:
        task = self._floor.flow.intents[intent].task or ""
        guess = next((g for g in self._floor.guesses or [] if g.intent == intent), None)
        self._floor.intent, self._floor.intent_confidence = (
            intent,
            round(guess.confidence, 3) if guess else self._floor.intent_confidence,
        )
        self._floor.memory.begin(task)
        self._floor.progress()
        open_ = [s for s in self._floor.flow.programs[task].slots if s not in self._floor.memory.slots]
        along = self._floor.fill_along(open_, heard)
        self._floor.show("intent", along)
        return self._floor.go_on()
