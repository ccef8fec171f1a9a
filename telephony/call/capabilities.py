"""What our user agent understands, as Allow, Supported and Accept say it (RFC 3261 section 20)."""

from __future__ import annotations

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "INFO", "REFER", "NOTIFY", "PRACK")
EXTENSIONS = ("timer", "100rel", "replaces")
"""Those that a peer may demand with Require."""
ALLOW = ", ".join(METHODS)
SUPPORTED = ", ".join(EXTENSIONS)

Headers = list[tuple[str, str]]


def capabilities() -> Headers:
    """For INVITE, UPDATE, their 2xx, and answers to OPTIONS."""
    return [("Allow", ALLOW), ("Supported", SUPPORTED)]
