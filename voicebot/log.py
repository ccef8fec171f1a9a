"""Structured logs: one line an event, the call id on every line of a call, never a secret slot's digits.

Use: ``log = log.get(__name__)``, then ``log.info("call answered", extra={"ms": 12})``. The call id comes from
`call_id`, a context variable that `voicebot.calls.session` sets at the root of a call's task group.
"""

from __future__ import annotations

import contextvars
import json
import logging
import sys
import time
from typing import Literal

call_id: contextvars.ContextVar[str] = contextvars.ContextVar("call_id", default="-")
_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "call"}


def get(name: str) -> logging.Logger:
    """The logger of a module."""
    return logging.getLogger(name)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {k: v for k, v in vars(record).items() if k not in _PLAIN}


class _WithCall(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "call"):
            record.call = call_id.get()
        return True


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "call": getattr(record, "call", "-"),
            "event": record.getMessage(),
            **_fields(record),
        }
        if trace := _traceback(self, record):
            line["traceback"] = trace
        return json.dumps(line, default=str, ensure_ascii=False)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{k}={json.dumps(v, default=str, ensure_ascii=False)}" for k, v in _fields(record).items())
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        event = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{stamp} {record.levelname:<7} [{getattr(record, 'call', '-')}] {event} {fields}".rstrip()
        trace = _traceback(self, record)
        return f"{line}\n{trace}" if trace else line


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Of a record: the one that a filter has redacted, where there is one."""
    return record.exc_text or (formatter.formatException(record.exc_info) if record.exc_info else "")


def setup(level: str = "info", form: Literal["text", "json"] = "text") -> None:
    """Send logs to standard error. Called once, by the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(_WithCall())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("voicebot", "telephony"):
        logging.getLogger(name).setLevel(level.upper())
