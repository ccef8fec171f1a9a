"""What a test needs and this machine has not: said in the skip, and a failure in CI, which must have everything."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.real import postgresql
from tests.real.programs import free_port
from voicebot.paths import models_dir, speech_dir

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _missing(item: pytest.Item) -> str | None:
    for mark in item.iter_markers("peer"):
        for name in mark.args:
            if shutil.which(name) is None and not (name == "initdb" and postgresql.programs()):
                return f"needs the program {name!r} (a Debian package; .ci/run installs it)"
    if item.get_closest_marker("speech") and not (speech_dir() / "manifest.csv").is_file():
        return "needs the recordings of ../shared/speech, or VOICEBOT_SPEECH pointing to them"
    if item.get_closest_marker("models") and not (models_dir() / "moonshine-tiny-en" / "encoder_model.ort").is_file():
        return "needs the model weights: voicebot models pull"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    why = _missing(item)
    if why is not None:
        pytest.fail(why, pytrace=False) if IN_CI else pytest.skip(why)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests talk to this machine only, whatever proxy the user has set."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost,::1")


@pytest.fixture
def unused_udp_port() -> int:
    """Of the same name in pytest-asyncio, whose port any program may be given before the test ends."""
    return free_port()
