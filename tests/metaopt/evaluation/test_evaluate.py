"""Scores by other metrics, and in the unit of the data."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from metaopt import BankSpec, TaskKind, Trained, evaluate, train
from metaopt.errors import InvalidTasks
from metaopt.tasks.dataset.tasks import DatasetTasks
from metaopt.tasks.registry import TASKS
from tests.fakes.packed import table
from tests.fakes.toys import PARABOLA

BANK = BankSpec("test", seed=1, tasks=6, k_shot=3, q_query=5, steps=1)
SINUSOID = {"kind": "sinusoid", "k_shot": 3, "q_query": 5}


def trained(tasks: Any, **more: Any) -> Trained:
    params = {"inner_lr": 0.01, "meta_batch": 2}
    model = {"kind": "mlp", "widths": [8]}
    return train("maml", tasks=tasks, model=model, params=params, meta_iterations=2, **more)


def scores(of: Trained, bank: BankSpec = BANK, **more: Any) -> list[float]:
    return evaluate(of, bank, **more)[0].scores


def test_training_does_not_depend_on_the_metric_and_a_bank_may_choose_it() -> None:
    plain, other = trained(SINUSOID), trained({**SINUSOID, "metric": "mae"})
    assert torch.equal(plain.phi, other.phi)
    assert scores(plain) == scores(other, replace(BANK, metric="mse"))
    assert scores(other) == scores(plain, replace(BANK, metric="mae")) != scores(plain)
    assert scores(plain, tasks={**SINUSOID, "metric": "mae"}) == scores(other)
    assert scores(other, tasks=TASKS.get("sinusoid")) == scores(plain)


def test_a_kind_with_one_metric_is_scored_by_it() -> None:
    only: TaskKind = replace(PARABOLA, metrics=("mae",))
    both = [trained(kind) for kind in (only, PARABOLA)]
    assert scores(both[0]) == scores(both[1], replace(BANK, metric="mae"))


def test_a_metric_of_other_targets_or_of_none_is_refused() -> None:
    result = trained(SINUSOID)
    with pytest.raises(
        InvalidTasks, match="accuracy does not fit tasks of numbers: take one of ma"
    ):
        scores(result, replace(BANK, metric="accuracy"))
    with pytest.raises(InvalidTasks, match="metric must be one of accuracy, .*, got 'acuracy'"):
        replace(BANK, metric="acuracy")
    with pytest.raises(InvalidTasks, match="metric nmse needs q_query >= 2, got 1"):
        replace(BANK, metric="nmse", q_query=1)
    with pytest.raises(InvalidTasks, match="metric nmse needs q_query >= 2, got 1"):
        scores(trained({**SINUSOID, "metric": "nmse"}), replace(BANK, q_query=1))
    with pytest.raises(InvalidTasks, match="tasks.metric must be one of mse, mae, nmse, got 'f1'"):
        trained({**SINUSOID, "metric": "f1"})


def test_a_bank_without_a_metric_is_that_of_earlier_versions() -> None:
    assert "metric" not in BANK.to_json() and BankSpec.from_json(BANK.to_json()) == BANK
    chosen = replace(BANK, metric="mae")
    assert BankSpec.from_json(chosen.to_json()) == chosen


@pytest.mark.parametrize(("metric", "power"), [("mse", 2), ("mae", 1), ("nmse", 0)])
def test_scores_are_in_the_unit_of_the_data_normalised_or_not(metric: str, power: int) -> None:
    bank = replace(BANK, metric=metric)
    raw, large = table([20] * 6, given=True, target="number"), None
    large = table([20] * 6, given=True, target="number")
    large.arrays["y"][...] *= 1e5
    tasks, larger = (DatasetTasks.of(packed) for packed in (raw, large))
    result = trained(tasks)
    errors = torch.tensor(scores(result, bank))
    assert larger.target_unit is not None and tasks.target_unit is not None
    assert larger.target_unit.spread == pytest.approx(1e5 * tasks.target_unit.spread)
    scaled = torch.tensor(scores(result, bank, tasks=larger))
    assert torch.allclose(scaled, errors * 1e5**power, rtol=1e-4)
    plain = DatasetTasks.of(raw, normalise="none")
    assert plain.target_unit is not None and plain.target_unit.scale.tolist() == [1.0]
    assert plain.target_unit.spread == tasks.target_unit.spread


def test_a_large_unit_is_no_divergence_and_a_diverged_task_scores_in_it() -> None:
    packed = table([20] * 6, given=True, target="number")
    packed.arrays["y"][...] *= 1e6
    tasks = DatasetTasks.of(packed)
    assert tasks.target_unit is not None
    result = trained(tasks)
    (fine,) = evaluate(result, BANK)
    assert fine.diverged_share == 0.0 and min(fine.scores) > 1e6
    numbers = {"inner_lr": torch.tensor([1e9])}
    broken = result._replace(adaptation=result.adaptation._replace(numbers=numbers))
    (lost,) = evaluate(broken, replace(BANK, steps=4), tasks=tasks)
    assert lost.curve[-1] == pytest.approx(1e6 * tasks.target_unit.spread**2)
