"""SDP: what is offered, answered, refused, and that nothing hostile gets through."""

from __future__ import annotations

import random
import re

import pytest

from telephony.call_policy import Terms
from telephony.sdp.agreement import Agreed
from telephony.sdp.description import parse
from telephony.sdp.negotiation import Negotiation, SdpError

OURS = ("192.0.2.9", 20000)
G711 = Terms(codecs=("PCMU", "PCMA"))


class Media:
    """A session that is not there."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.terms = Terms()

    def connect(self, agreed: Agreed, source_host: str | None = None) -> None:
        assert 0 < agreed.remote[1] < 65536


def negotiation(address: tuple[str, int] = OURS, terms: Terms = G711) -> Negotiation:
    return Negotiation(Media(address[1]), address[0], terms)


def make_offer(ip: str, port: int) -> bytes:
    return negotiation((ip, port)).offer()


def body(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def offer(*media: str, session: tuple[str, ...] = ("c=IN IP4 192.0.2.1",)) -> bytes:
    return body("v=0", "o=alice 1 1 IN IP4 192.0.2.1", "s=-", *session, "t=0 0", *media)


def reply(offered: bytes, ip: str = OURS[0], terms: Terms = G711) -> tuple[list[str], Agreed]:
    ours = negotiation((ip, OURS[1]), terms)
    answered = ours.answer(offered)
    assert answered.endswith(b"\r\n")
    assert ours.agreed is not None
    return answered.decode().split("\r\n")[:-1], ours.agreed


def streams(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("m=")]


def refused(offered: bytes) -> int:
    with pytest.raises(SdpError) as caught:
        negotiation().answer(offered)
    return caught.value.status


def test_an_offer_names_all_codecs_and_events_on_their_clocks() -> None:
    lines = negotiation(terms=Terms()).offer().decode().split("\r\n")
    assert lines[0] == "v=0"
    assert re.fullmatch(r"o=- [0-9]+ 1 IN IP4 192\.0\.2\.9", lines[1])
    assert "m=audio 20000 RTP/AVP 0 8 9 107 101 100" in lines
    assert "a=rtpmap:101 telephone-event/8000" in lines
    assert "a=ptime:20" in lines
    assert "a=sendrecv" in lines


def test_our_own_offer_and_answer_agree() -> None:
    theirs = negotiation(("192.0.2.1", 30000))
    lines, agreed = reply(theirs.offer())
    assert agreed == Agreed(("192.0.2.1", 30000), "PCMU", 0, 101, "sendrecv", 20)
    back = theirs.accept("\r\n".join(lines).encode())
    assert back == Agreed(OURS, "PCMU", 0, 101, "sendrecv", 20)


def test_our_best_codec_is_taken_and_others_are_dropped() -> None:
    lines, agreed = reply(offer("m=audio 4000 RTP/AVP 96 18 8 0 97", "a=rtpmap:96 opus/48000/2"))
    assert (agreed.codec, agreed.payload_type, agreed.dtmf_payload_type) == ("PCMU", 0, None)
    assert streams(lines) == ["m=audio 20000 RTP/AVP 0"]


def test_a_codec_and_events_on_dynamic_types_are_understood() -> None:
    _, agreed = reply(
        offer("m=audio 4000 RTP/AVP 110 111", "a=rtpmap:110 pcmu/8000/1", "a=rtpmap:111 Telephone-Event/8000")
    )
    assert (agreed.codec, agreed.payload_type, agreed.dtmf_payload_type) == ("PCMU", 110, 111)


def test_mutated_answers_are_accepted_or_refused_and_nothing_else() -> None:
    dice = random.Random(3264)
    outcomes = {200: 0, 400: 0, 488: 0}
    for _ in range(3000):
        ours = negotiation()
        reply_to_it, _ = reply(ours.offer())
        try:
            ours.accept(mutate("\r\n".join(reply_to_it).encode(), dice))
        except SdpError as error:
            outcomes[error.status] += 1
            assert ours.agreed is None
        else:
            outcomes[200] += 1
    assert min(outcomes.values()) > 30


def test_events_at_another_rate_are_not_ours() -> None:
    _, agreed = reply(offer("m=audio 4000 RTP/AVP 0 111", "a=rtpmap:111 telephone-event/48000"))
    assert agreed.dtmf_payload_type is None


def test_a_static_type_that_was_given_another_meaning_is_not_a_law() -> None:
    assert refused(offer("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 iLBC/8000")) == 488


def test_other_streams_are_refused_in_order() -> None:
    lines, agreed = reply(
        offer(
            "m=video 5000 RTP/AVP 31",
            "m=audio 0 RTP/AVP 0",
            "m=audio 4000 RTP/SAVP 0",
            "m=audio 4002 RTP/AVP 18",
            "m=audio 4004 RTP/AVP 0",
            "m=audio 4006 RTP/AVP 0",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        )
    )
    assert streams(lines) == [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/AVP 0",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 18",
        "m=audio 20000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert agreed.remote == ("192.0.2.1", 4004)


def test_unknown_attributes_are_not_claimed() -> None:
    lines, agreed = reply(offer("m=audio 4000 RTP/AVP 0", "a=rtcp-fb:1", "a=rtcp:4010 IN IP4 192.0.2.1", "a=x-evil:1"))
    assert not [line for line in lines if "rtcp" in line or "evil" in line]
    assert agreed.rtcp_remote == ("192.0.2.1", 4010)


def test_the_address_of_the_stream_wins_over_that_of_the_session() -> None:
    _, agreed = reply(offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.77"))
    assert agreed.remote == ("192.0.2.77", 4000)


def test_ipv6_is_answered_in_kind() -> None:
    lines, agreed = reply(offer("m=audio 4000 RTP/AVP 0", session=("c=IN IP6 2001:db8::0:1",)), ip="2001:DB8::9")
    assert agreed.remote == ("2001:db8::1", 4000)
    assert "c=IN IP6 2001:db8::9" in lines


def test_an_address_of_the_other_family_cannot_be_reached() -> None:
    assert refused(offer("m=audio 4000 RTP/AVP 0", session=("c=IN IP6 2001:db8::1",))) == 488


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_directions_are_mirrored(theirs: str, ours: str) -> None:
    for offered in (
        offer("m=audio 4000 RTP/AVP 0", f"a={theirs}"),
        offer("m=audio 4000 RTP/AVP 0", session=("c=IN IP4 192.0.2.1", f"a={theirs}")),
    ):
        lines, agreed = reply(offered)
        assert agreed.direction == ours
        assert f"a={ours}" in lines


def test_the_old_hold_address_means_that_nothing_is_sent() -> None:
    _, agreed = reply(offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0"))
    assert agreed.direction == "inactive"


@pytest.mark.parametrize(("value", "ptime_ms"), [("30", 30), ("0", 20), ("-1", 20), ("x", 20), ("9999999", 20)])
def test_ptime_is_a_wish_within_reason(value: str, ptime_ms: int) -> None:
    _, agreed = reply(offer("m=audio 4000 RTP/AVP 0", f"a=ptime:{value}"))
    assert agreed.ptime_ms == ptime_ms


def test_the_time_of_the_offer_comes_back() -> None:
    offered = offer("m=audio 4000 RTP/AVP 0").replace(b"t=0 0", b"t=3034423619 3042462419")
    assert "t=3034423619 3042462419" in reply(offered)[0]


PLAIN = offer("m=audio 4000 RTP/AVP 0", "a=sendonly")


@pytest.mark.parametrize(
    "strange",
    [
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"\r\n", b"\r"),
        PLAIN.removesuffix(b"\r\n"),
        PLAIN + b"\0",
        PLAIN.replace(b"\r\n", b"\0\r\n"),
        PLAIN + b"\r\n\r\n \r\n",
        b"\r\n" + PLAIN,
        PLAIN.replace(b"\r\n", b"\r\n\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"s=-", b"s=Caf\xe9 M\xfcller"),
        PLAIN.replace(b"s=-", b"s=a\0b"),
        PLAIN.replace(b"s=-", b"s=\x85\xa0\x0b"),
        PLAIN.replace(b"s=-\r\n", b""),
        PLAIN.replace(b"m=audio", b"X-nat:2\r\nm=audio"),
        PLAIN + b"X-nat:2\r\nno equals sign\r\n=\r\n",
        b"x=y\r\n" + PLAIN,
        PLAIN.replace(b"m=audio", b"q=what\r\ny=0\r\nf=v/a\r\nm=audio"),
        PLAIN.replace(b"\r\n", b"\r\n  ").replace(b"c=IN IP4 192.0.2.1", b"\tc=IN IP4  192.0.2.1 \t"),
        PLAIN.replace(b"t=0 0", b"v=0\r\nv=0\r\nt=0 0"),
        PLAIN.replace(b"a=sendonly", b"a= sendonly"),
        PLAIN.replace(b"IN IP4 192.0.2.1\r\nt", b"in ip4 192.0.2.1\r\nt"),
        PLAIN.replace(b"a=sendonly", b"a=\xff\xfe:\r\na=sendonly\r\na=\xe4"),
    ],
)
def test_lines_without_meaning_and_odd_line_ends_change_nothing(strange: bytes) -> None:
    _, agreed = reply(strange)
    assert (agreed.remote, agreed.codec, agreed.direction) == (("192.0.2.1", 4000), "PCMU", "recvonly")


@pytest.mark.parametrize(
    ("line", "session", "words", "code"),
    [
        ("c=IN IP4 media.example.com", "c=IN IP4 192.0.2.1", "media.example.com", 301),
        ("a=sendrecv", "c=IN IP4 media.example.com", "media.example.com", 301),
        ("c=IN IP6 v6.example.", "c=IN IP4 192.0.2.1", "v6.example.", 301),
        ("c=IN IP4 localhost", "c=IN IP4 192.0.2.1", "localhost", 301),
        ("c=IN IP4 _sbc-1.carrier.example", "c=IN IP4 192.0.2.1", "_sbc-1.carrier.example", 301),
        ("c=ATM NSAP 47.0091", "c=IN IP4 192.0.2.1", "neither IPv4 nor IPv6", 300),
    ],
)
def test_an_address_that_is_none_is_refused_by_its_name(line: str, session: str, words: str, code: int) -> None:
    with pytest.raises(SdpError) as caught:
        negotiation().answer(offer("m=audio 4000 RTP/AVP 0", line, session=(session,)))
    assert caught.value.status == 488
    assert words in str(caught.value)
    ((name, value),) = caught.value.headers
    assert name == "Warning" and value.startswith(f'{code} voicebot "') and words in value


def test_the_name_of_a_stream_that_nobody_wants_refuses_nothing() -> None:
    offered = offer("m=video 5000 RTP/AVP 31", "c=IN IP4 video.example.com", "m=audio 4000 RTP/AVP 0")
    assert reply(offered)[1].remote == ("192.0.2.1", 4000)


@pytest.mark.parametrize("host", ['evil"\\\r\nX-Evil: 1', "-", "a b", "a" * 300, "\xe4.example", "a,b", "<a>"])
def test_what_is_neither_address_nor_name_is_malformed_and_makes_no_header(host: str) -> None:
    with pytest.raises(SdpError) as caught:
        negotiation().answer(offer("m=audio 4000 RTP/AVP 0", f"c=IN IP4 {host}"))
    assert caught.value.status == 400
    assert "\r" not in caught.value.headers[0][1]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"v=1\r\n",
        b"\xff\xfe",
        b"v=0\r\n" * 600,
        b"x" * 20_000,
        offer("m=audio 4000 RTP/AVP"),
        offer("m=audio 70000 RTP/AVP 0"),
        offer("m=audio -1 RTP/AVP 0"),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 999.1.1.1 "),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP4"),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP6 192.0.2.1"),
        offer("m=audio 4000 RTP/AVP 0", session=()),
        offer(*["m=audio 4000 RTP/AVP 0"] * 17),
        offer("m=audio\x0b4000\x0bRTP/AVP\x0b0\x00"),
        body("v=0", "s=-", "c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0"),
    ],
)
def test_malformed_bodies_are_bad_requests(broken: bytes) -> None:
    assert refused(broken) == (488 if b"999.1" in broken else 400)


@pytest.mark.parametrize(
    "useless",
    [
        offer(),
        offer("m=video 5000 RTP/AVP 31"),
        offer("m=audio 4000 RTP/AVP 15 18"),
        offer("m=audio 4000 RTP/SAVP 0"),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 224.2.1.1/127"),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 255.255.255.255"),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 host.example"),
    ],
)
def test_bodies_without_anything_in_common_are_not_acceptable(useless: bytes) -> None:
    assert refused(useless) == 488


def test_an_answer_that_refuses_the_stream_is_not_acceptable() -> None:
    ours = negotiation()
    ours.offer()
    with pytest.raises(SdpError) as caught:
        ours.accept(offer("m=audio 0 RTP/AVP 0"))
    assert caught.value.status == 488


def test_what_is_not_an_address_or_port_of_ours_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="address"):
        make_offer("192.0.2.1\r\na=evil", 20000)
    with pytest.raises(ValueError, match="port"):
        make_offer("192.0.2.1", 0)


SEEDS = (
    make_offer("192.0.2.1", 30000),
    offer(
        "m=video 5000 RTP/AVP 31", "m=audio 4000/2 RTP/AVP 96 8 101", "a=rtpmap:101 telephone-event/8000", "a=ptime:30"
    ),
    offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=sendonly", "a=rtcp:4001"),
    offer(
        "m=audio 4000 RTP/SAVP 111 8",
        "a=rtpmap:111 opus/48000/2",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}|2^20",
        f"a=crypto:2 AES_256_CM_HMAC_SHA1_80 inline:{'A' * 62}== WSH=64",
    ),
    offer(
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0",
        "a=rtcp-mux",
        "a=maxptime:10",
        "a=setup:actpass",
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
    ),
)
SPLICES = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"=",
    b"m=audio",
    b"%",
    b"/",
    b"-",
    b"99999999999999999999",
    b"\xc3\xa9",
    b"::",
)


def mutate(seed: bytes, dice: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0:
                data[at:at] = dice.choice(SPLICES)
            case 1:
                del data[at : at + dice.randint(1, 12)]
            case 2 if at < len(data):
                data[at] = dice.randrange(256)
            case _:
                data[at:at] = data[dice.randrange(len(data) + 1) :][: dice.randint(1, 40)]
    return bytes(data)


def test_mutated_bodies_are_answered_cleanly_or_refused() -> None:
    """5,000 bodies: a well-formed answer and later offer, or 400 or 488, and nothing else."""
    dice = random.Random(20261121)
    outcomes = {200: 0, 400: 0, 488: 0}
    for _ in range(5000):
        mutated = mutate(dice.choice(SEEDS), dice)
        ours = negotiation()
        try:
            answered = ours.answer(mutated)
        except SdpError as error:
            outcomes[error.status] += 1
            continue
        outcomes[200] += 1
        text = answered.decode("ascii")
        assert all(row[1] == "=" and row.isprintable() for row in text.split("\r\n")[:-1])
        assert parse(answered).streams
        assert len(ours.offer("sendonly")) < 4000
    assert min(outcomes.values()) > 100


@pytest.mark.parametrize(
    ("maps", "events", "clock_hz"),
    [
        (("a=rtpmap:97 telephone-event/48000", "a=rtpmap:98 telephone-event/8000"), 97, None),
        (("a=rtpmap:98 telephone-event/8000",), 98, 8000),
    ],
)
def test_beside_opus_events_are_taken_on_its_clock_or_else_at_8000_hz(
    maps: tuple[str, ...], events: int, clock_hz: int | None
) -> None:
    offered = offer("m=audio 4000 RTP/AVP 96 97 98", "a=rtpmap:96 opus/48000/2", *maps)
    lines, agreed = reply(offered, terms=Terms())
    assert (agreed.codec, agreed.dtmf_payload_type, agreed.dtmf_clock_hz) == ("opus", events, clock_hz)
    assert f"a=rtpmap:{events} telephone-event/{clock_hz or 48000}" in lines
