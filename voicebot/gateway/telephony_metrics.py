"""What telephony tells, counted: calls, refusals, trunks and the quality of the audio.

Labels are names from the configuration and small fixed sets only: nothing that a caller can choose.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from telephony.events import (
    CallEnded,
    CallSetUp,
    CertificateShown,
    SourceBlocked,
    SourceRefused,
    TelephonyEvent,
    TrunkStateChanged,
)
from telephony.media.stats import MediaStats
from voicebot.journal import metrics

NO_TRUNK = "none"


def count(event: TelephonyEvent) -> None:
    """Write one event down in the metrics."""
    match event:
        case CallSetUp(trunk, incoming, status, seconds):
            direction = "in" if incoming else "out"
            metrics.sip_calls.labels(trunk or NO_TRUNK, direction, str(status)).inc()
            if 200 <= status < 300:
                metrics.sip_setup.labels(trunk or NO_TRUNK, direction).observe(seconds)
        case CallEnded(trunk=trunk, cause=cause, media=media):
            metrics.sip_over.labels(trunk or NO_TRUNK, cause).inc()
            _count_media(trunk or NO_TRUNK, media)
        case SourceRefused(why, _, trunk):
            metrics.sip_refused.labels(trunk or NO_TRUNK, why).inc()
        case SourceBlocked(seconds=seconds):
            if seconds:
                metrics.sip_blocked.inc()
        case TrunkStateChanged(trunk, "up"):
            metrics.trunk_up.labels(trunk).set(1)
        case TrunkStateChanged(trunk, "down"):
            metrics.trunk_up.labels(trunk).set(0)
        case TrunkStateChanged(trunk, "unknown"):
            metrics.trunk_up.labels(trunk).set(-1)
        case TrunkStateChanged(trunk, state):
            metrics.trunk_registered.labels(trunk).set(state == "registered")
        case CertificateShown(shown):
            metrics.certificate_days_left.labels(Path(shown.file).name).set_function(lambda: shown.days_left)
        case _:
            assert_never(event)


def _count_media(trunk: str, media: MediaStats) -> None:
    expected = media.packets_received + media.lost
    if not expected:
        return
    metrics.media_jitter.labels(trunk).observe(media.jitter_ms / 1000)
    metrics.media_loss.labels(trunk).observe(100 * media.lost / expected)
    if media.mos is not None:
        metrics.media_mos.labels(trunk).observe(media.mos)
