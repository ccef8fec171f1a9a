"""SRTP in offers and answers: whose keys are used, when they change, and that nothing becomes plain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telephony.call_policy import Srtp, Terms
from telephony.media.dtls import identity
from telephony.media.srtp import new_key, read_crypto
from telephony.sdp.negotiation import SdpError, check_offer
from tests.unit.negotiation_support import (
    FINGERPRINT,
    G711,
    KEY,
    OURS,
    body,
    lines,
    ours,
    peer,
    settle,
    told,
)

# ── SDES ──


SDES = replace(G711, srtp="sdes")


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF"])
def test_offered_keys_are_answered_with_ours_in_the_profile_of_the_offer(profile: str) -> None:
    first = ours()
    said = first.answer(body(f"m=audio 4000 {profile} 8", f"a=crypto:7 {KEY}"))
    assert lines(said, "m=") == [f"m=audio 20000 {profile} 8"]
    (line,) = lines(said, "a=crypto:")
    crypto = read_crypto(line.removeprefix("a=crypto:"))
    assert crypto is not None
    assert (crypto.tag, crypto.suite) == (7, "AES_CM_128_HMAC_SHA1_80")
    keys = told(first)[0].keys
    assert keys is not None
    assert (keys.ours, keys.theirs) == (crypto.key, bytes(30))


def test_of_alternatives_the_encrypted_one_is_taken() -> None:
    alternatives = ("m=audio 4000 RTP/AVP 8", "m=audio 4002 RTP/SAVP 0", f"a=crypto:1 {KEY}")
    assert [line.split()[1] for line in lines(ours().answer(body(*alternatives)), "m=")] == ["0", "20000"]
    plain = ours(replace(G711, srtp="off"))
    assert [line.split()[1] for line in lines(plain.answer(body(*alternatives)), "m=")] == ["20000", "0"]


def test_both_sides_of_sdes_have_each_others_keys() -> None:
    first, second = ours(SDES), peer(SDES)
    settle(first, second)
    mine, yours = told(first)[0].keys, told(second)[0].keys
    assert mine is not None
    assert yours is not None
    assert (mine.ours, mine.theirs, mine.suite) == (yours.theirs, yours.ours, yours.suite)
    assert "SRTP AES_CM_128_HMAC_SHA1_80" in first.describe()


def test_all_codecs_are_offered_each_with_events_on_its_clock() -> None:
    said = ours(Terms()).offer()
    assert lines(said, "m=") == ["m=audio 20000 RTP/AVP 0 8 9 107 101 100"]
    attributes = lines(said, "a=")
    for attribute in ("rtpmap:9 G722/8000", "rtpmap:107 opus/48000/2", "rtpmap:100 telephone-event/48000"):
        assert f"a={attribute}" in attributes


def test_events_are_agreed_on_the_clock_of_the_codec_or_else_at_8000_hz() -> None:
    first, second = ours(Terms(codecs=("opus",))), peer()
    second.terms = Terms()
    settle(first, second)
    assert [(agreed.codec, agreed.dtmf_payload_type) for agreed in told(second)] == [("opus", 100)]
    said = ours(Terms()).answer(
        body("m=audio 4000 RTP/AVP 111 101", "a=rtpmap:111 opus/48000/2", "a=rtpmap:101 telephone-event/8000")
    )
    assert lines(said, "m=") == ["m=audio 20000 RTP/AVP 111 101"]


def test_no_key_is_used_for_two_calls() -> None:
    keys = {line.split("inline:")[1] for _ in range(5) for line in lines(ours(SDES).offer(), "a=crypto:")}
    assert len(keys) == 20


def test_keys_are_never_shown_in_words() -> None:
    first, second = ours(SDES), peer(SDES)
    settle(first, second)
    (agreed,) = told(first)
    assert agreed.keys is not None
    assert repr(agreed.keys.ours) not in repr(agreed)


def test_an_unchanged_key_keeps_ours_and_a_new_one_gets_a_new_one() -> None:
    first = ours()
    for version, (key, hold) in enumerate([("A" * 40, ""), ("A" * 40, "a=sendonly"), ("B" * 40, "a=sendonly")], 1):
        crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"
        first.answer(body("m=audio 4000 RTP/SAVP 8", crypto, hold or "a=sendrecv", version=version))
    keys = [agreed.keys for agreed in told(first) if agreed.keys]
    assert keys[0] == keys[1]
    assert keys[1].ours != keys[2].ours
    assert keys[2].theirs != keys[1].theirs


def test_our_re_offer_keeps_the_key_in_use() -> None:
    first, second = ours(SDES), peer(SDES)
    settle(first, second)
    first.accept(second.answer(first.offer("sendonly")))
    assert told(first)[0].keys == told(first)[1].keys
    assert told(second)[0].keys == told(second)[1].keys


def test_what_was_encrypted_is_never_plain_again() -> None:
    first = ours()
    first.answer(body("m=audio 4000 RTP/SAVP 8", f"a=crypto:1 {KEY}"))
    with pytest.raises(SdpError) as caught:
        first.answer(body("m=audio 4000 RTP/AVP 8", version=2))
    assert caught.value.status == 488
    first.offer()
    with pytest.raises(SdpError):
        first.accept(body("m=audio 4000 RTP/AVP 8", version=2))
    assert [agreed.security for agreed in told(first)] == ["sdes"]


@pytest.mark.parametrize(
    ("srtp", "media"),
    [
        ("sdes", ("m=audio 4000 RTP/AVP 8",)),
        ("sdes", ("m=audio 4000 UDP/TLS/RTP/SAVP 8", "a=setup:actpass", f"a=fingerprint:{FINGERPRINT}")),
        ("dtls", ("m=audio 4000 RTP/SAVP 8", f"a=crypto:1 {KEY}")),
        ("off", ("m=audio 4000 RTP/SAVP 8", f"a=crypto:1 {KEY}")),
        ("optional", ("m=audio 4000 RTP/SAVP 8",)),
        ("optional", ("m=audio 4000 RTP/SAVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short")),
        ("optional", ("m=audio 4000 UDP/TLS/RTP/SAVP 8", "a=setup:actpass")),
        ("optional", ("m=audio 4000 UDP/TLS/RTP/SAVP 8", "a=setup:actpass", "a=fingerprint:md5 " + "AB:" * 15 + "AB")),
    ],
)
def test_an_encryption_that_is_not_allowed_or_not_complete_is_refused(srtp: Srtp, media: tuple[str, ...]) -> None:
    with pytest.raises(SdpError) as caught:
        check_offer(body(*media), OURS, replace(G711, srtp=srtp))
    assert caught.value.status == 488


def test_an_answer_must_name_a_key_that_we_offered() -> None:
    first = ours(SDES)
    first.offer()
    for crypto in (f"9 {KEY}", f"2 {KEY}", "1 AES_CM_128_HMAC_SHA1_32 inline:" + "A" * 40):
        with pytest.raises(SdpError):
            first.accept(body("m=audio 4000 RTP/SAVP 8", f"a=crypto:{crypto}"))
    first.accept(body("m=audio 4000 RTP/SAVP 8", f"a=crypto:1 {KEY}"))


# ── DTLS ──

DTLS = replace(G711, srtp="dtls")


def test_both_sides_of_dtls_have_a_part_and_the_others_fingerprint() -> None:
    first, second = ours(DTLS), peer(DTLS)
    settle(first, second)
    offered, answered = told(first)[0], told(second)[0]
    assert offered.dtls is not None
    assert answered.dtls is not None
    assert (offered.dtls.active, answered.dtls.active) == (False, True)
    name, digest = identity().fingerprint.split()
    assert offered.dtls.fingerprints == ((name, digest),)
    assert offered.rtcp_mux
    assert answered.rtcp_mux


@pytest.mark.parametrize(("setup", "ours_is"), [("actpass", "active"), ("active", "passive"), ("passive", "active")])
def test_the_answer_takes_the_other_part(setup: str, ours_is: str) -> None:
    said = ours().answer(
        body("m=audio 4000 UDP/TLS/RTP/SAVPF 8", f"a=setup:{setup}", f"a=fingerprint:{FINGERPRINT}", "a=rtcp-mux")
    )
    assert lines(said, "a=setup") == [f"a=setup:{ours_is}"]
    assert lines(said, "a=fingerprint:sha-256 ")
    assert lines(said, "a=rtcp-mux")


def test_a_later_offer_leaves_the_parts_as_they_are() -> None:
    first, second = ours(DTLS), peer(DTLS)
    settle(first, second)
    second.accept(first.answer(second.offer("sendonly")))
    assert [agreed.dtls for agreed in told(first)] == [told(first)[0].dtls] * 2
    assert [agreed.dtls for agreed in told(second)] == [told(second)[0].dtls] * 2


def test_the_fingerprint_of_the_session_counts_for_its_streams() -> None:
    first = ours()
    first.answer(body(f"a=fingerprint:{FINGERPRINT}", "a=setup:passive", "m=audio 4000 UDP/TLS/RTP/SAVP 8"))
    (agreed,) = told(first)
    assert agreed.dtls is not None
    assert agreed.dtls.fingerprints == (("sha-256", ":".join(["AB"] * 32)),)


def test_keys_of_every_suite_are_as_long_as_they_must_be() -> None:
    assert len(new_key("AES_CM_128_HMAC_SHA1_80")) == 30
    assert len(new_key("AES_256_CM_HMAC_SHA1_32")) == 46
