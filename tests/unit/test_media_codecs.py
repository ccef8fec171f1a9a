"""G.711 against the values of ITU-T G.711."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.media.codecs import SILENCE, Codec, decode, encode


@pytest.mark.parametrize(
    ("codec", "code", "sample"),
    [
        ("PCMU", 0x00, -32124),
        ("PCMU", 0x7F, 0),
        ("PCMU", 0x80, 32124),
        ("PCMU", 0x8F, 16764),
        ("PCMU", 0xFE, 8),
        ("PCMU", 0xFF, 0),
        ("PCMU", 0x1F, -8316),
        ("PCMA", 0x55, -8),
        ("PCMA", 0xD5, 8),
        ("PCMA", 0x2A, -32256),
        ("PCMA", 0xAA, 32256),
        ("PCMA", 0x80, 5504),
        ("PCMA", 0x00, -5504),
    ],
)
def test_codes_decode_to_the_values_of_the_standard(codec: Codec, code: int, sample: int) -> None:
    assert decode(bytes([code]), codec).tolist() == [sample]


@pytest.mark.parametrize(
    ("codec", "sample", "code"),
    [
        ("PCMU", 0, 0xFF),
        ("PCMU", 32767, 0x80),
        ("PCMU", -32768, 0x00),
        ("PCMU", 1000, 0xCE),
        ("PCMU", -1000, 0x4E),
        ("PCMA", 0, 0xD5),
        ("PCMA", -1, 0x55),
        ("PCMA", 32767, 0xAA),
        ("PCMA", -32768, 0x2A),
        ("PCMA", 1000, 0xFA),
    ],
)
def test_samples_encode_to_the_codes_of_the_standard(codec: Codec, sample: int, code: int) -> None:
    assert encode(np.array([sample], np.int16), codec) == bytes([code])


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_all_codes_survive_decoding_and_encoding(codec: Codec) -> None:
    codes = bytes(code for code in range(256) if (codec, code) != ("PCMU", 0x7F))  # µ-law has a second zero
    assert encode(decode(codes, codec), codec) == codes


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_each_sample_gets_the_nearest_code_or_its_neighbour(codec: Codec) -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    error = np.abs(decode(encode(samples, codec), codec).astype(int) - samples)
    assert (error <= np.maximum(np.abs(samples.astype(int)) // 16, 16)).all()
    assert abs(int(decode(bytes([SILENCE[codec]]), codec)[0])) <= 8


def test_strided_audio_is_encoded_as_it_reads() -> None:
    stereo = np.array([[100, -100], [2000, -2000]], np.int16)
    assert encode(stereo[:, 0], "PCMU") == encode(np.array([100, 2000], np.int16), "PCMU")
