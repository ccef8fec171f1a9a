"""Structured logs: one line an event, the call id on every line of a call, never a secret slot's digits.

Use: ``log = log.get(__name__)``, then ``log.info("call answered", extra={"ms": 12})``. The call id comes from

1. the leg that a line names (``extra={"leg": …}``, and ``sip_call_id`` of `telephony`), as far as `belongs` was told of
   it: what a peer's packet sets off runs in no task of the call;
2. otherwise `call_id`, a context variable that `voicebot.calls.factory` sets at the root of a call's tasks. Threads,
   and callbacks of what is no task of the call, are given it by `in_call`.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, Literal, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
NO_CALL = "-"
REMEMBERED = 4000
"""Legs whose call is known; lines about one come for half a minute after its end."""
call_id: contextvars.ContextVar[str] = contextvars.ContextVar("call_id", default=NO_CALL)
_legs: OrderedDict[str, str] = OrderedDict()
_LEG_FIELDS = ("leg", "sip_call_id")
_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "call"}


def get(name: str) -> logging.Logger:
    """The logger of a module."""
    return logging.getLogger(name)


def belongs(leg: str, call: str) -> None:
    """A leg of this id is one of a call. On the event loop only."""
    _legs[leg] = call
    if len(_legs) > REMEMBERED:
        _legs.popitem(last=False)


@contextlib.contextmanager
def of_call(call: str) -> Iterator[None]:
    """What is logged inside, and whatever is started inside, belongs to a call."""
    token = call_id.set(call)
    try:
        yield
    finally:
        call_id.reset(token)


class InCall(Generic[P, T]):
    """See `in_call`."""

    __slots__ = ("call", "work")

    def __init__(self, work: Callable[P, T]) -> None:
        self.work, self.call = work, call_id.get()

    def __call__(self, *args: P.args, **more: P.kwargs) -> T:
        with of_call(self.call):
            return self.work(*args, **more)


def in_call(work: Callable[P, T]) -> InCall[P, T]:
    """The same work, which belongs to the call of now whoever does it: another thread, or the loop for a peer."""
    return InCall(work)


def _call_of(record: logging.LogRecord) -> str:
    legs = (getattr(record, name, None) for name in _LEG_FIELDS)
    return next((_legs[leg] for leg in legs if isinstance(leg, str) and leg in _legs), call_id.get())


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {k: v for k, v in vars(record).items() if k not in _PLAIN}


class _WithCall(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "call"):
            record.call = _call_of(record)
        return True


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "call": getattr(record, "call", NO_CALL),
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{k}={json.dumps(v, default=str, ensure_ascii=False)}" for k, v in _fields(record).items())
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        event = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{stamp} {record.levelname:<7} [{getattr(record, 'call', '-')}] {event} {fields}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


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
