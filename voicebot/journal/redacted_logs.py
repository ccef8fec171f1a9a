"""Log lines without card numbers, and those of a call without what that call must not tell."""

from __future__ import annotations

import logging
from weakref import WeakValueDictionary

from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.redaction import Redactor

_OUTSIDE_CALLS = Redactor()
_calls: WeakValueDictionary[str, CallSecrets] = WeakValueDictionary()


def redact_lines_of(call: str, secrets: CallSecrets) -> None:
    """From now on lines of this call are redacted by it, for as long as it lives."""
    _calls[call] = secrets


class RedactingFilter(logging.Filter):
    """Put on a log handler: secrets reach no line, neither in its words nor its fields nor a traceback."""

    _OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "call"}

    def filter(self, record: logging.LogRecord) -> bool:
        secrets = _calls.get(str(getattr(record, "call", "")))
        redactor = _OUTSIDE_CALLS if secrets is None else secrets.live
        record.msg, record.args = redactor.text(record.getMessage()), None
        for name, value in vars(record).items():
            if name not in self._OWN:
                setattr(record, name, redactor.value(value))
        if record.exc_info:
            record.exc_text = redactor.text(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def protect_logs() -> None:
    """Put the filter on the log's handlers. Call it after `voicebot.log.setup`."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter())
