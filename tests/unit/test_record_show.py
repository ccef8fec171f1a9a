"""The terminal shows calls in columns, and nothing in them can steer the terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from voicebot.record.rows import ActionRow, CallDetail, CallRow, EventRow, Turn, TurnRow
from voicebot.record.show import call_text, calls_text, events_text, safe, width

CALL = CallRow(
    "abc123", 1_790_000_000.0, 1_790_000_065.4, "sip", "sip:+15551234@carrier", "sip:bot@here", "northwind", "resolved",
    "caller", ("order_status", "appointment"), 3,
)  # fmt: skip


def test_the_list_has_a_line_a_call_with_columns_under_their_heads() -> None:
    text = calls_text([CALL, replace(CALL, call_id="x", ended_at=None, outcome="", resolved=(), turns=12)], UTC)
    assert text == (
        "CALL    STARTED              LENGTH  BY   CALLER                 TURNS  OUTCOME    DONE\n"
        "abc123  2026-09-21 14:13:20    1:05  sip  sip:+15551234@carrier      3  resolved   order_status, appointment\n"
        "x       2026-09-21 14:13:20       -  sip  sip:+15551234@carrier     12  under way  -\n"
    )


def test_an_empty_list_says_so() -> None:
    assert calls_text([]) == "no calls recorded yet\n"


def test_a_call_is_shown_in_order_with_confidence_and_timings() -> None:
    detail = CallDetail(
        CALL,
        "Asked for order 471102.",
        {"order_number": "471102"},
        (
            TurnRow(1_790_000_000.5, Turn("bot", "Hello.")),
            TurnRow(
                1_790_000_003.0,
                Turn("caller", "my order", 0.91, "order_status", 0.934, "main", {"endpoint": 210.4}, True, "speech"),
            ),
            TurnRow(1_790_000_004.5, Turn("bot", "It is shipped.")),
        ),
        (ActionRow(1_790_000_004.0, "find_order", {"number": "471102"}, False, "timeout", 3000.4),),
        {"lost": 2},
    )
    text = call_text(detail, UTC)
    transcript = text.split("\n\n")[1]
    assert transcript == (
        "  0:00.5  bot      Hello.\n"
        "  0:03.0  caller   my order\n"
        "                   heard 0.91 · intent order_status 0.93 · step main · barged in · endpoint 210 ms\n"
        "  0:04.0  action   find_order(number=471102) → timeout, 3000 ms\n"
        "  0:04.5  bot      It is shipped."
    )
    for part in ("resolved: caller", "Asked for order 471102.", "order_number  471102", "lost  2", "1:05 long"):
        assert part in text


def test_a_turn_shows_its_rule_and_failures_and_the_call_its_flow() -> None:
    turn = TurnRow(CALL.started_at, Turn("caller", "er", 0.4, step="main", rule="no_match", failures=2))
    text = call_text(CallDetail(replace(CALL, flow_hash="0123456789abcdef" * 4), "", {}, (turn,), (), {}), UTC)
    assert "heard 0.40 · step main · rule no_match · failures 2\n" in text
    assert "flow     northwind (0123456789ab)\n" in text


def test_events_are_a_table_with_their_data_in_full() -> None:
    rows = [
        EventRow("abc123", 9, 1_790_000_000.5, "answered", 1, {"caller": "sip:+15551234@carrier"}),
        EventRow("abc123", 10, 1_790_000_003.25, "heard", 2, {"text": "where is my order and why is it so late"}),
    ]
    assert events_text(rows, UTC) == (
        "NO  AT            EVENT     V  DATA\n"
        ' 9  14:13:20.500  answered  1  {"caller": "sip:+15551234@carrier"}\n'
        '10  14:13:23.250  heard     2  {"text": "where is my order and why is it so late"}\n'
    )
    assert events_text([]) == "no events recorded\n"


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    evil = "a\x1b[2Jb\r\nc\x9b31m\u202ed\u2066\x00\u2028"
    assert safe(evil) == "a�[2Jb  c�31m�d���"
    row = replace(CALL, caller=evil, call_id=evil)
    shown = calls_text([row], UTC) + call_text(
        CallDetail(row, evil, {evil: evil}, (TurnRow(CALL.started_at, Turn("caller", evil)),), (), {"x": evil}), UTC
    )
    shown += events_text([EventRow("x", 1, CALL.started_at, evil, 1, {evil: evil})], UTC)
    assert not any(c in shown for c in "\x1b\r\x9b\u202e\u2066\x00\u2028")
    assert len(calls_text([row], UTC).splitlines()) == 2


def test_wide_and_long_text_keeps_the_columns() -> None:
    lines = calls_text([replace(CALL, caller="東京" * 30), CALL], UTC).splitlines()
    heads = [width(line.partition(" 3  resolved")[0]) for line in lines[1:]]
    assert heads[0] == heads[1]
    assert "…" in lines[1]
