import json
import math
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import bench
from benchmarks.suite import table
from benchmarks.suite.contender import Setting
from benchmarks.suite.contenders import loop, ours, plain
from benchmarks.suite.driver import Outcome, Plan, check, measure
from benchmarks.suite.process import Refused
from benchmarks.suite.roster import LIMIT, Entry, roster, roster_of
from benchmarks.suite.works import CPU_WORKS, FAMILY_WORKS, find
from metaopt.algorithms.registry import ALGORITHMS
from tests import reference

WORK = find("sinusoid_second_1")
GRADIENT = {"w0": np.ones((1, 4)), "b0": np.zeros(4) + 1e-3}


def test_a_quick_run_writes_the_table_and_the_figures(tmp_path, capsys):
    bench.main(
        ["--quick", "--work", WORK.name, "--only", "ours_eager_8", "higher",
         "--peers", str(tmp_path / "none"), "--results", str(tmp_path / "results")]
    )  # fmt: skip
    written = (tmp_path / "results" / "latest.json").read_text()
    results = json.loads(written)
    assert list(results) == [WORK.name, "about"]
    figures = results[WORK.name]
    assert set(figures) == {"limit", "loop", "ours_eager_8"}
    assert all(ms > 0 and math.isfinite(ms) for ms in figures.values())
    assert figures["limit"] < figures["ours_eager_8"] < figures["loop"]

    reasons = results["about"]["works"][WORK.name]["skipped"]
    assert "make bench-peers" in reasons["higher"]
    text = (tmp_path / "results" / "bench.txt").read_text()
    assert capsys.readouterr().out == text
    for part in ("ours_eager_8", "higher skipped: does not import", torch.__version__, "MFLOP"):
        assert part in text
    for private in (str(Path.cwd()), platform.node()):
        assert private not in text + written


class Fake:
    """A process whose contenders answer at once with what they were given."""

    def __init__(self, gradient, fails_at=""):
        self.gradient, self.fails_at, self.orders = gradient, fails_at, []

    def ask(self, do, out="", **order):
        self.orders.append(do)
        if do == self.fails_at:
            raise Refused("its process ended")
        if do == "check":
            np.savez(out, **self.gradient)
        answers = {"make": {"torch": "2"}, "warm": 3, "time": 0.5}
        answers["facts"] = {"flops": 1e6, "flops_per_second": 1e9}
        return answers.get(do)


def measured(tmp_path, peer):
    home = Fake(GRADIENT)
    plan = Plan(2, 0.1, lambda e: peer if e.name == "peer" else home, tmp_path, lambda _: None)
    return measure(WORK, [Entry("peer", "peer", "peer", peer=True)], plan)


def test_a_contender_that_does_the_work_is_timed(tmp_path):
    outcome = measured(tmp_path, Fake(GRADIENT))
    assert outcome.milliseconds == {"limit": [0.5] * 2, "loop": [0.5] * 2, "peer": [0.5] * 2}
    assert outcome.versions == {"torch": "2", "torch (peers)": "2"}


@pytest.mark.parametrize(
    "gradient",
    [
        GRADIENT | {"w0": GRADIENT["w0"] * 1.001},
        GRADIENT | {"b0": GRADIENT["b0"] * np.nan},
        GRADIENT | {"w0": GRADIENT["w0"].T},
        {"w0": GRADIENT["w0"]},
    ],
)
def test_a_contender_that_computes_something_else_is_not_timed(tmp_path, gradient):
    peer = Fake(gradient)
    outcome = measured(tmp_path, peer)
    assert "its meta-gradient" in outcome.skipped["peer"]
    assert "peer" not in outcome.milliseconds and "time" not in peer.orders


@pytest.mark.parametrize("step", ["make", "warm", "time"])
def test_a_contender_that_fails_leaves_the_others(tmp_path, step):
    outcome = measured(tmp_path, Fake(GRADIENT, fails_at=step))
    assert outcome.skipped == {"peer": "its process ended"}
    assert set(outcome.milliseconds) == {"limit", "loop"}


def test_jax_is_its_best_form():
    times = {"limit": [0.2, 0.1], "jax_1": [3.0], "jax_map_8": [1.0, 2.0, 9.0]}
    outcome = Outcome(times, skipped={"jax_64": "no memory"})
    assert table.figures(outcome) == {"limit": 0.1, "jax": 2.0}
    assert table.skips(outcome) == {"jax_64": "no memory"}
    absent = Outcome({"limit": [0.1]}, skipped={"jax_1": "absent", "jax_8": "absent"})
    assert table.skips(absent) == {"jax": "absent"}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_contender_has_its_place_in_the_table(device):
    names = {"jax" if e.module == "jax" else e.name for e in roster(device)}
    assert names | {"limit", "loop"} <= set(table.ORDER)
    assert len({entry.name for entry in roster(device)} | {LIMIT.name}) == len(roster(device)) + 1


@pytest.mark.parametrize("work", [w for w in CPU_WORKS if not w.images], ids=lambda w: w.name)
def test_the_loop_computes_the_reference_gradient(work, tmp_path):
    example = ours.example(work, "cpu")
    found = loop.make(work, Setting("cpu", tmp_path)).gradient(example)
    weights = {name: torch.tensor(w) for name, w in example.weights.items()}
    arrays = [torch.tensor(a) for a in example.batch if a is not None]
    if work.algorithm == "reptile":
        x, y, order = arrays
        tasks = [[(x[t, rows], y[t, rows]) for rows in order[t]] for t in range(work.meta_batch)]
        mean, _ = reference.reptile_average(
            reference.mlp, weights, tasks, inner_lr=work.inner_lr, optimizer="sgd"
        )
        expected = {name: weights[name] - mean[name] for name in weights}
    else:
        x_s, y_s, x_q, y_q = arrays
        tasks = [((x_s[t], y_s[t]), (x_q[t], y_q[t])) for t in range(work.meta_batch)]
        expected, _ = reference.maml_gradient(
            reference.mlp, weights, tasks, inner_lr=work.inner_lr, steps=work.steps,
            first_order=work.first_order,
        )  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("work", [w for w in FAMILY_WORKS if not w.images], ids=lambda w: w.name)
def test_the_family_computes_what_its_plain_loops_do(work, tmp_path):
    few = replace(work, params={**work.params, "meta_batch": 3})
    example = ours.example(few, "cpu")
    found = ours.make(few, Setting("cpu", tmp_path), 2, False).gradient(example)
    expected = loop.make(few, Setting("cpu", tmp_path)).gradient(example)
    check(found, expected)
    assert all(np.abs(gradient).max() > 0 for gradient in expected.values())


def test_each_plain_loop_has_a_work_item():
    loops = {*plain.LOSSES, *plain.GRADIENTS, *plain.POOLED}
    assert {work.algorithm for work in FAMILY_WORKS} == loops
    assert loops <= set(ALGORITHMS.names())


def test_what_is_rounding_beside_the_whole_is_not_compared_to_itself():
    whole = {"w": np.ones(3), "b": np.full(3, 1e-8)}
    check({"w": np.ones(3), "b": np.full(3, 3e-8)}, whole)
    with pytest.raises(Refused, match="gradient of b"):
        check({"w": np.ones(3), "b": np.full(3, 1e-5)}, whole)


def test_only_ours_are_asked_for_the_family():
    entries = roster_of(FAMILY_WORKS[0], "cpu")
    assert entries and all(entry.module == "ours" for entry in entries)
    assert roster_of(WORK, "cpu") == roster("cpu")


@pytest.mark.parametrize(
    "arguments",
    [["--family", "--device", "cuda"], ["--family", "--work", WORK.name],
     ["--work", FAMILY_WORKS[0].name]],
)  # fmt: skip
def test_the_family_is_asked_for_by_name_and_on_a_cpu(arguments, capsys):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    told = capsys.readouterr().err
    assert "--family runs on the CPU alone" in told or "--work must be one of" in told
