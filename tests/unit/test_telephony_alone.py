"""telephony by itself: a copy of its folder and nothing else of ours, without Pipecat, takes a call and echoes it."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path

import numpy as np
import pytest

import telephony
from telephony import AgentConfig, serving
from telephony.leg import Pcm
from tests.real.programs import PATIENCE_S, free_ports

FOLDER = Path(telephony.__file__).parent
NEEDED = {
    "OpenSSL", "aiortc", "av", "cryptography", "dns", "numpy", "phonenumbers", "pydantic", "pydantic_core", "pylibsrtp",
    "sipmessage", "yaml",
}  # fmt: skip
"""Everything that telephony imports from others, apart from `telephony.pipecat` and its example."""
DISTRIBUTIONS = {"OpenSSL": "pyopenssl", "dns": "dnspython", "yaml": "pyyaml"}
"""Where the package on the index is called otherwise."""
HIDDEN = """
import importlib.abc, runpy, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("voicebot", "pipecat", "loguru"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
sys.path.insert(0, sys.argv.pop(1))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of telephony, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(FOLDER, folder / "telephony", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def command(alone: Path, code: str, *arguments: str) -> list[str]:
    """Python that runs `code` where voicebot and Pipecat cannot be found."""
    return [sys.executable, "-W", "error", "-c", HIDDEN + code, str(alone), *arguments]


def run(alone: Path, code: str) -> str:
    done = subprocess.run(command(alone, code), cwd=alone, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_but_pipecats_can_be_imported_without_voicebot_and_pipecat(alone: Path) -> None:
    names = sorted(
        ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in FOLDER.rglob("*.py")
    )
    names = [name for name in names if "pipecat" not in name]
    assert len(names) > 100
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    out = run(alone, code + "import telephony; print(telephony.__file__, 'voicebot' in sys.modules)")
    assert out.split() == [str(alone / "telephony" / "__init__.py"), "False"]


def test_the_import_of_the_package_alone_loads_nothing(alone: Path) -> None:
    out = run(alone, "before = set(sys.modules)\nimport telephony\nprint(*sorted(set(sys.modules) - before))")
    assert {name for name in out.split() if "." in name or name in NEEDED} == set()


def test_all_names_of_the_package_are_there_and_others_are_not(alone: Path) -> None:
    code = "import telephony.server\nfrom telephony import *\nimport telephony\n"
    out = run(
        alone, code + "print(set(telephony.__all__) - set(globals()), set(telephony.__all__) - set(dir(telephony)))"
    )
    assert out.split() == ["set()", "set()"]
    with pytest.raises(AttributeError, match="'telephony' has no attribute 'nothing'"):
        _ = telephony.nothing


def test_without_pipecat_its_transport_says_what_to_install(alone: Path) -> None:
    out = run(alone, "try: import telephony.pipecat\nexcept ImportError as error: print(error)")
    assert "pip install 'pipecat-ai" in out


async def test_the_echo_bot_takes_a_call(alone: Path) -> None:
    code = "runpy.run_module('telephony.examples.echo_bot', run_name='__main__', alter_sys=True)"
    rtp = free_ports(40)
    ports = ("--port", "0", "--first-rtp", str(rtp[0]), "--last-rtp", str(rtp[19]))
    bot = await asyncio.create_subprocess_exec(
        *command(alone, code, *ports), cwd=alone, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": ""}
    )
    try:
        assert bot.stdout is not None
        line = await asyncio.wait_for(bot.stdout.readline(), PATIENCE_S)
        port = int(line.split(b"127.0.0.1:")[1].split()[0])
        async with serving(None, AgentConfig(port=0), rtp_ports=(rtp[20], rtp[-1])) as phone:
            leg = await phone.call(f"sip:echo@127.0.0.1:{port}")
            heard: list[Pcm] = []
            leg.on_audio = heard.append
            leg.play((8000 * np.sin(2 * np.pi * 440 / 8000 * np.arange(4000))).astype(np.int16))
            async with asyncio.timeout(PATIENCE_S):
                while loud_samples(heard) < 2000:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            leg.send_dtmf("#")
            assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"
        bot.terminate()
        assert await asyncio.wait_for(bot.wait(), PATIENCE_S) == 0
    finally:
        if bot.returncode is None:
            bot.kill()
            await bot.wait()


def test_the_page_names_every_package_and_its_programs_find_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (FOLDER.parent / "docs" / "telephony-by-itself.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[a-z]+", " ".join(re.findall(r"^pip install (.*)$", page, re.MULTILINE))))
    assert {DISTRIBUTIONS.get(name, name) for name in NEEDED - {"pydantic_core"}} < named
    programs = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    started: list[str] = []

    def start(main: Coroutine[object, object, None]) -> None:
        started.append(main.__name__)
        main.close()

    monkeypatch.setattr(asyncio, "run", start)
    for program in programs:
        exec(program, {"__name__": "__main__"})  # noqa: S102 - our own page
    assert started == ["main", "main"]


def loud_samples(blocks: list[Pcm]) -> int:
    return sum(int(np.count_nonzero(np.abs(block.astype(int)) > 4000)) for block in blocks)


def test_no_other_package_is_needed() -> None:
    imported = {name for path in FOLDER.rglob("*.py") if "pipecat" not in str(path) for name in foreign(path)}
    assert imported == NEEDED


def foreign(path: Path) -> Iterator[str]:
    """Top packages that a file imports and that are neither Python's nor ours."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found = [node.module]
        yield from {name.split(".")[0] for name in found} - sys.stdlib_module_names - {"telephony"}
