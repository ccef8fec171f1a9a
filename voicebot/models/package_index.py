"""Files of the Python package index, with the user's pip settings: index, certificates, proxy, credentials.

pip is asked where the wheel lies, then it is fetched with resume; where that fails (an index that wants credentials,
which pip leaves out of its report) pip fetches it itself.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from voicebot.models.download import HttpAccess, Unreachable, fetch
from voicebot.models.manifest import Wheel
from voicebot.models.weights_folder import sha256

PIP_S = 600.0
ASK_S = 60.0
_ABOUT_SOURCE = ("--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--retries", "1")


def settings() -> dict[str, str]:
    """pip's own settings, ``cert`` and ``proxy`` among them; empty without pip."""
    try:
        listed = _pip("config", "list", timeout_s=ASK_S).splitlines()
    except Unreachable:
        return {}
    found = {}
    for item in listed:  # global.cert='/path', :env:.cert='/path'; the last one wins, as for pip
        key, _, value = item.partition("=")
        try:
            found[key.rpartition(".")[2]] = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            continue
    return found


def fetch_wheel(wheel: Wheel, part: Path, line: HttpAccess) -> None:
    """Bring the wheel to `part`, checked.

    Raises:
        Unreachable: the index does not give it, or another one than the manifest's.
    """
    try:
        _fetch_from(_where(wheel, line), wheel, part, line)
    except Unreachable as error:
        line.left_s(PIP_S)
        line.progress.say(f"  {error.message}; asking pip for it")
        _download(wheel, part, line)


def _where(wheel: Wheel, line: HttpAccess) -> str:
    """The wheel's URL."""
    with tempfile.TemporaryDirectory() as nowhere:
        report = _pip(
            *("install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--target", nowhere),
            *(*_ABOUT_SOURCE, "--platform", wheel.platform, wheel.wheel),
            timeout_s=line.left_s(ASK_S),
        )
    try:
        return str(json.loads(report)["install"][0]["download_info"]["url"])
    except (ValueError, LookupError, TypeError):
        raise Unreachable(f"pip does not say where {wheel.wheel} lies") from None


def _fetch_from(url: str, wheel: Wheel, part: Path, line: HttpAccess) -> None:
    parts = urlsplit(url)
    if parts.scheme != "file":
        fetch(url, part, wheel.size, wheel.sha256, line)
        return
    _take(Path(unquote(parts.path)), wheel, part)


def _download(wheel: Wheel, part: Path, line: HttpAccess) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        _pip(
            *("download", "--quiet", "--dest", folder, *_ABOUT_SOURCE, "--platform", wheel.platform, wheel.wheel),
            timeout_s=line.left_s(PIP_S),
        )
        for path in Path(folder).glob("*.whl"):
            _take(path, wheel, part)
            return
    raise Unreachable(f"pip brought no wheel for {wheel.wheel}")


def _take(path: Path, wheel: Wheel, part: Path) -> None:
    try:
        if sha256(path) != wheel.sha256:
            raise Unreachable(f"{wheel.wheel} of the package index is not the file that the manifest names (checksum)")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(path.read_bytes())
    except OSError as error:
        raise Unreachable(f"{path}: {error}") from None


def _pip(*arguments: str, timeout_s: float) -> str:
    """Run pip of this Python. Raises Unreachable with its last words."""
    command = [sys.executable, "-m", "pip", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"pip {arguments[0]} took longer than {timeout_s:.0f} s") from None
    except OSError as error:
        raise Unreachable(f"pip does not run: {error}") from None
    if done.returncode:
        words = [w for w in done.stderr.splitlines() if "ERROR" in w or "No module" in w] or done.stderr.splitlines()
        raise Unreachable(f"pip {arguments[0]}: {words[-1] if words else 'failed'}")
    return done.stdout
