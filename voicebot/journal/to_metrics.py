"""The sink that counts: events of calls become what operators watch at ``/metrics``."""

from __future__ import annotations

from voicebot.journal import events, metrics
from voicebot.journal.entry import Entry


class MetricsSink:
    """Counts calls, turns, waits, handovers and what was resolved."""

    name = "metrics"

    def take(self, entry: Entry) -> None:
        """Count one event."""
        match entry.event:
            case events.CallAnswered(channel=channel):
                metrics.calls_active.labels(channel).inc()
            case events.CallerHeard(source=source):
                metrics.turns.labels(source).inc()
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
            case events.HumanJoined(reason=reason):
                metrics.handovers.labels(reason, "answered").inc()
            case events.CallOver(channel=channel, outcome=outcome, resolved=resolved):
                metrics.calls_active.labels(channel).dec()
                metrics.calls.labels(channel, outcome).inc()
                for task in resolved:
                    metrics.resolved.labels(task).inc()
