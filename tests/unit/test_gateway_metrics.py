"""What is counted of a call that is over."""

from __future__ import annotations

from prometheus_client import REGISTRY

from telephony.events import CallEnded
from telephony.media.stats import MediaStats
from voicebot.gateway.telephony_metrics import count


def observed(name: str) -> float:
    return REGISTRY.get_sample_value(f"{name}_count", {"trunk": "here"}) or 0.0


def test_the_quality_of_a_call_is_counted_where_it_is_known() -> None:
    media = MediaStats(packets_received=500, lost=5, jitter_ms=4.0, mos=4.1)
    count(CallEnded("here", True, "caller", 10.0, media))
    count(CallEnded("here", True, "caller", 10.0, MediaStats(packets_received=1)))
    assert observed("voicebot_media_mos") == 1
    assert observed("voicebot_media_jitter_seconds") == observed("voicebot_media_loss_percent") == 2
    assert REGISTRY.get_sample_value("voicebot_media_mos_sum", {"trunk": "here"}) == 4.1
