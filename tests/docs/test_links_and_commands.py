"""What the pages for readers name is there: files, make targets, commands."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from tests.command_line import parse

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]


def commands(text: str) -> list[str]:
    """Return what readers are told to type that begins with metaopt or make."""
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", text, re.DOTALL)
    return _ours(line.removeprefix("$ ") for block in blocks for line in block.splitlines())


def named_commands(text: str) -> list[str]:
    """Return the commands that sentences name; their arguments may be missing."""
    return _ours(re.findall(r"`([^`\n]+)`", text))


def _ours(lines: Iterable[str]) -> list[str]:
    typed = [line.split("#")[0].strip() for line in lines]
    typed = [re.sub(r"^([A-Z_]+=\S+ )+", "", line) for line in typed]
    typed = [re.sub(r"^\S*bin/metaopt", "metaopt", line) for line in typed]
    return [line for line in typed if re.match(r"(metaopt|make) ", line)]


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), f"{target} is not there"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_parses(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in commands(text):
        check(line, targets)
    for line in named_commands(text):
        try:
            check(line, targets)
        except TyperException as error:
            assert error.format_message().startswith("Missing"), line


def check(line: str, targets: set[str]) -> None:
    program, *arguments = shlex.split(line)
    if program == "make":
        assert [one for one in arguments if "=" not in one][0] in targets, line
    else:
        parse(arguments)


def test_the_readme_shows_how_to_begin() -> None:
    typed = commands(README.read_text(encoding="utf-8"))
    assert {"make demo", "make test", "make serve"} <= set(typed)
    assert any(line.startswith("metaopt submit examples/") for line in typed)


def test_files_that_commands_name_are_there() -> None:
    for line in commands(README.read_text(encoding="utf-8")):
        for word in shlex.split(line):
            if word.startswith("examples/"):
                assert (ROOT / word).is_file(), line


def test_every_image_of_the_readme_is_there() -> None:
    images = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert images
    for image in images:
        assert (ROOT / image).stat().st_size > 1000


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs/adr").glob("0*.md")):
        title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert f"- [{title[:4]}]({page.name}) {title[5:]}" in index
        for part in ("Context", "Decision", "Consequences", "Alternatives", "Enforced"):
            assert f"\n## {part}\n" in page.read_text(encoding="utf-8"), page.name
