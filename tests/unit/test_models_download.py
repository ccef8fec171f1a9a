"""Downloads go on where they broke off, end whole or not at all, and are never longer than they must be."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from voicebot.models.download import HttpAccess, OutOfTime, Unreachable, fetch
from voicebot.models.progress import DownloadProgress

DATA = bytes(range(256)) * 3000
DIGEST = hashlib.sha256(DATA).hexdigest()


class Hub(ThreadingHTTPServer):
    """A web server with moods."""

    daemon_threads = False
    data = DATA
    ranges = True
    break_after: int | None = None
    """Break off the next answer after so many bytes, once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/model.bin"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        hub, wanted = self.server, self.headers.get("Range")
        hub.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.ranges else 0
        body = hub.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(hub.data) - 1}/{len(hub.data)}")
        self.end_headers()
        cut, hub.break_after = hub.break_after, None
        self.wfile.write(body[:cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def line() -> HttpAccess:
    return HttpAccess(DownloadProgress(io.StringIO()))


def test_a_file_comes_whole(hub: Hub, line: HttpAccess, tmp_path: Path) -> None:
    fetch(hub.url, tmp_path / "deep" / "part", len(DATA), DIGEST, line)
    assert (tmp_path / "deep" / "part").read_bytes() == DATA
    assert hub.asked == [None]


def test_what_is_here_already_is_not_fetched_again(hub: Hub, line: HttpAccess, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(DATA[:1000])
    fetch(hub.url, part, len(DATA), DIGEST, line)
    assert part.read_bytes() == DATA
    assert hub.asked == ["bytes=1000-"]


def test_a_transfer_that_breaks_goes_on_by_itself(hub: Hub, line: HttpAccess, tmp_path: Path) -> None:
    hub.break_after = 5000
    fetch(hub.url, tmp_path / "part", len(DATA), DIGEST, line)
    assert (tmp_path / "part").read_bytes() == DATA
    assert hub.asked == [None, "bytes=5000-"]


def test_a_server_without_ranges_gives_the_whole_again(hub: Hub, line: HttpAccess, tmp_path: Path) -> None:
    hub.ranges = False
    (tmp_path / "part").write_bytes(b"x" * 1000)
    fetch(hub.url, tmp_path / "part", len(DATA), DIGEST, line)
    assert (tmp_path / "part").read_bytes() == DATA


def test_another_file_than_the_manifests_is_thrown_away(hub: Hub, line: HttpAccess, tmp_path: Path) -> None:
    hub.data = DATA[:-1] + b"!"
    with pytest.raises(Unreachable, match="checksum"):
        fetch(hub.url, tmp_path / "part", len(DATA), DIGEST, line)
    assert not (tmp_path / "part").exists()


def test_a_longer_file_is_not_read_to_its_end(hub: Hub, line: HttpAccess, tmp_path: Path) -> None:
    hub.data = DATA * 20
    with pytest.raises(Unreachable, match="longer than the manifest says"):
        fetch(hub.url, tmp_path / "part", len(DATA), DIGEST, line)


def test_a_host_out_of_reach_is_asked_once(line: HttpAccess, tmp_path: Path) -> None:
    with Hub() as closed:
        url = closed.url
    with pytest.raises(Unreachable, match="refused"):
        fetch(url, tmp_path / "part", len(DATA), DIGEST, line)
    with pytest.raises(Unreachable, match="out of reach"):
        fetch(url, tmp_path / "part", len(DATA), DIGEST, line)


def test_when_the_time_is_over_the_beginning_stays(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:1000])
    late = HttpAccess(DownloadProgress(io.StringIO()), deadline_s=time.monotonic() - 1)
    with pytest.raises(OutOfTime):
        fetch(hub.url, tmp_path / "part", len(DATA), DIGEST, late)
    assert (tmp_path / "part").read_bytes() == DATA[:1000]


def test_progress_says_each_quarter_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    progress = DownloadProgress(out)
    progress.start("model.bin", 1_000_000, 0)
    for done in range(0, 1_000_001, 50_000):
        progress.update(done)
    assert [text.split(":")[1].split("%")[0].strip() for text in out.getvalue().splitlines()[1:]] == [
        "25", "50", "75", "100",
    ]  # fmt: skip
