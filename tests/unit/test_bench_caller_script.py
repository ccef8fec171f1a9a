"""Scripts and personas: what a test caller says next."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import soundfile

from telephony.media.codecs import Pcm
from voicebot.bench import call, caller_script, demo_callers
from voicebot.bench.call_plan import CallerStep, FixedPlan
from voicebot.bench.caller_audio import load_wav
from voicebot.bench.caller_script import ScriptLine
from voicebot.bench.persona import MAX_TURNS, Persona, ReplyRule
from voicebot.bench.softphone import address_towards
from voicebot.errors import SourceError, VoicebotError

YES, NO, ORDER = CallerStep("yesno", "yes"), CallerStep("yesno", "no"), CallerStep("digits", "846766")
RULES = [
    ReplyRule(("how can i help you today",), (CallerStep("free", "request"),)),
    ReplyRule(("whats your order number",), (ORDER,)),
    ReplyRule(("is that right",), (YES, NO)),
    ReplyRule(("is there anything else i can do for you",), (NO,), after_action=True),
    ReplyRule(("thank you for calling goodbye",)),
]


def said(*texts: str | None) -> tuple[Persona, list[Pcm | None]]:
    """A persona that hears these texts, and the audio that stands for them."""
    audio: list[Pcm | None] = [None if text is None else np.full(4, i, np.int16) for i, text in enumerate(texts)]

    async def recognise(pcm: Pcm) -> str:
        return texts[int(pcm[0])] or ""

    return Persona(RULES, recognise), audio


async def steps(persona: Persona, audio: list[Pcm | None]) -> list[str]:
    queue, taken = iter(audio), []

    async def listen() -> Pcm | None:
        return next(queue, None)

    while (step := await persona.next(listen)) is not None:
        taken.append(step.label)
    return taken


async def test_a_persona_answers_the_question_it_hears_even_misheard() -> None:
    persona, audio = said(
        "Hello. How can I tell you today?",
        "Wess your order number? It can take stages.",
        "It should arrive on Wednesday. Is there any thing else I can do for you?",
        "Thank you for calling Northwind. Good bye.",
    )
    assert await steps(persona, audio) == ["request", "846766", "no"]
    assert persona.waited == [False, False, True, False]


async def test_a_persona_says_it_again_when_it_does_not_understand() -> None:
    persona, audio = said("What's your order number?", "Krzlbrmpf.", "", None)
    assert await steps(persona, audio) == ["846766", "846766", "846766"]


async def test_a_persona_changes_its_answer_and_gives_up_in_the_end() -> None:
    persona, audio = said(*["Is that right?"] * 50)
    assert await steps(persona, audio) == ["yes", *["no"] * (MAX_TURNS - 1)]


async def test_a_fixed_plan_listens_before_each_step_that_does_not_barge_in() -> None:
    listened = 0

    async def listen() -> Pcm | None:
        nonlocal listened
        listened += 1
        return np.zeros(1, np.int16)

    plan = FixedPlan([YES, CallerStep("free", "stop", barge_in=True), NO])
    assert [step.label for step in [await plan.next(listen) for _ in range(3)] if step] == ["yes", "stop", "no"]
    assert listened == 2
    assert await plan.next(listen) is None
    assert listened == 3


async def test_a_fixed_plan_ends_with_the_call() -> None:
    async def listen() -> Pcm | None:
        return None

    assert await FixedPlan([YES]).next(listen) is None


def test_a_script_names_recordings_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "caller.yaml"
    path.write_text("steps:\n- wav: a.wav\n  kind: digits\n- say: hello\n- keys: '12#'\n  barge_in: true\n")
    lines = caller_script.load(path)
    assert lines[0].wav == tmp_path / "a.wav"
    assert lines[2] == ScriptLine(keys="12#", barge_in=True)


@pytest.mark.parametrize("text", ["- {}", "- {say: a, keys: '1'}", "- {keys: 12x}", "- {say: a, shout: b}", "[]"])
def test_a_script_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "caller.yaml"
    path.write_text(f"steps:\n{text}\n" if text != "[]" else "steps: []\n")
    with pytest.raises(SourceError) as caught:
        caller_script.load(path)
    assert caught.value.problems[0].line >= 1


def test_turns_come_in_the_order_of_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    call.register(parser.add_subparsers())
    args = parser.parse_args(["call", "sip:x", "--say", "one", "--keys", "2", "--say", "three"])
    assert args.lines == [("say", "one"), ("keys", "2"), ("say", "three")]


def test_a_recording_of_any_rate_and_channels_comes_at_8000_hz(tmp_path: Path) -> None:
    t = np.arange(48000) / 48000
    soundfile.write(tmp_path / "a.flac", np.stack([np.sin(t * 2000), np.sin(t * 2000)], axis=1) * 0.5, 48000)
    pcm = load_wav(tmp_path / "a.flac")
    assert (pcm.dtype, pcm.shape) == (np.int16, (8000,))
    (tmp_path / "b.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(VoicebotError, match="cannot be read"):
        load_wav(tmp_path / "b.wav")


@pytest.mark.parametrize("uri", ["127.0.0.1", "sip:", "sip:a b", "http://127.0.0.1/", "sip:x@127.0.0.1:99999999"])
def test_what_is_no_sip_uri_is_refused(uri: str) -> None:
    with pytest.raises(VoicebotError):
        address_towards(uri)


def test_the_callers_own_address_is_the_one_towards_the_server() -> None:
    assert address_towards("sip:someone@127.0.0.1:5060;transport=tcp") == "127.0.0.1"


@pytest.mark.speech
def test_digits_yes_and_no_are_recordings() -> None:
    found = demo_callers._recordings(demo_callers.speech_dir())
    assert {*demo_callers.WORDS, "yes", "no"} <= set(found)


def test_each_question_of_the_demo_company_is_known() -> None:
    """A caller finds the right rule for what the demo's flow really asks."""
    rules = [ReplyRule(questions, (YES,)) for questions in demo_callers._QUESTIONS.values()]
    names = list(demo_callers._QUESTIONS)
    persona = Persona(rules, recognise=lambda pcm: said("x")[0].recognise(pcm))
    for text, name in (
        ("How can I help you today?", "request"),
        ("What's your order number? It has six digits.", "order"),
        ("I can do that. First, what's your five digit employee number?", "employee"),
        ("Thank you. And your four digit PIN? You can say it, or key it in so nobody hears it.", "pin"),
        ("What is it for: an installation, a repair, or some advice?", "service"),
        ("Which day would suit you?", "day"),
        ("And what time?", "time"),
        ("Four, zero, eight, six, two. Is that right?", "check"),
        ("That's free: a repair on Tuesday at ten thirty. Shall I book it?", "offer"),
        ("It should arrive on Wednesday. Is there anything else I can do for you?", "else"),
        ("Thank you for calling Northwind. Goodbye!", "goodbye"),
    ):
        chosen = persona.choose(text)
        assert chosen is not None, text
        assert names[chosen] == name, text
