"""The example specs are valid, and say so line by line."""

from pathlib import Path

import pytest

from metaopt.algorithms.registry import ALGORITHMS
from service.cli.commands.demo import EXAMPLES, examples_directory
from service.cli.specs import read_spec
from service.wire.spec.refusals import parse_spec

DIRECTORY = Path(__file__).parents[2] / "examples"
FILES = sorted(DIRECTORY.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_example_is_a_valid_spec(path: Path) -> None:
    spec = parse_spec(read_spec(path))
    assert {branch.algorithm for branch in spec.branches} <= set(ALGORITHMS.names())
    assert spec.rungs()[-1] == spec.budget.meta_iterations


def test_the_demo_finds_its_examples() -> None:
    assert examples_directory() == DIRECTORY
    assert set(EXAMPLES) <= {path.name for path in FILES}
    assert len(FILES) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_example_explains_each_part(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    for part in ("tasks", "model", "branches", "search", "pruning", "budget", "evaluation"):
        assert f"{part}:" in " ".join(lines)
    assert sum("  # " in line for line in lines) >= 20
