"""docs/adding.md: its examples are put into the folders that it names, and then they work."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.costs.registry import COSTS
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import evaluate
from metaopt.gates.registry import RULES
from metaopt.models.registry import MODELS
from metaopt.population.train import train
from metaopt.registry import Registry
from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.tasks.registry import TASKS
from service.errors import InvalidSpec
from service.wire.spec.refusals import parse_spec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE, re.DOTALL))
REGISTRIES: dict[str, Registry[Any]] = {
    "metaopt/tasks/kinds": TASKS,
    "metaopt/models/kinds": MODELS,
    "metaopt/algorithms/kinds": ALGORITHMS,
    "metaopt/search/samplers": SAMPLERS,
    "metaopt/search/pruning": PRUNING_RULES,
    "metaopt/gates/rules": RULES,
    "metaopt/costs/kinds": COSTS,
}
SPEC: dict[str, Any] = {
    "name": "everything is a toy",
    "tasks": {"kind": "parabola", "steepest": 3.0, "k_shot": 5, "q_query": 5},
    "model": {"kind": "quadratic"},
    "branches": [
        {
            "algorithm": "pulled",
            "space": {
                "inner_lr": {"low": 0.05, "high": 0.5, "log": True},
                "pull": {"low": 0.0, "high": 0.2},
            },
        }
    ],
    "search": {"sampler": "halving"},
    "pruning": {"kind": "within-delta", "delta": 0.001, "rungs": [20]},
    "constraints": {"state_bytes": 10_000},
    "budget": {"trials": 4, "meta_iterations": 60},
    "evaluation": {"tasks": 20, "curve_steps": 1},
    "verdict": {"finalists": 1, "seeds": 2, "tasks": 20, "compare": "none"},
    "gates": {"rules": ["steady:10"], "seeds": 2, "tasks": 20, "most_tasks": 20},
}
LIGHT = """
import json, sys
from service.wire.spec.refusals import parse_spec
parse_spec(json.load(sys.stdin))
print([name for name in ("torch", "optuna") if name in sys.modules])
"""


@pytest.fixture
def kinds() -> Iterator[dict[str, Any]]:
    """Every example of the page, added through its registry."""
    added = {}
    with ExitStack() as stack:
        for path, code in EXAMPLES.items():
            namespace: dict[str, Any] = {"__name__": Path(path).stem}
            exec(compile(code, path, "exec"), namespace)
            registry = REGISTRIES[str(Path(path).parent)]
            added[path] = stack.enter_context(registry.including(namespace["KIND"]))
        yield added


def test_there_is_an_example_for_each_registry() -> None:
    assert sorted(str(Path(path).parent) for path in EXAMPLES) == sorted(REGISTRIES)


def test_kinds_that_were_added_are_trained_judged_and_accepted(kinds: dict[str, Any]) -> None:
    spec = parse_spec(SPEC)
    assert spec.measured() == ["state_bytes"]
    assert parse_spec(spec.model_dump(mode="json")) == spec
    trained = train(
        "pulled",
        tasks=SPEC["tasks"],
        model=SPEC["model"],
        params=[{"inner_lr": 0.3, "pull": pull} for pull in (0.0, 0.5)],
        meta_iterations=100,
    )
    bank = BankSpec("test", seed=0, tasks=50, k_shot=5, q_query=5, steps=1)
    free, pulled = (sum(scores.curve) for scores in evaluate(trained, bank))
    assert free != pulled
    assert trained.phi[1].norm() < trained.phi[0].norm()


def test_without_them_the_spec_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="parabola"):
        parse_spec(SPEC)


def test_a_kind_is_one_file_in_its_folder(copy_of_the_code: Path) -> None:
    """Only the example files are added; spec and schema have them, and torch stays out."""
    for code in (LIGHT, "import docs.generate\n"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=copy_of_the_code,
            input=json.dumps(SPEC),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() in ("[]", "")


@pytest.mark.slow
def test_a_study_of_new_kinds_alone_runs_to_its_gate(copy_of_the_code: Path) -> None:
    (copy_of_the_code / "toy.yaml").write_text(yaml.safe_dump(SPEC))
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "run", "toy.yaml", "--json", "result.json"],
        cwd=copy_of_the_code,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((copy_of_the_code / "result.json").read_text())
    (answer,) = document["result"]["gates"]["answers"]
    assert (answer["rule"], answer["answer"]) == ("steady:10", "pass")
    (finalist,) = document["result"]["finalists"]
    assert finalist["branch"] == "pulled" and finalist["sealed"]["score"] < 1.0


@pytest.fixture(scope="module")
def copy_of_the_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the page's examples in their folders, and nothing else."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("metaopt", "service", "migrations", "docs"):
        ignored = shutil.ignore_patterns("__pycache__", "omniglot.xz", "images")
        shutil.copytree(ROOT / package, root / package, ignore=ignored)
    for path, code in EXAMPLES.items():
        assert not (root / path).exists()
        (root / path).write_text(code, encoding="utf-8")
    return root
