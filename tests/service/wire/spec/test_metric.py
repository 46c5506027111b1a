"""What tasks are scored by: an option of theirs that nothing trained or drawn depends on."""

from typing import Any

import pytest

from metaopt.metrics.registry import METRICS
from service.errors import InvalidSpec
from service.planning.banks import gate_bank, sealed_bank
from service.planning.signatures import task_bank, trial_signature
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST

LINEAR = {"kind": "linear"}

DIGESTS = {
    "sinusoid": ("5bb0a9cea7906e0c", "6bded794db4ec343", "c5fd83b5c6f3dffe"),
    "omniglot": ("f5087f203f1c3991", "790bd17bc10406b4", "e15f2e6b380c54bb"),
    "linear": ("e5e527a786ee9627", "bb60d27085af516e", "e232e573402e3f4c"),
}
"""Of signature, sealed bank and gate bank before tasks had a metric."""


def spec_of(kind: str, **tasks: Any) -> StudySpec:
    ways = {"n_way": 3} if kind == "omniglot" else {}
    return parse_spec({**LEAST, "tasks": {"kind": kind, **ways, **tasks}, "model": LINEAR})


def digests(spec: StudySpec) -> tuple[str, str, str]:
    branch = spec.branches[0]
    signature = trial_signature(spec, branch, branch.defaults())
    bank = gate_bank(spec, task_bank(spec, "gates", 0))
    return signature.digest()[:16], sealed_bank(spec)[:16], bank[:16]


@pytest.mark.parametrize("kind", DIGESTS)
def test_by_default_nothing_has_another_digest_than_before(kind: str) -> None:
    spec = spec_of(kind)
    assert digests(spec) == DIGESTS[kind]
    assert task_bank(spec, "validation", 0).metric is None
    chosen = spec_of(kind, metric=spec.metric())
    assert chosen == spec and digests(chosen) == digests(spec)


@pytest.mark.parametrize(
    ("kind", "metric", "maximize"),
    [
        ("sinusoid", "mae", False),
        ("linear", "nmse", False),
        ("omniglot", "cross_entropy", False),
        ("omniglot", "macro_f1", True),
    ],
)
def test_another_metric_changes_scores_but_neither_tasks_nor_training(
    kind: str, metric: str, maximize: bool
) -> None:
    plain, spec = spec_of(kind), spec_of(kind, metric=metric)
    assert (spec.metric(), spec.maximize()) == (metric, maximize)
    goals = spec.goals()
    assert (goals.maximize, goals.possible) == (maximize, METRICS.get(metric).possible)
    signature, sealed, gates = digests(spec)
    assert (signature, sealed) == digests(plain)[:2], "lanes and sealed tasks are the same"
    assert gates != digests(plain)[2], "scores on a gate bank are not"
    assert task_bank(spec, "validation", 0).metric == metric


def test_a_stored_spec_without_a_metric_is_the_default_s() -> None:
    spec = spec_of("sinusoid")
    stored = spec.model_dump(mode="json")
    assert stored["tasks"].pop("metric") == "mse"
    assert StudySpec.model_validate(stored) == spec


@pytest.mark.parametrize(
    ("kind", "tasks", "message"),
    [
        ("omniglot", {"metric": "mse"}, "must be one of accuracy, cross_entropy, macro_f1, got 'm"),
        ("sinusoid", {"metric": "nmes"}, "got 'nmes', did you mean nmse?"),
        ("sinusoid", {"metric": "nmse", "q_query": 1}, "nmse needs evaluation.q_query >= 2, got 1"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(
    kind: str, tasks: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        spec_of(kind, **tasks)
    assert message in str(refusal.value.errors[0].message)
