"""The lines of the log that an operator looks for."""

from __future__ import annotations

import pytest

from voicebot.journal.entry import Entry
from voicebot.journal.events import AddressBlocked
from voicebot.journal.to_log import LogSink


def test_a_block_is_logged_with_reason_and_end_and_so_is_that_it_was_lifted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sink = LogSink()
    sink.take(Entry(None, 0, 1_796_137_200.0, AddressBlocked("192.0.2.1", "wrong digests", 60.0)))
    sink.take(Entry(None, 0, 1_796_137_200.0, AddressBlocked("192.0.2.1", "unblocked")))
    block, lifted = caplog.records
    assert (block.levelname, block.message, vars(block)["why"]) == ("WARNING", "address blocked", "wrong digests")
    assert vars(block)["host"] == "192.0.2.1" and vars(block)["until"] == "2026-12-01T15:01:00+00:00"
    assert (lifted.levelname, lifted.message) == ("INFO", "address let in again")
