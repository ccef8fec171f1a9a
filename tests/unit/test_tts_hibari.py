"""hibari's engine: the natural voice that is in a package, one model for all that speak with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from telephony.leg import Pcm
from voicebot import config
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.tts.hibari import Hibari
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voices import VoiceRequest, choose_voices, faults
from voicebot.tts.voices.hibari import HibariSettings, of_language


@pytest.fixture(autouse=True)
def no_other_voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path / "hibari"))
    monkeypatch.setenv("VOICEBOT_MODELS", str(tmp_path))


@pytest.fixture(scope="module")
def engine() -> Hibari:
    return Hibari("heart")


def spoken(engine: Hibari, text: str, at_most: int = 100) -> list[Pcm]:
    blocks: list[Pcm] = []

    def keep(block: Pcm) -> bool:
        blocks.append(block)
        return len(blocks) < at_most

    engine.synthesize(text, keep)
    return blocks


def sound(engine: Hibari, text: str) -> Pcm:
    return np.concatenate(spoken(engine, text))


def test_it_speaks_in_blocks_of_half_a_second_and_the_same_words_the_same_way(engine: Hibari) -> None:
    blocks = spoken(engine, "Hello there. How are you?")
    assert all(block.dtype == np.int16 and len(block) / engine.rate_hz <= 0.5 for block in blocks)
    assert 1.0 < sum(map(len, blocks)) / engine.rate_hz < 3.0
    again = spoken(engine, "Hello there. How are you?")
    assert all(np.array_equal(one, other) for one, other in zip(blocks, again, strict=True))


def test_it_stops_within_a_sentence_when_it_is_told(engine: Hibari) -> None:
    assert len(spoken(engine, "One, two, three, four, and so on, for a long time.", at_most=1)) == 1


def test_all_speeds_share_one_model_and_have_names_of_their_own(engine: Hibari) -> None:
    slow = Hibari("heart", 120)
    assert slow._model is engine._model
    assert slow.name != engine.name
    assert slow.name.startswith("hibari 0.2") and slow.name.endswith(" heart 120")
    text = "This is said at another speed."
    assert len(sound(slow, text)) > 1.3 * len(sound(engine, text))


def test_phonemes_in_a_text_are_not_obeyed(engine: Hibari) -> None:
    assert len(sound(engine, "[no](/ˈAˈAˈAˈAˈAˈAˈA/)")) != len(sound(engine, "ˈAˈAˈAˈAˈAˈAˈA"))
    assert np.array_equal(sound(engine, "[yes]"), sound(engine, "yes"))


@pytest.mark.parametrize("text", ["", "...", "你好", "🎉", "\x00", "$$$", "''", "x" * 2000, "½ ٣", "s's", "_"])
def test_whatever_is_written_is_spoken_or_passed_over(engine: Hibari, text: str) -> None:
    spoken(engine, text)


def test_what_it_breaks_on_is_told_as_a_failure(engine: Hibari) -> None:
    with pytest.raises(EngineFailed, match=r"hibari .* failed"):
        spoken(engine, "9" * 60)  # our own words hold no figures; an engine is given what comes


def test_it_is_what_auto_takes_and_espeak_stands_in(tmp_path: Path) -> None:
    voices, advice = choose_voices(config.TtsSettings(), tmp_path)
    assert [voice.engine.name.split()[0] for voice in voices] == ["hibari", "espeak-ng"]
    assert advice == ""


@pytest.mark.parametrize(
    ("language", "first"),
    [("", "hibari"), ("en-US", "hibari"), ("en", "hibari"), ("en-GB", "espeak-ng"), ("es", "espeak-ng")],
)
def test_auto_takes_it_for_the_english_that_it_speaks_only(tmp_path: Path, language: str, first: str) -> None:
    tts = config.TtsSettings(languages={language or "fr": "auto"})
    assert choose_voices(tts, tmp_path, language)[0][0].engine.name.split()[0] == first


def test_a_british_voice_that_lies_in_its_place_speaks_british_english(tmp_path: Path) -> None:
    assert of_language("en-GB") is None
    (tmp_path / "hibari").mkdir()
    (tmp_path / "hibari" / "bf_emma.int8.onnx").touch()
    assert of_language("en-GB") == HibariSettings(hibari="emma")
    assert of_language("en-US") == HibariSettings(hibari="heart")


def test_asked_for_another_language_it_refuses_with_a_remedy(tmp_path: Path) -> None:
    found = faults(config.TtsSettings(languages={"de": "hibari"}), tmp_path)
    assert [error.message for error in found] == ["hibari speaks English only, not de"]
    with pytest.raises(EngineFailed, match="English only"):
        HibariSettings().load(VoiceRequest(165, 4.0, tmp_path, "de"))


@pytest.mark.parametrize("voice", ["emma", "nobody", "../../secret"])
def test_a_voice_that_is_not_here_is_asked_for_and_never_fetched(
    voice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("it went over the net"))
    with pytest.raises(ModelMissing, match=r"heart"):
        Synthesizer.load(config.TtsSettings(voice={"hibari": voice}))
    assert len(faults(config.TtsSettings(voice={"hibari": voice}), tmp_path)) == 1


def test_a_broken_model_is_passed_over_by_auto_and_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hibari").mkdir()
    (tmp_path / "hibari" / "bf_emma.int8.onnx").write_bytes(b"no model")
    tts = config.TtsSettings(languages={"en-GB": "auto"})
    assert choose_voices(tts, tmp_path, "en-GB")[0][0].engine.name.startswith("espeak-ng")
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        Synthesizer.load(config.TtsSettings(voice={"hibari": "emma"}))


def test_nothing_of_scipy_but_its_fourier_transform_is_loaded_for_it() -> None:
    code = (
        "import sys; from voicebot.tts.hibari import Hibari; Hibari('heart').synthesize('Hi, Zyxwv.', lambda _: True)"
    )
    code += "; print('scipy.signal' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_an_idle_voice_does_not_spin(engine: Hibari) -> None:
    options = engine._model.sess.get_session_options()
    assert options.intra_op_num_threads == options.inter_op_num_threads == 1
    for threads in ("intra", "inter"):
        assert options.get_session_config_entry(f"session.{threads}_op.allow_spinning") == "0"
