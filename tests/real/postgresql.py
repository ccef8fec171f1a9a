"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a socket and a port of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from tests.real.programs import free_port

_DEBIAN = Path("/usr/lib/postgresql")
"""Its programs lie in no PATH there."""


def programs() -> Path | None:
    """The folder of ``initdb`` and its like, of the newest version; None where there is no PostgreSQL."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class Cluster:
    """A cluster that can be stopped, started and killed."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._bin = bin_
        self._names = iter(range(1_000_000))

    def run(self, program: str, *words: str) -> str:
        """Run one of PostgreSQL's programs as the user who owns the cluster; returns what it said."""
        done = subprocess.run(
            [*_as_somebody(), str(self._bin / program), *words], check=True, capture_output=True, text=True, cwd="/"
        )
        return done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = self.folder / "log"
        command = [*_as_somebody(), str(self._bin / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "60"]
        # Not through a pipe: the server that pg_ctl leaves behind would hold it open.
        with log.open("a") as out:
            subprocess.run([*command, "-o", options, "-l", f"{log}.pg", "start"], check=True, stdout=out, cwd="/")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def freeze(self) -> None:
        """It takes connections no more and answers nothing, as a host that hangs."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """The postmaster and its children."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def database(self, *options: str) -> str:
        """A new, empty database; returns its URL."""
        name = f"calls{next(self._names)}"
        self.run("createdb", "-h", str(self.folder), "-p", str(self.port), "-U", "owner", *options, name)
        return f"postgresql+psycopg://owner:secret@127.0.0.1:{self.port}/{name}"

    def sql(self, url: str, statement: str) -> list[tuple[object, ...]]:
        """Run one statement; returns its rows, if it has any."""
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A running one; gone afterwards."""
    bin_ = programs()
    assert bin_ is not None, "tests that need it are marked peer('initdb')"
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket has 107 bytes at most
    if os.getuid() == 0:
        shutil.chown(folder, _somebody())
    it = Cluster(folder, bin_)
    try:
        password = folder / "password"
        password.write_text("secret")
        password.chmod(0o644)
        it.run(
            "initdb", "-D", str(folder / "data"), "-U", "owner", "--pwfile", str(password), "-A", "scram-sha-256",
            "--auth-local", "trust", "-E", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        it.start()
        yield it
    finally:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            it.thaw()
            it.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> str:
    """PostgreSQL refuses to be root."""
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _as_somebody() -> list[str]:
    return ["setpriv", f"--reuid={_somebody()}", "--clear-groups", "--"] if os.getuid() == 0 else []
