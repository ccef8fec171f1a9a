"""The written summary, posted as JSON to the address that the operator configured."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from voicebot import log

TIMEOUT_S = 5.0
TRIES = 3
_log = log.get(__name__)


async def post_summary(url: str, summary: dict[str, Any], key: str) -> bool:
    """Send one summary; tried again with growing pauses, with the same ``Idempotency-Key``.

    Args:
        url: the configured webhook.
        summary: JSON object; no secrets in it.
        key: idempotency key, the same for every try.

    Returns:
        Whether the receiver took it (2xx). Failing is logged, never raised: the call goes on.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(2.0**attempt)
            try:
                async with session.post(
                    url, json=summary, headers={"Idempotency-Key": key}, allow_redirects=False
                ) as answer:
                    if 200 <= answer.status < 300:
                        return True
                    _log.warning("webhook refused the summary", extra={"status": answer.status})
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("webhook not reached", extra={"error": type(error).__name__})
    return False
