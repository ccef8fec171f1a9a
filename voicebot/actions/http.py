"""Requests to HTTP backends: JSON only, no redirects, bounded answers, guarded addresses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from voicebot.actions.catalog import HttpCall
from voicebot.actions.failure import TryFailed
from voicebot.actions.guard import Allow, GuardedResolver, address_of
from voicebot.actions.templates import Scalar, fill_json

MAX_DEPTH = 32
_PASSING = {500, 502, 503, 504}


class HttpClient:
    """Two connection pools: reads keep connections, each write opens its own.

    A kept connection may have been closed by the backend a moment ago. A read is then simply tried again; a write must
    not be, and would fail for nothing.

    Args:
        allow: addresses that are not public and may be used all the same.
        max_answer_bytes: larger answers are refused.
        resolver: asks the DNS; the system's by default.
    """

    def __init__(self, allow: Allow, max_answer_bytes: int, resolver: AbstractResolver | None = None) -> None:
        self._allow = allow
        self._max_bytes = max_answer_bytes
        self._reads = _session(GuardedResolver(allow, resolver), force_close=False)
        self._writes = _session(GuardedResolver(allow, resolver), force_close=True)

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()

    async def send(self, call: HttpCall, args: Mapping[str, Scalar], *, write: bool, key: str) -> Any:
        """One try.

        Args:
            call: the request's template.
            args: checked arguments.
            write: it changes something; `key` then goes along as ``Idempotency-Key``.
            key: printable ASCII.

        Returns:
            The decoded JSON, or None for an empty answer.

        Raises:
            TryFailed: with the kind that flows branch on.
        """
        address = address_of(call.host)
        if address is not None and not self._allow.permits(call.host, call.port, address):
            raise TryFailed("refused", f"{call.host}:{call.port} is not a public address and not in allow")
        url = URL(call.url.fill(args), encoded=True)
        query = [(name, part.fill(args)) for name, part in call.query if not (part.only and args[part.only] is None)]
        headers = {**call.headers, "Accept": "application/json", "Accept-Encoding": "identity"}
        if write:
            headers["Idempotency-Key"] = key
        body = fill_json(call.body, args)
        try:
            async with (self._writes if write else self._reads).request(
                call.method, url.extend_query(query), headers=headers, json=body, allow_redirects=False
            ) as response:
                return await self._answer(response)
        except aiohttp.InvalidURL:
            raise TryFailed("refused", "the URL is not valid") from None
        except aiohttp.ClientPayloadError:
            raise TryFailed("bad-answer", "the answer broke off", passing=True) from None
        except aiohttp.ClientResponseError:
            raise TryFailed("bad-answer", "the answer is not HTTP", passing=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from None

    async def _answer(self, response: aiohttp.ClientResponse) -> Any:
        status = response.status
        if 300 <= status < 400:
            raise TryFailed("refused", f"the backend redirects ({status})")
        if status >= 400:
            raise TryFailed(
                f"status-{status}",
                f"status {status}",
                passing=status in _PASSING,
                data=await self._error_data(response),
            )
        raw = await self._body(response)
        return decoded(raw, response.content_type) if raw else None

    async def _error_data(self, response: aiohttp.ClientResponse) -> Any:
        try:
            return decoded(await self._body(response), response.content_type)
        except TryFailed:
            return None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > self._max_bytes:
                raise TryFailed("bad-answer", f"the answer is larger than {self._max_bytes} bytes")
        return bytes(raw)


def _unreachable(error: Exception) -> TryFailed:
    return TryFailed("unreachable", type(error).__name__, passing=True)


async def _sent_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Middleware: aiohttp repeats a failed GET, PUT or DELETE by itself, unless it sees an error of another kind."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _unreachable(error) from None


def _session(resolver: GuardedResolver, *, force_close: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # No cache of names: a connection goes to the addresses that were checked for it and to no others.
        connector=aiohttp.TCPConnector(limit=0, resolver=resolver, use_dns_cache=False, force_close=force_close),
        middlewares=(_sent_once,),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the runner holds the only clock
        auto_decompress=False,  # a small compressed answer can be a very large one
        trust_env=False,
    )


def decoded(raw: bytes, content_type: str) -> Any:
    """JSON of an answer: strict, no deeper than `MAX_DEPTH`, text that can be encoded.

    Raises:
        TryFailed: ``bad-answer``.
    """
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise TryFailed("bad-answer", "the answer is not JSON by its Content-Type")
    try:
        data = json.loads(raw, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()  # lone surrogates fail here
    except (ValueError, RecursionError):
        raise TryFailed("bad-answer", "the answer is not JSON") from None
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [child for item in level if isinstance(item, (dict, list)) for child in _children(item)]
        if not level:
            return data
    raise TryFailed("bad-answer", "the answer is nested too deeply")


def _children(item: dict[str, Any] | list[Any]) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
