"""Messages out of a TCP stream."""

from __future__ import annotations

import pytest

from telephony.sip.framing import PING, Framer, FramingError
from telephony.sip.message import MAX_HEADER_BYTES

MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\nContent-Length: 4\r\n\r\nbody"


def test_one_byte_pieces_make_one_message() -> None:
    framer = Framer()
    found = [message for byte in MESSAGE for message in framer.feed(bytes([byte]))]
    assert found == [MESSAGE]
    assert not framer.partial


def test_ten_messages_in_one_piece_come_out_in_order() -> None:
    messages = [MESSAGE.replace(b"body", b"%04d" % n) for n in range(10)]
    assert Framer().feed(b"".join(messages)) == messages


@pytest.mark.parametrize(
    "length", [b"l: 4", b"CONTENT-LENGTH \t: 4", b"Content-Length:\r\n 4", b"l:4\r\nContent-Length: 4"]
)
def test_the_length_is_found_in_every_form(length: bytes) -> None:
    message = MESSAGE.replace(b"Content-Length: 4", length)
    assert Framer().feed(message + b"OPT") == [message]


def test_keep_alives_come_out_between_messages() -> None:
    framer = Framer()
    assert framer.feed(PING + MESSAGE + PING[:3]) == [PING, MESSAGE]
    assert framer.feed(PING[3:]) == [PING]
    assert framer.feed(b"\r\n" + MESSAGE) == [MESSAGE]  # a lone line end before a message is skipped
    assert not framer.partial


@pytest.mark.parametrize("length", [b"-1", b"9" * 30, b"65537", b"4\r\nContent-Length: 5", b"four", b""])
def test_a_length_that_cannot_be_ends_the_connection(length: bytes) -> None:
    with pytest.raises(FramingError):
        Framer().feed(MESSAGE.replace(b" 4", b" " + length))


def test_no_length_ends_the_connection() -> None:
    with pytest.raises(FramingError):
        Framer().feed(MESSAGE.replace(b"Content-Length: 4\r\n", b""))


def test_a_header_without_end_ends_the_connection() -> None:
    framer = Framer()
    line = b"X: " + b"y" * 995 + b"\r\n"
    for _ in range(MAX_HEADER_BYTES // len(line)):
        assert framer.feed(line) == []
    with pytest.raises(FramingError):
        framer.feed(line)
