"""`voicebot say`: one sentence as callers would hear it."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

from telephony.media.codecs import decode, encode
from voicebot import cli
from voicebot.commands import say
from voicebot.commands.say import as_said
from voicebot.errors import VoicebotError
from voicebot.messages import Say


def spoken(tmp_path: Path, *words: str) -> tuple[np.ndarray, int]:
    file = tmp_path / "said.wav"
    assert cli.main(["say", *words, "--voice", "espeak", "--out", str(file)]) == 0
    pcm, rate_hz = soundfile.read(file, dtype="int16")
    return pcm, rate_hz


def test_it_is_what_a_telephone_line_leaves_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pcm, rate_hz = spoken(tmp_path, "Hello there, this is a test.")
    assert rate_hz == 8000 and 1 < len(pcm) / rate_hz < 4
    assert np.array_equal(pcm, decode(encode(pcm, "PCMU"), "PCMU"))
    assert "words a minute" in capsys.readouterr().out


def test_a_browser_hears_twice_as_much(tmp_path: Path) -> None:
    pcm, rate_hz = spoken(tmp_path, "This is a test.", "--rate", "16000")
    assert rate_hz == 16000 and not np.array_equal(pcm, decode(encode(pcm, "PCMU"), "PCMU"))


def test_markup_and_values_are_spoken_as_in_a_flow(tmp_path: Path) -> None:
    assert as_said("It's {code:spell}. [slow]Bye.[/slow]", {"code": "kd47"}) == Say(
        "It's K D 4 7. Bye.", marked="It's K D 4 7. [slow]Bye.[/slow]"
    )
    plain, rate_hz = spoken(tmp_path, "Hello there.")
    paused, _ = spoken(tmp_path, "Hello [pause 2s] there.")
    assert (len(paused) - len(plain)) / rate_hz > 1.5


def test_once_more_means_slower_and_with_words_for_letters() -> None:
    assert "K as in Kilo" in as_said("It's KD471.", {}, again=True).marked
    assert as_said("It's late.", {}, again=True) == Say("It's late.")


def test_a_value_brings_no_markup_in() -> None:
    assert as_said("It's {x}.", {"x": "[pause 3s]"}) == Say("It's (pause 3s).")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["…"], "nothing to say"),
        (["[fast]Hi"], "[fast] is none of"),
        (["[slow]Hi"], "[slow] without [/slow]"),
        (["It's {x"], "a single '{'"),
        (["It's {x} and {y}."], "--set x=… --set y=…"),
        (["It's {x:colour}.", "--set", "x=1"], "unknown format"),
        (["It's {x}.", "--set", "x"], "NAME=VALUE"),
        (["Hi", "--voice", "nobody"], "nobody"),
        (["Hi", "--voice", "espeak", "--out", "/nowhere/x.wav"], "/nowhere/x.wav cannot be written"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(tmp_path))
    file = tmp_path / "x.wav"
    assert cli.main(["say", *words, *([] if "--out" in words else ["--out", str(file)])]) == 2
    assert told in capsys.readouterr().err
    assert not file.exists()


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if scripts else str(folder))


def test_it_is_played_by_the_first_program_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, aplay=f'cp "$2" {tmp_path}/played.wav; echo "$1" > {tmp_path}/how')
    assert cli.main(["say", "Hi there.", "--voice", "espeak"]) == 0
    assert (tmp_path / "how").read_text().strip() == "-q"
    assert soundfile.info(tmp_path / "played.wav").samplerate == 8000


def test_a_program_that_cannot_play_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, aplay="echo no sound card >&2; exit 1")
    assert cli.main(["say", "Hi there.", "--voice", "espeak"]) == 2
    assert "no sound card — write it: --out FILE.wav" in capsys.readouterr().err


def test_without_a_program_it_says_so_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch)
    monkeypatch.setattr("voicebot.tts.synthesizer.Synthesizer.load", lambda _: pytest.fail("loaded"))
    with pytest.raises(VoicebotError, match="no program to play sound with"):
        say.find_player()
    assert cli.main(["say", "Hi."]) == 2
