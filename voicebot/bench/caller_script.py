"""A script for a test caller: YAML or options of the command line to steps with audio.

```yaml
steps:
  - say: Where is my order?        # spoken by espeak-ng; or wav: file.wav, or keys: "471102#"
  - wav: number.wav
    kind: digits                   # free, digits, yesno, after-action, keys: how the turn is counted
  - say: An agent, please.
    barge_in: true                 # begin while the prompt is playing
```
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from telephony import yamlfile
from voicebot.bench.call_plan import CallerStep, TurnKind
from voicebot.bench.caller_audio import load_wav, synthesised, voiced
from voicebot.tts.synthesizer import Synthesizer

MAX_STEPS = 200


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScriptLine(_Section):
    """One turn; exactly one of `say`, `wav` and `keys`."""

    say: Annotated[str, Field(max_length=1000)] | None = None
    wav: Path | None = None
    """Relative to the script."""
    keys: str | None = None
    kind: TurnKind = "free"
    barge_in: bool = False

    @field_validator("keys")
    @classmethod
    def _keys(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9*#A-D]{1,40}", value):
            raise ValueError("must be up to 40 of 0-9 * # A-D, in quotes")
        return value

    @model_validator(mode="after")
    def _one(self) -> ScriptLine:
        if sum(x is not None for x in (self.say, self.wav, self.keys)) != 1:
            raise ValueError("needs exactly one of say, wav and keys")
        return self


class CallerScript(_Section):
    """What a caller does, in order."""

    steps: Annotated[list[ScriptLine], Field(min_length=1, max_length=MAX_STEPS)]


def load(path: Path) -> list[ScriptLine]:
    """Read a script; its recordings' names become absolute. Raises SourceError."""
    base = path.resolve().parent
    lines = yamlfile.load(path, CallerScript).steps
    return [line if line.wav is None else line.model_copy(update={"wav": base / line.wav}) for line in lines]


async def prepare(lines: list[ScriptLine], synthesizer: Synthesizer) -> list[CallerStep]:
    """Steps with audio at 8000 Hz.

    Raises:
        VoicebotError: a recording cannot be used, or has no voice in it.
        EngineFailed: no voice can speak.
    """
    steps = []
    for line in lines:
        if line.keys is not None:
            steps.append(CallerStep("keys", line.keys, keys=line.keys, barge_in=line.barge_in))
            continue
        if line.wav is not None:
            pcm, label = load_wav(line.wav), line.wav.name
        else:
            label = line.say or ""
            pcm = await synthesised(synthesizer, label)
        voiced(pcm)
        steps.append(CallerStep(line.kind, label, pcm, barge_in=line.barge_in))
    return steps
