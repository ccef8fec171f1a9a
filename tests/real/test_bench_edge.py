"""``voicebot bench edge`` for a few seconds each: nothing is lost, refused or left behind (acceptance.md, 9, 10, 25).

Times are held to generous bars only, as others may use the machine; the whole runs are those of docs/load-testers.md.
"""

from __future__ import annotations

import json
import subprocess
import sys

from voicebot.bench.edge import flood, media, setup, soak

FIRST_PORT = 24000


def test_many_calls_are_sent_what_they_should_hear_while_the_event_loop_is_held() -> None:
    found = media.measure(30, 2, hold_ms=100, srtp=True, first_port=FIRST_PORT)
    print(found)
    assert found["wrong"] == []
    assert found["packets_out"] > 0.7 * found["packets_out_expected"]
    assert found["gap_ms"]["p50"] < 30
    assert 0 < found["cpu_ms_per_call_second"]["engine"] < 20


def test_short_calls_leave_nothing_behind() -> None:
    found = setup.measure(40, 20, 0.2, 10, FIRST_PORT)
    print(found)
    assert found["wrong"] == []
    assert found["answered"] == found["confirmed"] == 40
    assert found["left"] == {"sockets": 0, "tasks": 0, "calls": 0}
    assert found["setup_ms"]["p50"] < 500


def test_a_flood_of_invites_leaves_the_calls_that_are_up_alone() -> None:
    """Half of it from the address of the calls themselves, the other half from a hundred others."""
    sources = tuple(one for other in flood.addresses("127.0.1.1", 100) for one in ("127.0.0.1", other))
    found = flood.measure(3, 500, 10, sources, probe_s=1, first_port=FIRST_PORT)
    print(found)
    assert found["wrong"] == []
    assert found["gap_ms"]["p50"] < 30
    assert found["memory_growth_mb"] < 100
    assert found["answers"]["503"] > 100, "it never came to a flood"
    assert found["over_the_limit"]["answers"] == {"503": 20}
    assert found["over_the_limit"]["refused_ms"]["p50"] < 200


def test_the_command_prints_figures_and_holds_them_to_the_budget() -> None:
    command = [sys.executable, "-m", "voicebot", "bench", "edge", "soak", "--minutes", "0.07", "--limit", "5"]
    options = ["--first-port", str(FIRST_PORT), "--json", "--budget", "setup_p95=0.001"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=90)
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1, "no call is set up so fast"
    assert [word.split(" is ")[0] for word in found["missed"]] == ["setup_p95"]
    assert 1 <= found["answered"] <= found["calls"]
    assert "calls placed" in done.stderr or "calls at a time" in done.stderr


def test_what_is_wrong_is_told_without_a_budget() -> None:
    assert soak.wrong({"failures": {"503": 1}, "ended_by_server": 0, "left": {"sockets": 2}}, 0) == [
        "failures {'503': 1}, 0 calls ended by the server",
        "left behind: {'sockets': 2}",
    ]
