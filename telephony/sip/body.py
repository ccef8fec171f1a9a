"""The body of a SIP message: what kind it is, and the session description in it."""

from __future__ import annotations

from .message import Request, Response

SDP_TYPE = "application/sdp"


def media_type(message: Request | Response) -> str:
    """The Content-Type without its parameters, in lower case; empty when there is none (RFC 3261 section 20.15)."""
    return (message.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def sdp_of(message: Request | Response) -> bytes:
    """The session description that a message carries; empty when it carries none, or something else."""
    return message.body if media_type(message) == SDP_TYPE else b""
