"""One file by HTTP: goes on where it was broken off, never longer than it must be, checked before it is used."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from voicebot.errors import VoicebotError
from voicebot.models.progress import DownloadProgress
from voicebot.models.weights_folder import CHUNK_BYTES, sha256

ANSWER_S = 10.0
"""How long a server may be silent."""
ATTEMPTS = 3
"""Of one download, each going on where the last one broke off."""
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class Unreachable(VoicebotError):
    """A source did not give the file; another one may."""


class OutOfTime(Unreachable):
    """The time given to `--try` is over."""


@dataclass(frozen=True, slots=True)
class HttpAccess:
    """How to reach the outside: the user's certificates and proxy, and how long all may take."""

    progress: DownloadProgress
    deadline_s: float | None = None
    """On the monotonic clock."""
    cafile: str | None = None
    proxy: str | None = None
    broken: set[str] = field(default_factory=set)
    """Hosts that did not answer in this run; not asked twice."""

    def left_s(self, at_most: float) -> float:
        """Seconds that a step may take. Raises OutOfTime."""
        if self.deadline_s is None:
            return at_most
        left = self.deadline_s - time.monotonic()
        if left <= 0:
            raise OutOfTime("no time left", "run it again without --try; what was fetched is kept")
        return min(at_most, left)

    def opener(self) -> urllib.request.OpenerDirector:
        """A client with these settings; environment variables for proxies count too."""
        try:
            context = ssl.create_default_context(cafile=self.cafile)
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"certificates {self.cafile} cannot be read: {error}", "mend pip's `cert`") from None
        handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
        if self.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": self.proxy, "https": self.proxy}))
        return urllib.request.build_opener(*handlers)


def fetch(url: str, part: Path, size: int, digest: str, line: HttpAccess) -> None:
    """Bring `url` to the file `part`, which may hold the beginning already.

    Raises:
        Unreachable: it did not come, or is not what it should be. The beginning that came stays in `part`.
    """
    host = url.split("/")[2]
    if host in line.broken:
        raise Unreachable(f"{host or url} is out of reach")
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    line.progress.start(url.rsplit("/", 1)[-1], size, part.stat().st_size if part.exists() else 0)
    for attempt in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            if before < size:
                _transfer(url, part, size, line)
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                part.unlink()
                continue
            raise Unreachable(f"{url}: HTTP {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            got = part.stat().st_size if part.exists() else 0
            line.left_s(ANSWER_S)
            if got == before or attempt == ATTEMPTS - 1:
                if got == before:
                    line.broken.add(host)
                reason = getattr(error, "reason", None) or error or type(error).__name__
                raise Unreachable(f"{host}: {reason}") from None
            line.progress.say(f"  broken off: {error}; going on at {got} bytes")
    if not part.exists() or part.stat().st_size != size or sha256(part) != digest:
        part.unlink(missing_ok=True)
        raise Unreachable(f"{url} is not the file that the manifest names (checksum)", "report it if it stays so")


def _transfer(url: str, part: Path, size: int, line: HttpAccess) -> None:
    """Append to `part` until it has `size` bytes. Raises OSError, HTTPException, OutOfTime, Unreachable."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "voicebot", "Accept-Encoding": "identity"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    with line.opener().open(request, timeout=line.left_s(ANSWER_S)) as answer:
        found = _RANGE.match(answer.headers.get("Content-Range") or "")
        if done and (answer.status != http.HTTPStatus.PARTIAL_CONTENT or not found or int(found[1]) != done):
            done = 0  # the server gives the whole again
        with part.open("ab" if done else "wb") as stream:
            while done < size:
                line.left_s(ANSWER_S)
                block = answer.read1(CHUNK_BYTES)
                if not block:
                    raise ConnectionError(f"ended after {done} of {size} bytes")
                if done + len(block) > size:
                    raise Unreachable(f"{url} is longer than the manifest says")
                stream.write(block)
                done += len(block)
                line.progress.update(done)
            stream.flush()
            os.fsync(stream.fileno())
