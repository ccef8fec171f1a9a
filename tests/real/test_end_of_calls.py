"""How calls end that nobody hangs up, on the running server: the caller falls silent; the server is told to stop.

acceptance.md, 17 and 24. The callers are those of ``bench edge``: SIP and RTP of their own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.programs import PATIENCE_S
from tests.real.server import Server, demo
from voicebot.bench.edge.callers import LoadCallers, LoadPlan
from voicebot.commands.serve import DRAIN_S
from voicebot.paths import ROOT

pytestmark = pytest.mark.models

NO_MEDIA_S = 2
TRUNK = f"title: Here\npeers: [127.0.0.1]\nto: 127.0.0.1:9\nno_media_s: {NO_MEDIA_S}\n"


def run(callers: LoadCallers, until: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Have them call until something has happened."""
    end_s = time.monotonic() + patience_s
    while not until():
        assert time.monotonic() < end_s, callers.seen
        callers.turn()


def run_for(callers: LoadCallers, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    run(callers, lambda: time.monotonic() >= end_s, seconds + PATIENCE_S)


def caller(server: Server, *, talks: bool = True) -> LoadCallers:
    return LoadCallers(LoadPlan(("127.0.0.1", server.sip_port), 1, 1, again=False, talks=talks))


def test_a_caller_who_falls_silent_is_hung_up_and_the_record_says_why(tmp_path: Path) -> None:
    """Then SIGTERM: new calls get 503, the one that is up goes on, and the server ends with 0 when it is over."""
    (tmp_path / "trunks").mkdir()
    (tmp_path / "trunks" / "here.yaml").write_text(TRUNK)
    text = (ROOT / "voicebot.yaml").read_text().replace("dialogs/", f"{ROOT}/dialogs/")
    (tmp_path / "voicebot.yaml").write_text(text.replace("sip:\n", "sip:\n  trunks: trunks\n", 1))
    with demo(tmp_path / "data", "-c", str(tmp_path / "voicebot.yaml")) as server:
        silent = caller(server, talks=False)
        run(silent, lambda: silent.seen.answered == 1)
        began_s = time.monotonic()
        run(silent, lambda: silent.seen.ended_by_server == 1)
        assert time.monotonic() - began_s >= NO_MEDIA_S - 0.5
        silent.close()
        record = _ended(server)
        assert record["call"]["ended_at"] is not None
        assert "no-media" in str(record["call"]), record["call"]

        talking = caller(server)
        run(talking, lambda: talking.seen.answered == 1)
        run_for(talking, 0.5)
        server.process.send_signal(signal.SIGTERM)
        run_for(talking, 0.5)
        late = caller(server)
        run(late, lambda: bool(late.seen.failures))
        assert late.seen.failures == {"503": 1}
        late.close()
        heard = talking.seen.packets
        run_for(talking, NO_MEDIA_S + 1)
        assert talking.seen.packets - heard > 25 * NO_MEDIA_S, "it is still talked to"
        assert talking.seen.ended_by_server == 0 and server.process.poll() is None
        talking.stop()
        run(talking, lambda: talking.idle)
        assert talking.seen.confirmed == 1
        talking.close()
        began_s = time.monotonic()
        assert server.process.wait(DRAIN_S / 2) == 0
        assert time.monotonic() - began_s < DRAIN_S / 2, "it does not wait for what is over"
    assert DRAIN_S == 60


def _ended(server: Server) -> dict[str, dict[str, object]]:
    """The record of the last call, once it is closed."""
    end_s = time.monotonic() + PATIENCE_S
    while (record := server.last_call())["call"]["ended_at"] is None and time.monotonic() < end_s:
        time.sleep(0.1)
    return record
