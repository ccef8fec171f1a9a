"""The journal: every sink reads every event, and none of them can delay or lose a call."""

from __future__ import annotations

import threading
import time

import pytest

from voicebot.journal import metrics
from voicebot.journal.entry import Entry
from voicebot.journal.events import CallerSilent
from voicebot.journal.journal import CallJournal, Journal
from voicebot.journal.server_events import FlowDeployed


class Reads:
    """A sink that keeps what it reads; it may wait or break first."""

    def __init__(self, name: str = "reads", gate: threading.Event | None = None, breaks: bool = False) -> None:
        self.name, self._gate, self._breaks = name, gate, breaks
        self.entries: list[Entry] = []

    def take(self, entry: Entry) -> None:
        if self._gate is not None:
            self._gate.wait(20)
        if self._breaks:
            raise ValueError("no")
        self.entries.append(entry)


def lost(sink: str) -> float:
    return float(metrics.journal_lost.labels(sink)._value.get())


def test_events_of_a_call_are_numbered_without_gaps_and_those_of_the_server_have_no_call() -> None:
    sink = Reads()
    journal = Journal([sink])
    journal.start()
    call = CallJournal("c1", journal.publish, clock=lambda: 5.0)
    call.write(CallerSilent("opening"))
    journal.note(FlowDeployed("bank", "abc", "bank.yaml"))
    call.write(CallerSilent("opening"))
    journal.stop()
    assert [(entry.call, entry.number) for entry in sink.entries] == [("c1", 1), (None, 0), ("c1", 2)]
    assert sink.entries[0].at == 5.0


def test_a_sink_that_hangs_or_breaks_delays_no_writer_and_no_other_sink() -> None:
    gate, good = threading.Event(), Reads("good")
    journal = Journal([Reads("hangs", gate), Reads("breaks", breaks=True), good])
    journal.start()
    call = CallJournal("c1", journal.publish)
    begun = time.thread_time()
    for _ in range(100):
        call.write(CallerSilent("opening"))
    assert time.thread_time() - begun < 0.5
    assert not journal.flush(0.2)
    assert len(good.entries) == 100
    gate.set()
    journal.stop()


def test_a_sink_that_reads_too_slowly_loses_events_and_they_are_counted() -> None:
    gate = threading.Event()
    sink = Reads("slow", gate)
    journal, before = Journal([sink], capacity=10), lost("slow")
    journal.start()
    call = CallJournal("c1", journal.publish)
    for _ in range(50):
        call.write(CallerSilent("opening"))
    gate.set()
    journal.stop()
    assert len(sink.entries) + lost("slow") - before == 50
    assert 10 <= len(sink.entries) <= 11


def test_a_broken_sink_is_counted_each_time_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal([Reads("broken", breaks=True)])
    journal.start()
    before = metrics.journal_faults.labels("broken")._value.get()
    for _ in range(3):
        journal.note(FlowDeployed("bank", "abc", "bank.yaml"))
    assert journal.flush(10)
    assert metrics.journal_faults.labels("broken")._value.get() - before == 3
    assert sum("a sink of the journal broke" in line for line in caplog.messages) == 1
    journal.stop()


def test_stopping_hands_over_what_waits() -> None:
    sink = Reads()
    journal = Journal([sink])
    call = CallJournal("c1", journal.publish)
    for _ in range(1000):
        call.write(CallerSilent("opening"))
    journal.start()
    journal.stop()
    journal.stop()
    assert len(sink.entries) == 1000
