"""A process that runs out of file descriptors says so, once, and keeps some for what must go on."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from telephony import descriptors
from telephony.call.inbound.admission import Admission
from telephony.media.engine import DescriptorsExhausted, MediaEngine, PortsExhausted


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A limit a little above what this process has open."""
    monkeypatch.setattr(descriptors, "_said_s", float("-inf"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = max(map(int, os.listdir("/proc/self/fd"))) + 2 * descriptors.KEPT
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
    yield low
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def hoard() -> Iterator[list[int]]:
    held: list[int] = []
    yield held
    for number in held:
        os.close(number)


def fill(held: list[int], leave: int = 0) -> None:
    """Take all descriptors but so many."""
    while True:
        try:
            held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if not descriptors.is_exhaustion(error):
                raise
            break
    for _ in range(leave):
        os.close(held.pop())


def test_the_limit_is_raised_to_the_hard_one(limit: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert descriptors.raise_limit() == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_limit_that_cannot_be_raised_stays(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    with monkeypatch.context() as patch:
        patch.setattr(resource, "setrlimit", refuse)
        assert descriptors.raise_limit() == limit


@pytest.mark.parametrize("leave", [0, 1, 20])
def test_the_last_descriptors_are_kept_from_calls(limit: int, hoard: list[int], leave: int) -> None:
    assert not descriptors.scarce()
    fill(hoard, leave)
    assert descriptors.scarce()
    assert Admission(10, 10, descriptors.scarce).full(0, 1.0) == "descriptors"
    for _ in range(descriptors.KEPT + 1):
        os.close(hoard.pop())
    assert not descriptors.scarce()


@pytest.mark.parametrize("leave", [0, 1, 2, 20])
def test_media_names_descriptors_and_not_ports_and_leaves_none_open(
    limit: int, hoard: list[int], leave: int, caplog: pytest.LogCaptureFixture
) -> None:
    engine = MediaEngine("127.0.0.1", 30_000, 30_999)
    fill(hoard, leave)
    for _ in range(50):
        with pytest.raises(DescriptorsExhausted) as caught:
            engine.open()
    assert caught.value.reason == "Out Of File Descriptors"
    held = len(hoard)
    fill(hoard)
    engine.stop()
    assert len(hoard) - held == leave
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "ulimit -n" in caplog.text


def test_ports_that_are_taken_are_still_named_as_such() -> None:
    first = MediaEngine("127.0.0.1", 31_000, 31_001)
    session = first.open()
    with pytest.raises(PortsExhausted) as caught:
        MediaEngine("127.0.0.1", session.port, session.port + 1).open()
    session.close()
    first.stop()
    assert caught.value.reason == "No Media Port Free"


def test_it_is_said_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    monkeypatch.setattr(descriptors, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(descriptors, "_said_s", float("-inf"))
    for _ in range(600):
        descriptors.tell()
        now[0] += 0.2
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("error", "so"),
    [
        (OSError(errno.EMFILE, ""), True),
        (OSError(errno.ENFILE, ""), True),
        (OSError(errno.EADDRINUSE, ""), False),
        (ValueError(), False),
        (None, False),
    ],
)
def test_both_limits_are_known_the_process_s_and_the_system_s(error: BaseException | None, so: bool) -> None:
    assert descriptors.is_exhaustion(error) is so
