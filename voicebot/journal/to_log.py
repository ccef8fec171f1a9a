"""The sink that logs: one line for each event that somebody who reads logs looks for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from voicebot import log
from voicebot.journal import events
from voicebot.journal.entry import Entry
from voicebot.messages import GUESSED

_log = log.get(__name__)


class LogSink:
    """Writes lines with the call's id."""

    name = "log"

    def __init__(self) -> None:
        self._guessed = dict[str | None, int]()

    def take(self, entry: Entry) -> None:
        """Log one event, or pass it over."""
        match entry.event:
            case events.CallAnswered(channel=channel, caller=caller, leg=leg, flow=flow):
                self._write(entry, "call answered", channel=channel, caller=caller, leg=leg, flow=flow)
            case events.CallerHeard(words=words):
                self._guessed[entry.call] = sum(sure < GUESSED for _, sure in words)
            case events.TurnDecided() as made:
                guessed = self._guessed.pop(entry.call, 0)
                self._write(
                    entry, "turn", rule=made.rule, step=made.step, intent=made.intent, failures=made.failures,
                    unsure_words=guessed,
                )  # fmt: skip
            case events.HumanJoined(target=target, reason=reason):
                self._write(entry, "handed over", target=target, reason=reason)
            case events.HumanNotReached(target=target, why=why):
                self._write(entry, "human not reached", target=target, why=why)
            case events.EngineBroke(engine=engine, error=error):
                _log.error(f"{engine} failed", extra={"call": entry.call, "error": error})
            case events.CallOver(outcome=outcome, reason=reason, resolved=resolved):
                self._guessed.pop(entry.call, None)
                self._write(entry, "call ended", outcome=outcome, reason=reason, resolved=list(resolved))
            case events.FlowDeployed(flow=flow, flow_hash=flow_hash, file=file):
                self._write(entry, "flow deployed", flow=flow, hash=flow_hash[:12], file=file)
            case events.AddressBlocked(host=host, why=why, seconds=seconds):
                _tell_of_block(host, why, entry.at + seconds if seconds else None)
            case events.ServerStopped():
                self._write(entry, "server stopped")

    @staticmethod
    def _write(entry: Entry, line: str, **fields: Any) -> None:
        _log.info(line, extra={"call": entry.call or "-", **fields})


def _tell_of_block(host: str, why: str, until: float | None) -> None:
    """`until`: seconds since 1970; None: it is let in again."""
    if until is None:
        _log.info("address let in again", extra={"host": host, "why": why})
    else:
        end = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
        _log.warning("address blocked", extra={"host": host, "why": why, "until": end})
