"""The manifest names what set-up brings, and refuses what could do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebot.errors import SourceError, VoicebotError
from voicebot.models import manifest, missing
from voicebot.models.manifest import Hub, Wheel

GOOD = """
models:
  tiny:
    about: a test
    licence: MIT
    folder: tiny
    files: [{name: a.bin, size: 3, sha256: %s}]
    sources: [{hub: https://example.org/x}]
""" % ("a" * 64)


def read(tmp_path: Path, text: str) -> manifest.Manifest:
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    return manifest.load(path)


def test_the_default_models_need_no_hub() -> None:
    default = {name: m for name, m in manifest.load().models.items() if m.default}
    assert set(default) == {"moonshine-tiny-en", "minilm-l6-v2"}
    for model in default.values():
        assert isinstance(model.sources[0], Wheel)
        assert any(isinstance(source, Hub) for source in model.sources)


def test_no_wheel_is_a_dependency_of_the_project() -> None:
    """They are taken apart, never installed: MiniLM's would bring torch."""
    locked = (manifest.MANIFEST.parent.parent / "requirements.lock").read_text()
    for model in manifest.load().models.values():
        for source in model.sources:
            if isinstance(source, Wheel):
                assert source.wheel.split("==")[0] not in locked


def test_a_model_is_picked_by_name_or_as_a_default() -> None:
    everything = manifest.load()
    assert list(everything.pick(["piper-ljspeech"])) == ["piper-ljspeech"]
    assert all(model.default for model in everything.pick([]).values())
    with pytest.raises(VoicebotError, match="no model is called 'gpt'"):
        everything.pick(["gpt"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: a.bin", "name: ../a.bin"),
        ("name: a.bin", "name: .hidden"),
        ("folder: tiny", "folder: /etc"),
        ("size: 3", "size: 0"),
        ("a" * 64, "abc"),
        ("https://example.org/x", "http://example.org/x"),
        ("https://example.org/x", "file:///etc/passwd"),
        ("licence: MIT", "licence: MIT\n    run: rm"),
    ],
)
def test_what_could_do_harm_is_refused_with_its_line(tmp_path: Path, old: str, new: str) -> None:
    assert read(tmp_path, GOOD).models
    assert old in GOOD
    with pytest.raises(SourceError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert caught.value.problems[0].line > 0


def test_missing_says_which_needed_models_are_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(tmp_path))
    words = missing()
    assert len(words) == 2
    assert str(tmp_path / "moonshine-tiny-en") in words[0]
