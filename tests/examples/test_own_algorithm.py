"""examples/own-algorithm and its page: the package is proven, tuned, and shown as it is."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from metaopt import BankSpec, evaluate, load_plugins, train
from metaopt.algorithms import maml
from metaopt.algorithms.drawn import Drawn, nothing
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Episodes, Examples
from metaopt.tasks.make import make_tasks
from service.cli.specs import read_spec
from service.wire.spec.refusals import parse_spec
from tests import reference
from tests.fakes.plugins import importable, install

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own-algorithm"
PAGE = ROOT / "docs" / "own-algorithm.md"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]


def installed(directory: Path) -> None:
    """The example as pip installs it."""
    files = {f"ringdown/{path.name}": path.read_text("utf-8") for path in EXAMPLE.glob("*/*.py")}
    install(directory, PROJECT["name"], PROJECT["version"], files, PROJECT["entry-points"])


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    installed(tmp_path)
    with importable(tmp_path):
        load_plugins(PROJECT["name"])
        yield tmp_path


def test_the_page_shows_the_files_of_the_example() -> None:
    text = PAGE.read_text("utf-8")
    shown = dict(re.findall(r"```(?:python|toml|yaml)\n# (\S+\.\w+)\n(.*?)```", text, re.DOTALL))
    assert set(shown) == {
        "ringdown/multi_step.py", "ringdown/tasks.py", "ringdown/nets.py", "pyproject.toml",
        "study.yaml",
    }  # fmt: skip
    for path, content in shown.items():
        assert content == (EXAMPLE / path).read_text("utf-8"), path


@pytest.fixture
def problem() -> tuple[Learner, Tensor, Episodes]:
    generator = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    learner = Learner(Mlp((2,), (6,), 1, "tanh"), classification=False)
    support = Examples(normal(3, 2, 5, 2), normal(3, 2, 5, 1))
    query = Examples(normal(3, 2, 7, 2), normal(3, 2, 7, 1))
    return learner, 0.4 * normal(3, learner.layout.total), Episodes(support, query)


def meta_gradient(problem: Any, gamma: list[float], steps: list[int]) -> tuple[Tensor, Tensor]:
    learner, phi, episodes = problem
    numbers = {
        "inner_lr": torch.tensor([0.05, 0.1, 0.2]).double(),
        "gamma": torch.tensor(gamma).double(),
        "inner_steps": torch.tensor(steps),
    }
    drawn = Drawn(*episodes, nothing(torch.zeros(3, 2, dtype=torch.int64)))
    found = ALGORITHMS.get("multi_step").meta_gradient(
        learner, phi, drawn, numbers=numbers, options={}, step_cap=3, state=None
    )
    return found.gradient, found.loss


@pytest.mark.usefixtures("package")
def test_its_meta_gradient_is_that_of_a_plain_loop(problem: Any) -> None:
    learner, phi, (support, query) = problem
    gammas, steps = [0.5, 0.9, 1.0], [3, 2, 1]
    gradient, losses = meta_gradient(problem, gammas, steps)
    for lane, (gamma, count) in enumerate(zip(gammas, steps, strict=True)):
        rate = (0.05, 0.1, 0.2)[lane]
        start = {
            n: p.requires_grad_() for n, p in learner.layout.unflatten(phi[lane].clone()).items()
        }
        start = {n: p.detach().requires_grad_() for n, p in start.items()}
        total = torch.zeros((), dtype=torch.float64)
        for task in (0, 1):
            theta, after = start, []
            for _ in range(count):
                outputs = reference.mlp(theta, support.x[lane, task], "tanh")
                loss = ((outputs - support.y[lane, task]) ** 2).mean()
                found = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
                theta = {n: p - rate * g for (n, p), g in zip(theta.items(), found, strict=True)}
                outputs = reference.mlp(theta, query.x[lane, task], "tanh")
                after.append(((outputs - query.y[lane, task]) ** 2).mean())
            weights = [gamma ** (count - k) for k in range(1, count + 1)]
            total = (
                total
                + sum(w * one for w, one in zip(weights, after, strict=True)) / sum(weights) / 2
            )
        expected = torch.autograd.grad(total, list(start.values()))
        flat = learner.layout.flatten(dict(zip(start, expected, strict=True)))
        assert torch.allclose(gradient[lane], flat, atol=1e-12)
        assert torch.allclose(losses[lane], total, atol=1e-12)


@pytest.mark.usefixtures("package")
def test_without_weight_on_earlier_steps_it_is_maml(problem: Any) -> None:
    learner, phi, episodes = problem
    steps = [3, 2, 1]
    gradient, losses = meta_gradient(problem, [0.0, 0.0, 0.0], steps)
    expected, loss = maml.meta_gradient(
        learner, phi, episodes, inner_lr=torch.tensor([0.05, 0.1, 0.2]).double(),
        inner_steps=torch.tensor(steps), step_cap=3,
    )  # fmt: skip
    assert torch.allclose(gradient, expected, atol=1e-13) and torch.allclose(losses, loss)


@pytest.mark.usefixtures("package")
def test_its_tasks_are_functions_of_their_keys() -> None:
    tasks = make_tasks({"kind": "ringdown"}, dtype=torch.float64)
    keys = torch.arange(6)
    many = tasks.sample("test", keys, 4, 3)
    for i in (0, 5):
        one = tasks.sample("test", keys[i], 4, 3)
        assert torch.equal(many.support.x[i], one.support.x)
        assert torch.equal(many.query.y[i], one.query.y)
    other = tasks.sample("train", keys, 4, 3)
    assert not torch.equal(other.support.x, many.support.x)
    x = many.query.x
    assert bool(((x >= 0) & (x <= 3)).all()) and float(many.query.y.abs().max()) <= 1.5


def test_the_notebook_of_the_page_prints_that_it_learns(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = PAGE.read_text("utf-8").split("```python\nfrom metaopt")[1].split("```")[0]
    shorter = f"from metaopt{code}".replace("meta_iterations=1500", "meta_iterations=60")
    assert shorter.count("meta_iterations=60") == 1
    exec(shorter, {})
    curves = [re.findall(r"[\d.]+", line) for line in capsys.readouterr().out.splitlines()]
    assert [len(curve) for curve in curves] == [6, 6]


@pytest.mark.usefixtures("package")
def test_it_learns() -> None:
    bank = BankSpec("test", seed=0, tasks=50, k_shot=5, q_query=20, steps=3)
    before, after = (
        evaluate(
            train(
                "multi_step",
                tasks={"kind": "ringdown"},
                model={"kind": "module", "ref": "ringdown.nets:Sines"},
                params={"inner_lr": 0.03, "outer_lr": 3e-3},
                meta_iterations=count,
            ),
            bank,
        )[0].curve[3]
        for count in (1, 150)
    )
    assert after < 0.6 * before


@pytest.mark.usefixtures("package")
def test_its_study_is_a_valid_spec_that_searches_gamma() -> None:
    spec = parse_spec(read_spec(EXAMPLE / "study.yaml"))
    multi_step, plain = spec.branches
    assert set(multi_step.space) == {"inner_lr", "outer_lr", "gamma"}
    assert plain.algorithm == "maml"


@pytest.mark.slow
def test_its_study_is_run_from_its_files_alone(tmp_path: Path) -> None:
    own = EXAMPLE / "ringdown"
    smaller = (
        "model.ref=nets:Sines", "budget.trials=2", "budget.meta_iterations=20",
        "pruning.rungs=[10]", "evaluation.tasks=20", "verdict.tasks=20",
        "verdict.seeds=1",
    )  # fmt: skip
    files = [own / f"{name}.py" for name in ("multi_step", "tasks", "nets")]
    command = [
        "run", EXAMPLE / "study.yaml", "--data-directory", tmp_path / "data", "--json",
        tmp_path / "result.json", *(word for file in files for word in ("--import", file)),
        *(word for one in smaller for word in ("--set", one)),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", *map(str, command)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "result.json").read_text())
    finalists = document["result"]["finalists"]
    assert {one["branch"] for one in finalists} == {"multi_step", "maml"}
