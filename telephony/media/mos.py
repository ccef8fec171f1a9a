"""How a call sounds: a mean opinion score by the E-model of ITU-T G.107, on its narrow-band scale (no I/O).

Rating R = 93.2 - Id - Ie,eff. 93.2 is the default of all that a packet network does not change (G.107 table 2); Id is
what delay costs in a conversation (section 7.4, without echo: Idd), Ie,eff what codec and loss cost (section 7.5).
It is an estimate from counters: it does not know what the sound was before it came to us.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .codecs import Codec
from .jitter import JitterBuffer
from .rtcp import Reporter
from .sender import Sender

BEST_RATING = 93.2
LEAST_PACKETS = 50
"""Fewer say nothing: a second of talk."""


class Impairment(NamedTuple):
    """Of a codec (ITU-T G.113 appendix I)."""

    equipment: float
    """Ie, without loss."""
    robustness: float
    """Bpl: how well loss is borne."""


IMPAIRMENTS: dict[Codec, Impairment] = {
    "PCMU": Impairment(0, 25.1),
    "PCMA": Impairment(0, 25.1),
    "G722": Impairment(0, 25.1),
    "opus": Impairment(0, 25.1),
}
"""G.711 with concealment is in G.113. For G.722 and Opus it has nothing on this scale, whose best they exceed without
loss; with loss we take them to be concealed as well as G.711."""


def rating(codec: Codec, lost_percent: float, delay_ms: float, burst_ratio: float = 1.0) -> float:
    """R of G.107, 0 to 93.2.

    Args:
        codec: of the stream.
        lost_percent: of its packets, lost or too late, 0 to 100.
        delay_ms: from mouth to ear, one way.
        burst_ratio: mean length of the runs of lost packets, over that which chance would make (1: random loss).
    """
    impairment = IMPAIRMENTS[codec]
    lost = min(max(lost_percent, 0.0), 100.0)
    share = lost / (lost / max(burst_ratio, 1.0) + impairment.robustness)
    effective = impairment.equipment + (95 - impairment.equipment) * share
    return min(max(BEST_RATING - _delay_impairment(delay_ms) - effective, 0.0), BEST_RATING)


def mean_opinion(rating_: float) -> float:
    """MOS of a rating, 1 to 4.5 (G.107 annex B)."""
    r = min(max(rating_, 0.0), 100.0)
    return min(max(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 1.0), 4.5)


def received_mos(codec: Codec, buffer: JitterBuffer, reporter: Reporter) -> float | None:
    """MOS of what we hear; None before there is enough of it."""
    # `lost` has those that came too late after they were given up, `discarded` those that came in order, but late.
    unheard = buffer.lost + buffer.discarded
    expected = buffer.received + buffer.lost
    if expected < LEAST_PACKETS:
        return None
    lost = unheard / expected
    # In random loss, runs are 1 / (1 - p) long in the mean (G.107 section 7.5).
    ratio = buffer.lost / buffer.bursts * (1 - lost) if buffer.bursts else 1.0
    return mean_opinion(
        rating(codec, 100 * lost, _delay_ms(reporter, buffer.reception.jitter_ms, buffer.packet_ms), ratio)
    )


def reported_mos(sender: Sender, reporter: Reporter) -> float | None:
    """MOS of what the peer hears of us, by its reports; None when it sends none."""
    if not reporter.reports or sender.packets < LEAST_PACKETS:
        return None
    lost_percent = 100 * reporter.peer_lost / sender.packets
    delay_ms = _delay_ms(reporter, reporter.peer_jitter_ms or 0.0, sender.ptime_ms)
    return mean_opinion(rating(sender.codec, lost_percent, delay_ms))


def _delay_ms(reporter: Reporter, jitter_ms: float, ptime_ms: float) -> float:
    """One way, packet and jitter buffer included: a buffer of twice the jitter holds nearly all."""
    return (reporter.round_trip_ms or 0.0) / 2 + ptime_ms + 2 * jitter_ms


def _delay_impairment(delay_ms: float) -> float:
    """Idd of G.107 section 7.4: nothing up to 100 ms."""
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)
