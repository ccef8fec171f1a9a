"""Keys in SDP, and packets that only their owner can have written."""

from __future__ import annotations

import base64
import random
import struct

import pylibsrtp
import pytest

from telephony.media.rtp import pack
from telephony.media.srtp import (
    MAX_SOURCES,
    SDES_SUITES,
    Crypto,
    Keys,
    Protector,
    Suite,
    Unprotector,
    new_key,
    read_crypto,
    write_crypto,
)

KEY = "A" * 40
SUITES: tuple[Suite, ...] = (*SDES_SUITES, "AEAD_AES_128_GCM", "AEAD_AES_256_GCM")


def packet(sequence: int, ssrc: int = 7) -> bytes:
    return pack(False, 0, sequence & 0xFFFF, sequence * 160, ssrc, bytes(160))


@pytest.mark.parametrize(
    "line",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^48 WSH=64",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} -FANCY",
        f"999999999 AES_CM_128_HMAC_SHA1_32 inline:{KEY}",
        f"2 AES_256_CM_HMAC_SHA1_80 inline:{'A' * 62}==",
        f"2 AES_256_CM_HMAC_SHA1_80 inline:{'A' * 62}",
    ],
)
def test_usable_keys_are_read(line: str) -> None:
    assert read_crypto(line) is not None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^0|",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|0",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-4]}",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-1]}*",
        f"-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
    ],
)
def test_what_would_change_the_wire_or_cannot_be_is_left_out(line: str) -> None:
    """RFC 4568 section 7.1.2: the attribute is then as if it were not there."""
    assert read_crypto(line) is None


@pytest.mark.parametrize("suite", SDES_SUITES)
def test_a_key_that_was_written_is_read_again(suite: Suite) -> None:
    crypto = Crypto(3, suite, new_key(suite))
    assert read_crypto(write_crypto(crypto)) == crypto


def test_mutated_key_lines_are_read_or_left_out() -> None:
    dice = random.Random(4568)
    good = f"1 AES_CM_128_HMAC_SHA1_80 inline:{base64.b64encode(bytes(30)).decode()}|2^20 WSH=64"
    for _ in range(3000):
        text = list(good)
        for _ in range(dice.randint(1, 4)):
            text[dice.randrange(len(text))] = chr(dice.randrange(32, 1000))
        crypto = read_crypto("".join(text))
        assert crypto is None or len(crypto.key) == 30


@pytest.mark.parametrize("suite", SUITES)
def test_packets_cross_over_the_end_of_the_sequence_numbers(suite: Suite) -> None:
    key = new_key(suite)
    ours, theirs = Protector(suite, key), Unprotector(suite, key)
    for sequence in range(65_500, 65_600):
        sealed = ours.rtp(packet(sequence))
        assert sealed is not None
        assert bytes(100) not in sealed
        assert theirs.rtp(sealed) == packet(sequence)
    report = struct.pack("!BBHI", 0x80, 201, 1, 7)
    sealed = ours.rtcp(report)
    assert sealed is not None
    assert theirs.rtcp(sealed) == report


@pytest.mark.parametrize(
    ("suite", "profile"),
    [
        ("AES_CM_128_HMAC_SHA1_80", pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
        ("AES_CM_128_HMAC_SHA1_32", pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32),
        ("AEAD_AES_256_GCM", pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM),
    ],
)
def test_pylibsrtp_reads_what_we_write_and_the_other_way_round(suite: Suite, profile: int) -> None:
    key = new_key(suite)
    inbound = pylibsrtp.Session(pylibsrtp.Policy(key, pylibsrtp.Policy.SSRC_ANY_INBOUND, 0, profile))
    outbound = pylibsrtp.Session(pylibsrtp.Policy(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, 0, profile))
    sealed = Protector(suite, key).rtp(packet(1))
    assert sealed is not None
    assert inbound.unprotect(sealed) == packet(1)
    assert Unprotector(suite, key).rtp(outbound.protect(packet(1))) == packet(1)


@pytest.mark.parametrize("suite", SUITES)
def test_a_changed_bit_anywhere_is_noticed_and_the_stream_goes_on(suite: Suite) -> None:
    key = new_key(suite)
    ours, theirs = Protector(suite, key), Unprotector(suite, key)
    sealed = ours.rtp(packet(1))
    assert sealed is not None
    for at in range(2, len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert theirs.rtp(bytes(changed)) == "forged"
    assert theirs.rtp(sealed) == packet(1)


def test_a_packet_is_taken_once() -> None:
    key = new_key(SUITES[0])
    ours, theirs = Protector(SUITES[0], key), Unprotector(SUITES[0], key)
    sealed = [ours.rtp(packet(sequence)) for sequence in range(200)]
    assert all(one is not None and theirs.rtp(one) == packet(index) for index, one in enumerate(sealed))
    assert {theirs.rtp(one) for one in sealed if one} == {"replayed"}


@pytest.mark.parametrize("junk", [b"", b"\x80", bytes(12), bytes(3000), b"\x80" * 2048, packet(1)])
def test_what_is_no_srtp_is_forged(junk: bytes) -> None:
    theirs = Unprotector(SUITES[0], new_key(SUITES[0]))
    assert theirs.rtp(junk) == "forged"
    assert theirs.rtcp(junk) == "forged"


def test_a_peer_gets_no_more_than_its_share_of_sources() -> None:
    key = new_key(SUITES[0])
    ours, theirs = Protector(SUITES[0], key), Unprotector(SUITES[0], key)
    outcomes = [theirs.rtp(ours.rtp(packet(1, ssrc)) or b"") for ssrc in range(MAX_SOURCES + 5)]
    assert [isinstance(one, bytes) for one in outcomes] == [True] * MAX_SOURCES + [False] * 5
    assert theirs.rtp(ours.rtp(packet(2, 0)) or b"") == packet(2, 0)


def test_a_packet_too_long_to_be_sealed_is_not_sent() -> None:
    assert Protector(SUITES[0], new_key(SUITES[0])).rtp(b"") is None


def test_a_key_that_does_not_fit_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="30 bytes"):
        Protector("AES_CM_128_HMAC_SHA1_80", bytes(46))


def test_keys_do_not_show_when_printed() -> None:
    assert "secret" not in repr(Keys("AES_CM_128_HMAC_SHA1_80", b"secret" * 5, b"secret" * 5))
