"""How far a download is: one living line on a terminal, a line every quarter elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

REDRAW_S = 0.1
MEGA = 1_000_000


class DownloadProgress:
    """Words on stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._name, self._size, self._began_s, self._from = "", 0, 0.0, 0
        self._drawn_s, self._quarter = 0.0, 0
        self._open = False

    def say(self, line: str) -> None:
        """A line of its own."""
        self._end()
        print(line, file=self._stream, flush=True)

    def start(self, name: str, size: int, done: int) -> None:
        """A download begins, with `done` of `size` bytes there already."""
        self._name, self._size, self._from = name, size, done
        self._began_s, self._drawn_s, self._quarter = time.monotonic(), 0.0, 4 * done // size
        resumed = f", {done / MEGA:.1f} MB of it are here already" if done else ""
        self.say(f"  {name}: {size / MEGA:.1f} MB{resumed}")

    def update(self, done: int) -> None:
        """`done` bytes are there now."""
        now_s = time.monotonic()
        rate = (done - self._from) / max(now_s - self._began_s, 1e-3)
        words = f"  {self._name}: {100 * done // self._size:3d} %  {done / MEGA:.1f} MB  {rate / MEGA:.1f} MB/s"
        if self._live:
            if now_s - self._drawn_s >= REDRAW_S or done == self._size:
                self._drawn_s, self._open = now_s, True
                self._stream.write(f"\r{words}\x1b[K")
                self._stream.flush()
        elif 4 * done // self._size > self._quarter:
            self._quarter = 4 * done // self._size
            print(words, file=self._stream, flush=True)

    def _end(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False
