"""Docs keep to the code: drawn pages are as the code draws them, and what pages name is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from voicebot.journal.events import CallOver, PromptStarted
from voicebot.journal.journal import CallJournal, Journal
from voicebot.paths import ROOT

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
CODE = ("voicebot", "telephony")
PACKAGES = sorted(path.parent for top in CODE for path in (ROOT / top).rglob("__init__.py"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w./*-])(?:voicebot|telephony|tests|docs|dialogs)/[\w./*-]*[\w*/]")
DOTTED = re.compile(r"(?<![\w./-])(?:voicebot|telephony)(?:\.\w+)+")
BARE = re.compile(r"`([\w/]+\.py)`")
"""A file named without its room, such as `incoming.py`."""

PIPECATS = {"BotStoppedSpeakingFrame"}
"""Classes of Pipecat that pages name and the code does not."""


def load_draw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_draw", ROOT / "docs" / "draw.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw = load_draw()


@pytest.mark.parametrize("name", draw.PAGES)
def test_a_drawn_page_is_as_the_code_draws_it(name: str) -> None:
    page = ROOT / "docs" / name
    drawn = draw.PAGES[name]()
    same = page.exists() and page.read_text(encoding="utf-8") == drawn
    assert same, f"docs/{name} is not what the code says any more: run `make docs`, and commit what it draws"


def test_every_sink_of_the_program_is_in_the_table_of_sinks() -> None:
    sinks = {
        str(path.relative_to(ROOT)) for path in (ROOT / "voicebot").rglob("*.py") if " def take(self, entry: Entry)" in
        path.read_text(encoding="utf-8") and "class Sink(Protocol)" not in path.read_text(encoding="utf-8")
    }  # fmt: skip
    assert sinks == set(re.findall(r"^\| `(voicebot/\w+/\w+\.py)` \|", draw.EVENTS_HEAD, re.MULTILINE))


# ── what pages name is there ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_module_that_a_page_names_is_there(page: Path) -> None:
    assert unknown_names(page.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_class_that_a_page_names_is_in_the_code(page: Path) -> None:
    code = " ".join(re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")))
    named = set(re.findall(r"\b[A-Z][a-z0-9]+(?:[A-Z]\w*)+\b", code))
    its_own = set(re.findall(r"^class (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - identifiers() - PIPECATS - its_own == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_that_a_page_names_is_counted(page: Path) -> None:
    counted = (ROOT / "voicebot/journal/metrics.py").read_text(encoding="utf-8")
    named = {name.removesuffix("_total") for name in re.findall(r"\bvoicebot_\w+", page.read_text(encoding="utf-8"))}
    assert {name for name in named if f'"{name}"' not in counted} == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_the_files_that_the_docstring_of_a_package_names_are_there(package: Path) -> None:
    words = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    places = (package, package.parent, ROOT / package.relative_to(ROOT).parts[0])
    missing = {
        name
        for name in re.findall(r"(?<!`)`([a-z_]+)`(?!`)", words)
        if not any((place / name).exists() or (place / f"{name}.py").exists() for place in places)
    }
    assert missing == set()


def test_the_check_finds_what_is_not_there(tmp_path: Path) -> None:
    words = "`voicebot/gone.py` voicebot.gone telephony.leg.Gone `gone.py` docs/gone.md `voicebot/calls/gone_*.py`"
    assert len(list(unknown_names(words))) == 6
    kept = (
        "`voicebot/calls/session.py` voicebot.yaml telephony.leg.Leg `session.py` `call/dialog/usage.py` voicebot/web/"
    )
    assert list(unknown_names(kept)) == []
    page = tmp_path / "page.md"
    page.write_text("# A page\n[a](gone.md) [b](#gone) [c](#a-page) [d](page.md#a-page) [e](https://example.net/x)\n")
    assert list(broken_links(page)) == ["gone.md", "#gone"]


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (heading and heading not in headings(target)):
            yield link


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def unknown_names(text: str) -> set[str]:
    """Paths, modules and Python files that a text names and the tree has not; NAME stands for any name."""
    text = re.sub(r"\S*\bNAME\S*|\S*_NAME\S*", "", text)
    unknown = {path for path in PATH.findall(text) if not any(ROOT.glob(path.rstrip("/")))}
    unknown |= {name for name in DOTTED.findall(text) if not (ROOT / name).exists() and not is_name(name)}
    tops = [ROOT, *(ROOT / top for top in CODE)]
    for name in BARE.findall(text):
        if not any((top / name).exists() for top in tops) and ("/" in name or name not in file_names()):
            unknown.add(name)
    return unknown


@cache
def identifiers() -> frozenset[str]:
    sources = (path.read_text(encoding="utf-8") for top in CODE for path in (ROOT / top).rglob("*.py"))
    return frozenset(word for source in sources for word in re.findall(r"\w+", source))


@cache
def file_names() -> frozenset[str]:
    return frozenset(path.name for top in CODE for path in (ROOT / top).rglob("*.py"))


def is_name(dotted: str) -> bool:
    """A module or package of the tree, or something that one of them defines, imports or gives on."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if source.exists():
            return length == len(parts) or defines(source, parts[length])
    return False


def defines(source: Path, name: str) -> bool:
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=found) | ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found):
                names = [found]
            case ast.AnnAssign(target=ast.Name(id=found)):
                names = [found]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names = [alias.asname or alias.name for alias in aliases]
            case _:
                names = []
        if name in names:
            return True
    return False


def test_each_dependency_is_in_the_table_that_says_why() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    _, _, table = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Dependencies and why")
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)).lower()
    assert {
        name for need in needed if (name := re.split("[<>=]", need)[0]) not in re.split(r"[ ,()]+", first_cells)
    } == set()


# ── the examples run ─────────────────────────────────────────────────────────────────────────────────────────────────


def example(page: str, heading: str) -> str:
    """The first Python block under a heading of a page."""
    _, _, section = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"## {heading}\n")
    found = re.search(r"^```python\n(.*?)^```", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no Python under {heading!r}"
    return found[1]


def test_the_sink_of_the_docs_reads_the_events_of_a_call(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile(example("contributing.md", "A sink"), "docs/contributing.md", "exec"), names)  # noqa: S102
    file = tmp_path / "abandoned.txt"
    journal = Journal([names["AbandonedSink"](file)])
    journal.start()
    call = CallJournal("c1", journal.publish)
    call.write(PromptStarted("Hello."))
    call.write(CallOver("abandoned", "caller", "sip", summary="The caller wants to check on an order."))
    CallJournal("c2", journal.publish).write(CallOver("resolved", "caller", "sip"))
    journal.stop()
    assert file.read_text(encoding="utf-8") == "c1 The caller wants to check on an order.\n"
