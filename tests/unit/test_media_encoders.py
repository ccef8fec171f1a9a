"""G.722 and Opus behind one interface, with what a hostile peer may send."""

from __future__ import annotations

import random

import numpy as np
import pytest

from telephony.media.codecs import FORMATS, Codec, Pcm, decode, encode
from telephony.media.encoders import CODECS, make_decoder, make_encoder

WIDEBAND: list[Codec] = ["G722", "opus"]


def voice(seconds: float) -> Pcm:
    """Something like a vowel with a moving pitch, at 16000 Hz."""
    time_s = np.arange(int(16000 * seconds)) / 16000
    phase = 2 * np.pi * (140 * time_s + 10 * np.sin(2 * np.pi * 2 * time_s))
    return np.asarray(sum(np.sin(phase * (one + 1)) * 4000 / (one + 1) ** 2 for one in range(20))).astype(np.int16)


def coded(codec: Codec, pcm: Pcm, ptime_ms: int = 20) -> list[bytes]:
    encoder = make_encoder(codec)
    assert encoder is not None
    size = 16 * ptime_ms
    return [encoder.encode(pcm[start : start + size]) for start in range(0, len(pcm) - size + 1, size)]


def spectra(pcm: Pcm) -> np.ndarray:
    """Magnitudes of 40 ms each, which phases do not change."""
    windows = np.lib.stride_tricks.sliding_window_view(pcm.astype(float), 640)[::320] * np.hanning(640)
    return np.abs(np.fft.rfft(windows))


def likeness(pcm: Pcm, other: Pcm) -> tuple[float, int]:
    """How alike they sound at the delay, in samples, where that is greatest, and that delay."""
    wanted = spectra(pcm[4000:16000]).ravel()
    return max(
        (float(np.corrcoef(wanted, spectra(other[4000 + delay : 16000 + delay]).ravel())[0, 1]), delay)
        for delay in range(0, 400, 8)
    )


def test_this_installation_can_do_all_codecs() -> None:
    assert set(CODECS) == set(FORMATS)


@pytest.mark.parametrize(("codec", "ptime_ms"), [("G722", 10), ("G722", 20), ("G722", 30), ("opus", 10), ("opus", 20)])
def test_wideband_comes_through(codec: Codec, ptime_ms: int) -> None:
    pcm = voice(1.2)
    decoder, heard = make_decoder(codec), []
    for payload in coded(codec, pcm, ptime_ms):
        assert decoder.units(payload) == ptime_ms * FORMATS[codec].clock_hz // 1000
        heard.append(decoder.decode(payload))
    assert {len(block) for block in heard} == {16 * ptime_ms}
    like, delay = likeness(pcm, np.concatenate(heard))
    assert like > (0.95 if codec == "G722" else 0.85)  # Opus filters what is deep
    assert delay <= 16 * 8  # 8 ms


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_g711_is_a_table_with_no_state(codec: Codec) -> None:
    decoder = make_decoder(codec)
    payload = encode(voice(0.02)[::2], codec)
    assert make_encoder(codec) is None
    assert decoder.units(payload) == 160
    assert decoder.decode(payload).tolist() == decode(payload, codec).tolist()
    assert decoder.conceal(160, None) is None


def test_opus_recovers_a_lost_packet_from_the_next_one() -> None:
    """Its redundancy is nearer to what was lost than what can be guessed."""
    pcm = voice(2.0)
    payloads = coded("opus", pcm)
    whole, known, guessing = make_decoder("opus"), make_decoder("opus"), make_decoder("opus")
    by_next, by_guess = [], []
    for index, payload in enumerate(payloads):
        wanted = whole.decode(payload).astype(float)
        if index % 10 == 5 and index > 20:
            for decoder, errors, following in (
                (known, by_next, payloads[index + 1]),
                (guessing, by_guess, None),
            ):
                made = decoder.conceal(320, following)
                assert made is not None
                assert len(made) == 320
                errors.append(((made - wanted) ** 2).mean() / (wanted**2).mean())
        else:
            known.decode(payload)
            guessing.decode(payload)
    assert np.mean(by_next) < 0.5 * np.mean(by_guess)


@pytest.mark.parametrize("samples", [1, 39, 320, 800, 1920, 5000, 16000])
def test_opus_makes_up_as_much_as_is_missing(samples: int) -> None:
    payloads = coded("opus", voice(0.2))
    for following in (None, payloads[-1]):
        decoder = make_decoder("opus")
        for payload in payloads[:-1]:
            decoder.decode(payload)
        made = decoder.conceal(samples, following)
        assert made is not None
        assert len(made) == samples


@pytest.mark.parametrize(
    ("payload", "units"),
    [
        (b"\x08", 960),  # SILK 20 ms, mono
        (b"\x18", 2880),  # SILK 60 ms
        (b"\x19", 5760),  # two of them
        (b"\x80", 120),  # CELT 2.5 ms
        (b"\x68", 960),  # hybrid 20 ms
        (b"\x0b", 0),  # many frames, and no count
        (b"\x0b\x03", 2880),
        (b"\x0b\x00", 0),
        (b"\x1b\x3f", 0),  # 63 frames of 60 ms: more than 120 ms
    ],
)
def test_the_length_of_an_opus_packet_is_read_from_its_beginning(payload: bytes, units: int) -> None:
    assert make_decoder("opus").units(payload) == units


@pytest.mark.parametrize("codec", WIDEBAND)
def test_ten_thousand_hostile_payloads_break_nothing(codec: Codec) -> None:
    dice = random.Random(6716)
    decoder = make_decoder(codec)
    good = coded(codec, voice(0.2))
    for _ in range(10_000):
        payload = (
            bytearray(dice.choice(good)) if dice.random() < 0.5 else bytearray(dice.randbytes(dice.randint(1, 200)))
        )
        payload[dice.randrange(len(payload))] = dice.randrange(256)
        units = decoder.units(bytes(payload))
        assert 0 <= units <= max(5760, len(payload))
        if units:
            pcm = decoder.decode(bytes(payload))
            assert len(pcm) in (0, units * 16000 // FORMATS[codec].clock_hz)
            assert pcm.dtype == np.int16
        if dice.random() < 0.1:
            decoder.conceal(320, bytes(payload))
    assert len(decoder.decode(good[0])) == 320
