"""The sink that counts: events of calls become what operators watch at ``/metrics``."""

from __future__ import annotations

from voicebot.journal import events, metrics
from voicebot.journal.entry import Entry


class MetricsSink:
    """Counts calls, turns, waits, handovers and what was resolved."""

    name = "metrics"

    def __init__(self) -> None:
        self._held_at = dict[str | None, float]()
        """Call → when its caller was put on hold, in seconds since 1970."""

    def take(self, entry: Entry) -> None:
        """Count one event."""
        match entry.event:
            case events.CallAnswered(channel=channel):
                metrics.calls_active.labels(channel).inc()
            case events.CallerHeard(source=source, confidence=sure, barged_in=barged_in):
                metrics.turns.labels(source).inc()
                metrics.barge_ins.inc(barged_in)
                if sure is not None:
                    metrics.confidence.observe(sure)
            case events.CallHeld():
                self._held_at[entry.call] = entry.at
            case events.CallerSilent():
                metrics.turns.labels("no-input").inc()
            case events.CallerOverheard():
                metrics.turns.labels("overheard").inc()
            case events.TurnDecided(ms=ms):
                metrics.stage.labels("dialog").observe(ms / 1000)
            case events.ResponseStarted(source=source, latency_ms=latency_ms, timings_ms=stages):
                if source == "speech":
                    metrics.response.observe(latency_ms / 1000)
                metrics.stage.labels("tts").observe(stages.get("tts", 0.0) / 1000)
            case events.HumanNotReached(reason=reason, why=why):
                metrics.handovers.labels(reason, why).inc()
                self._waited(entry, why)
            case events.HumanJoined(reason=reason):
                metrics.handovers.labels(reason, "answered").inc()
                self._waited(entry, "answered")
            case events.CallOver(channel=channel, outcome=outcome, resolved=resolved):
                metrics.calls_active.labels(channel).dec()
                metrics.calls.labels(channel, outcome).inc()
                self._waited(entry, "hung-up")
                for task in resolved:
                    metrics.resolved.labels(task).inc()

    def _waited(self, entry: Entry, result: str) -> None:
        held_at = self._held_at.pop(entry.call, None)
        if held_at is not None:
            metrics.handover_wait.labels(result).observe(max(0.0, entry.at - held_at))
