"""What every answer carries, and who may post: a page that runs nothing but its own files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=()",
}


@web.middleware
async def secured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put `HEADERS` on every answer, errors too, and name no software and version."""
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        answer.headers.update(HEADERS)
        answer.headers["Server"] = "voicebot"
        raise
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)  # a page with a stricter policy of its own keeps it
    response.headers["Server"] = "voicebot"
    return response


def same_origin(request: web.Request) -> bool:
    """Whether a post comes from a page of this server.

    Browsers put Origin into every cross-origin post and into same-origin ones, so one without it is no page of ours.
    Only host and port are compared: behind a proxy that ends TLS our own scheme is another one than the page's.
    """
    origin = request.headers.get("Origin", "")
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return bool(host) and host == request.host.lower() and site == "same-origin"
