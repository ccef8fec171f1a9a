"""``voicebot say``: one sentence as callers would hear it, played or written to a file."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from telephony.leg import Pcm
from telephony.media.codecs import decode, encode
from voicebot import config as configuration
from voicebot import log
from voicebot.config import VOICES, TtsSettings, chosen_engines
from voicebot.errors import VoicebotError
from voicebot.flows import templates
from voicebot.messages import Say
from voicebot.paths import ROOT
from voicebot.tts import markup
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.wording import SaidBefore, worded

LINE_HZ, WIDE_HZ = 8000, 16000
PLAYERS = (
    ("aplay", "-q"), ("paplay",), ("ffplay", "-v", "error", "-nodisp", "-autoexit"), ("play", "-q"), ("afplay",),
)  # fmt: skip
"""Programs that play a WAV file named last; the first that is there is taken."""
_DESCRIPTION = """Speaks TEXT with the configured voice, levelled and cut as in a call, and plays it, or writes it as
WAV. TEXT may hold what prompts may: markup ([slow]…[/slow], [pause 400ms], [spell: AB12], [lang es]…[/lang]) and
values ({order_number:digits}; they are given with --set, and need their format, as no flow says their type)."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("say", help="speak one sentence as callers would hear it", description=_DESCRIPTION)
    add = cmd.add_argument
    add("text", metavar="TEXT", help="what is said, as it would stand in a flow")
    add("-o", "--out", type=Path, metavar="FILE", help="write a WAV file instead of playing")
    add("--rate", type=int, choices=(LINE_HZ, WIDE_HZ), default=LINE_HZ, metavar="HZ",
        help="8000: a telephone line, through µ-law (default); 16000: a browser, or a phone with wideband")  # fmt: skip
    add("--voice", metavar="NAME", help="as under `tts: voice:`: hibari, espeak, a Piper voice (default: configured)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a value that TEXT names (repeatable)")
    add("--again", action="store_true", help="as it is said to somebody who asked to hear it once more")
    add("-c", "--config", type=Path, default=ROOT / "voicebot.yaml", help="default: the checkout's own")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Speak it. Raises VoicebotError: nothing to say, wrong markup, a value that is missing, no way to play it."""
    log.setup("warning")
    player = None if args.out is not None else find_player()
    say = as_said(args.text, _values(args.set), args.again)
    name, pcm = asyncio.run(_speak(_settings(args), say, args.rate))
    if not len(pcm):
        raise VoicebotError(f"{name} has no sound for this text", "write words")
    if args.rate == LINE_HZ:
        pcm = decode(encode(pcm, "PCMU"), "PCMU")
    print(
        f"{name}: {len(pcm) / args.rate:.1f} s, {60 * len(say.text.split()) * args.rate / len(pcm):.0f} words a minute"
    )
    if player is None:
        write(args.out, pcm, args.rate)
        print(f"written to {args.out}")
    else:
        play(player, pcm, args.rate)
    return 0


def as_said(text: str, values: Mapping[str, str], again: bool = False) -> Say:
    """The prompt that a flow with this text would say.

    Raises:
        VoicebotError: it names no value that is given, its markup is wrong, or nothing is left to say.
    """
    try:
        missing = sorted({field.name for field in templates.fields(text)} - set(values))
        if missing:
            remedy = " ".join(f"--set {name}=…" for name in missing)
            raise VoicebotError(f"the text names {', '.join(missing)}", f"give {remedy}")
        marked = templates.render(text, {name: markup.harmless(value) for name, value in values.items()}, {})
        plain = markup.plain(marked)
    except (templates.TemplateError, markup.MarkupError) as error:
        raise VoicebotError(f"not as prompts are written: {error}", "see docs/dialog-designers.md, Tasks") from None
    if not any(map(str.isalnum, plain)):
        raise VoicebotError("there is nothing to say", "give a text with words")
    say = Say(plain, marked=marked if marked != plain else "")
    return worded([say], SaidBefore(frozenset({plain})))[0][0] if again else say


def find_player() -> list[str]:
    """The command that plays a file. Raises VoicebotError: there is none."""
    for program, *options in PLAYERS:
        found = shutil.which(program)
        if found is not None:
            return [found, *options]
    names = ", ".join(name for name, *_ in PLAYERS)
    raise VoicebotError(f"no program to play sound with is here ({names})", "write it: --out FILE.wav")


def play(player: list[str], pcm: Pcm, rate_hz: int) -> None:
    """Let a program play it. Raises VoicebotError: it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "say.wav"
        write(file, pcm, rate_hz)
        done = subprocess.run([*player, str(file)], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise VoicebotError(f"{player[0]} could not play it: {said}", "write it: --out FILE.wav")


def write(file: Path, pcm: Pcm, rate_hz: int) -> None:
    """A WAV file of 16 bit. Raises VoicebotError: it cannot be written."""
    try:
        soundfile.write(file, pcm, rate_hz, "PCM_16", format="WAV")
    except (OSError, soundfile.SoundFileError) as error:
        raise VoicebotError(f"{file} cannot be written: {error}", "name a file in a folder that is there") from None


def _settings(args: argparse.Namespace) -> TtsSettings:
    tts = configuration.load(args.config).tts
    if args.voice is None:
        return tts
    try:
        chosen_engines(VOICES, args.voice)
    except ValueError as error:
        raise VoicebotError(f"no voice is called {args.voice!r}: {error}", "take hibari or espeak") from None
    return tts.model_copy(update={"voice": args.voice})


def _values(given: list[str]) -> dict[str, str]:
    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise VoicebotError(f"--set {text} is not NAME=VALUE", "give, for example, --set order_number=471102")
        values[name.strip()] = value.strip()
    return values


async def _speak(tts: TtsSettings, say: Say, rate_hz: int) -> tuple[str, Pcm]:
    synthesizer = Synthesizer.load(tts)
    synthesizer.start()
    try:
        blocks = [block async for block in synthesizer.speak(say.marked or say.text, rate_hz)]
    finally:
        synthesizer.stop()
    return synthesizer.voice_name, np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
