"""Docs, docstrings and comments name files, modules and functions that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOPS = ("metaopt", "service", "migrations", "tests", "benchmarks", "docs", "examples")
CODE = sorted(p for top in TOPS for p in (ROOT / top).rglob("*.py") if "results" not in p.parts)
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FILE = re.compile(rf"(?<![\w/.:-])((?:{'|'.join(TOPS)})/[\w./-]*[\w/])(?![\w*{{<…])")
DOTTED = re.compile(r"`((?:metaopt|service)(?:\.\w+)+)(?:\(\))?`")
ELSEWHERE = {
    ROOT / "CHANGELOG.md",  # tells of files that were there once
    ROOT / "docs" / "presets.md",  # cites other people's files
}
PLACEHOLDER = re.compile(r"[A-Z]{3}|/x/y/|/\.")  # NAME.npz, tests/x/y/test_z.py, what git ignores


@pytest.mark.parametrize("page", [p for p in PAGES if p not in ELSEWHERE], ids=lambda p: p.name)
def test_a_page_names_files_that_exist(page: Path) -> None:
    prose = re.sub(r"```python\n# .*?```", "", page.read_text("utf-8"), flags=re.DOTALL)  # examples
    named = {match[1].rstrip("/.") for match in FILE.finditer(prose)}
    missing = [name for name in named if not _exists(name)]
    assert missing == []


def test_code_and_pages_name_modules_and_what_they_hold() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in [*CODE, *PAGES]
        if path not in ELSEWHERE and path != Path(__file__)
        for name in set(DOTTED.findall(path.read_text("utf-8")))
        if name != "metaopt.db" and not _defined(name)
    ]
    assert wrong == []


def test_code_names_files_that_exist() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path in CODE
        if path != Path(__file__)
        for match in re.finditer(rf"`((?:{'|'.join(TOPS)})/[\w./-]+)`", path.read_text("utf-8"))
        if not _exists(match[1])
    ]
    assert wrong == []


def _exists(name: str) -> bool:
    return bool(PLACEHOLDER.search(name)) or (ROOT / name).exists() or any(ROOT.glob(f"{name}*"))


@cache
def _names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[-1])
    return names


def _defined(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        rest = parts[length:]
        if place.with_suffix(".py").is_file():
            return set(rest) <= _names(place.with_suffix(".py"))
        if place.is_dir():
            return not rest or set(rest) <= _names(place / "__init__.py")
    return False
