"""A change of order on the way: first-order meta-gradients to begin with, second-order after."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from metaopt import seeding
from metaopt.errors import CorruptCheckpoint, InvalidPopulation
from metaopt.evaluation.bank import BankSpec
from metaopt.keys import key
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of
from metaopt.population.train import train
from tests import reference
from tests.programs import use_compiled

TASKS = {"kind": "sinusoid", "k_shot": 4, "q_query": 3}
MLP = {"kind": "mlp", "widths": [6], "activation": "tanh"}
HORIZON = 16
COMPILED = pytest.param(True, marks=pytest.mark.slow, id="compiled, from its own program")


def params_of(seed: int) -> dict:
    rate = 0.02 * (1 + seed % 3)
    return {"inner_lr": rate, "inner_steps": 2, "outer_lr": 0.01, "meta_batch": 3}


def signature(order: str, **changes) -> Signature:
    # The caps differ as those of a study do: second-order programs have buckets.
    made = signature_of(
        tasks=TASKS, model=MLP, algorithm="maml", params={**params_of(0), "order": order},
        step_cap={"first": 5, "second": 2}[order], test_cap=5, dtype="float64",
    )  # fmt: skip
    return replace(made, **changes)


def population(order: str, programs: Path | None) -> Population:
    made = Population(signature(order), program_lanes=4)
    if programs is not None:
        use_compiled(made, programs)
    return made


def admit(made: Population, seed: int, order: str, checkpoint: Path | None = None) -> None:
    params = {**params_of(seed), "order": order}
    made.admit(f"t{seed}", params, seed=seed, horizon=HORIZON, checkpoint=checkpoint)


def by_hand(seed: int, until: int) -> torch.Tensor:
    """Return the weights after a whole trial: plain autograd, torch's Adam, one task at a time."""
    begin = population("first", None)
    admit(begin, seed, "first")
    weights = {k: v.clone().requires_grad_() for k, v in begin.weights(f"t{seed}").items()}
    params, optimizer = params_of(seed), torch.optim.Adam(weights.values(), lr=0.01)
    for age in range(HORIZON):
        of_iteration = seeding.fold_in(torch.tensor(seed), age)
        keys = seeding.fold_in(of_iteration, torch.arange(3))
        episodes = begin.program.tasks.sample("train", keys, 4, 3)
        tasks = [tuple((e.x[t], e.y[t]) for e in episodes) for t in range(3)]
        gradient, _ = reference.maml_gradient(
            lambda w, x: reference.mlp(w, x, "tanh"), weights, tasks, inner_lr=params["inner_lr"],
            steps=2, first_order=age < until,
        )  # fmt: skip
        for name, weight in weights.items():
            weight.grad = gradient[name]
        optimizer.step()
    return torch.cat([w.detach().flatten() for w in weights.values()])


def flat(made: Population, seed: int) -> torch.Tensor:
    return torch.cat([w.flatten() for w in made.weights(f"t{seed}").values()])


@pytest.mark.parametrize("compiled", [pytest.param(False, id="plain"), COMPILED])
def test_lanes_that_change_their_order_at_different_times_train_as_by_hand(
    compiled: bool, programs: Path, tmp_path: Path
) -> None:
    directory = programs if compiled else None
    first, second = (population(order, directory) for order in ("first", "second"))
    assert first.compiled == second.compiled == compiled
    for seed in (1, 2, 3):
        admit(first, seed, "first")
    first.advance(6)
    move(first, second, 1, tmp_path)  # beside nobody; the others stay
    first.advance(3)
    second.advance(4)
    move(first, second, 2, tmp_path)  # beside an older lane
    first.advance(7)
    second.advance(6)  # lane 1 has its 16
    evicted = flat(second, 1)
    second.evict("t1")
    second.advance(1)
    assert [second.state("t2").age, first.state("t3").age] == [HORIZON, HORIZON]
    for found, seed, until in (
        (evicted, 1, 6), (flat(second, 2), 2, 9), (flat(first, 3), 3, HORIZON)
    ):  # fmt: skip
        expected = by_hand(seed, until)
        assert (found - expected).norm() / expected.norm() < 1e-9
    assert (by_hand(1, 6) - by_hand(1, 0)).norm() > 1e-3, "the order made no difference"


def move(source: Population, to: Population, seed: int, directory: Path) -> None:
    path = directory / f"t{seed}"
    source.checkpoint(f"t{seed}", path)
    source.evict(f"t{seed}")
    admit(to, seed, "second", path)


def test_training_alone_gives_the_same_trial() -> None:
    trained = train(
        "maml", tasks=TASKS, model=MLP, params=params_of(0), meta_iterations=HORIZON, seed=5,
        dtype="float64", first_order_until=6,
    )  # fmt: skip
    seed = key("trial", 5, 0)
    expected = by_hand_with(seed, params_of(0))
    assert (trained.phi[0] - expected).norm() / expected.norm() < 1e-9


def by_hand_with(seed: int, params: dict) -> torch.Tensor:
    made = [Population(signature(order)) for order in ("first", "second")]
    made[0].admit("t", {**params, "order": "first"}, seed=seed, horizon=HORIZON)
    made[0].advance(6)
    made[1].take_over(made[0], order="second")
    made[1].advance(HORIZON - 6)
    assert made[0].lanes == []
    return torch.cat([w.flatten() for w in made[1].weights("t").values()])


@pytest.mark.parametrize(
    "structure", [{"meta_batch": 4}, {"outer_optimizer": "sgd"}, {"schedule": "cosine"}], ids=str
)
def test_nothing_but_the_order_may_change(structure: dict, tmp_path: Path) -> None:
    first = population("first", None)
    admit(first, 1, "first")
    first.checkpoint("t1", tmp_path / "lane")
    one = signature("second")
    other = Population(replace(one, structure={**one.structure, **structure}))
    with pytest.raises(CorruptCheckpoint, match="another signature"):
        params = {**params_of(1), "order": "second", **structure}
        other.admit("t1", params, seed=1, horizon=HORIZON, checkpoint=tmp_path / "lane")
    with pytest.raises(InvalidPopulation, match="order and inner_graph"):
        other.take_over(first, order="second")


def test_fewer_tasks_are_the_first_ones_of_the_bank() -> None:
    made = population("first", None)
    admit(made, 1, "first")
    whole, part = (
        made.evaluate(["t1"], BankSpec("validation", 5, tasks, 5, 10, 2))["t1"].scores
        for tasks in (120, 20)
    )
    assert part == pytest.approx(whole[:20], rel=1e-12)
