"""The benchmark of published figures: it measures what it says, and a miss fails the run."""

import json

import numpy as np
import pytest

from benchmarks.anchors import __main__ as anchors
from benchmarks.anchors import anil, meta_sgd, protonet, tables
from benchmarks.anchors.figure import Figure, text
from benchmarks.experiments import EXPERIMENTS, shortened
from benchmarks.recipe import Machine, mean, trained
from metaopt.presets import PRESETS, find_preset


def test_an_interval_is_of_tasks_and_of_seeds() -> None:
    tasks = np.linspace(0, 1, 101)
    together = mean(np.stack([tasks, tasks]))
    apart = mean(np.stack([tasks - 0.2, tasks + 0.2]))
    assert together.value == pytest.approx(0.5) == apart.value
    assert together.high - together.low < 0.2 < apart.high - apart.low
    nothing = mean(np.array([[1.0, np.inf]]))
    assert nothing.low == -np.inf and nothing.high == np.inf


def test_seeds_are_judged_on_the_same_tasks_on_the_way_and_at_the_end() -> None:
    recipe = meta_sgd.recipe("meta_sgd", 5, 4)
    first, last = trained(recipe, Machine("cpu", 2), [2])
    assert (first.meta_iterations, last.meta_iterations) == (2, 4)
    assert last.scores.shape == (2, recipe.bank.tasks) and last.seconds > 0 == last.diverged
    assert (first.scores != last.scores).any()


def test_both_sides_train_alike_but_for_the_algorithm() -> None:
    sides = [meta_sgd.recipe(name, 10, 7) for name in ("maml", "meta_sgd")]
    sides += [anil.recipe(name, 7) for name in ("maml", "anil")]
    for one, other in (sides[:2], sides[2:]):
        assert (one.tasks, one.model, one.bank) == (other.tasks, other.model, other.bank)
        assert one.meta_iterations == other.meta_iterations == 7
        assert one.params["meta_batch"] == other.params["meta_batch"]
    assert protonet.recipe(7).meta_iterations == 7


def test_a_run_too_short_misses_and_says_so(tmp_path, capsys) -> None:
    options = ["--only", "meta_sgd", "--eager", "--seeds", "2", "--meta-iterations", "2"]
    assert anchors.main([*options, "--results", str(tmp_path)]) == 1
    told = (tmp_path / "anchors_meta_sgd.txt").read_text()
    assert told == capsys.readouterr().out
    assert "MISSES: at most 0.31 + 0.08" in told and "0.6702" in told
    written = json.loads((tmp_path / "anchors_meta_sgd.json").read_text())
    assert written["meta_iterations"] == 2 and len(written["figures"]) == 4
    assert written["figures"][1]["holds"] is False


def test_a_figure_says_whether_it_holds() -> None:
    said = text(Figure("a", "b", "c", "d", True)), text(Figure("a", "", "c"))
    assert "holds: d" in said[0] and "published  b" in said[0]
    assert "holds" not in said[1] and "published" not in said[1]


def test_the_tables_train_whole_presets_on_a_gpu_alone() -> None:
    assert tables.ANCHOR.devices == ("cuda",)
    for name, (published, _, source) in tables.TABLE.items():
        assert f"{100 * published:.4g}" in source
        recipe = EXPERIMENTS[name].recipe(name, small=False)
        assert recipe.params == find_preset(name).params()
        assert recipe.model.get("filters", 64) == 64 and recipe.meta_iterations >= 40_000


def test_every_preset_has_an_experiment_of_its_algorithm() -> None:
    assert EXPERIMENTS.keys() == PRESETS.keys()
    for name, experiment in EXPERIMENTS.items():
        small = shortened(experiment.recipe(name, small=True), None)
        assert small.tasks["kind"] == find_preset(name).tasks
        assert small.bank.steps >= int(small.params.get("test_steps", 0))
        assert 0 < small.meta_iterations <= experiment.meta_iterations
