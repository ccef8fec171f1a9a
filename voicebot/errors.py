"""Every error that this program raises on purpose.

SourceError                   bad YAML: a list of `Problem` with file, line and remedy (it is telephony's)
VoicebotError                 message and remedy, shown without a traceback
├── ModelMissing              weights are not there; says which command brings them
├── EngineFailed              recognition or synthesis broke in the middle of a call
└── ActionFailed              a backend did not do what it was asked (timeout, refused, status)
"""

from __future__ import annotations

from telephony.yaml_problems import Problem, SourceError

__all__ = ["ActionFailed", "EngineFailed", "ModelMissing", "Problem", "SourceError", "VoicebotError"]


class VoicebotError(Exception):
    """An error with words for the person who can mend it.

    Args:
        message: what is wrong.
        remedy: what to do about it; empty when there is nothing to say.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message + (f" — {remedy}" if remedy else ""))
        self.message = message
        self.remedy = remedy


class ModelMissing(VoicebotError):
    """Weights that an engine needs are not on this machine."""


class EngineFailed(VoicebotError):
    """A recognition or synthesis engine failed on one job."""


class ActionFailed(VoicebotError):
    """A backend action did not succeed.

    Attributes:
        kind: ``timeout``, ``refused``, ``status``, ``unreachable`` or ``bad-answer``; flows branch on it.
    """

    def __init__(self, kind: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.kind = kind
