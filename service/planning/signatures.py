"""Signatures: what the trials of a branch share, and the task banks they are judged on.

Caps come from the space, not from a trial, so that the trials of a branch fit one program, or where
inner steps are unrolled, a few.
"""

from typing import Any

from metaopt.algorithms.algorithm import steps_of
from metaopt.algorithms.registry import ALGORITHMS, parameters
from metaopt.evaluation.bank import BankSpec
from metaopt.keys import key
from metaopt.metaparams import Value
from metaopt.metrics.registry import default_metric
from metaopt.population.signature import Signature, signature_of, step_bucket
from service.db.roles import BankName
from service.wire.spec.pruning import may_be_second_order
from service.wire.spec.space import Branch, ChoiceList, Range
from service.wire.spec.study import StudySpec


def step_caps(spec: StudySpec, branch: Branch) -> tuple[int, int]:
    """(step_cap, test_cap): most inner steps a trial of `branch` can train and be scored
    with; 0 without an inner loop.  `test_steps` 0 means as many as it trains with.
    """
    step_cap = max(_numbers(branch, "inner_steps"))
    tests = _numbers(branch, "test_steps")
    follows_training = step_cap if min(tests) <= 0 else 0
    curve = spec.evaluation.curve_steps if ALGORITHMS.get(branch.algorithm).has_inner_loop else 0
    return step_cap, max(*tests, follows_training, curve)


def trial_signature(spec: StudySpec, branch: Branch, params: dict[str, Value]) -> Signature:
    """The signature of a trial of `branch` with all its `params`."""
    most, test_cap = _trial_caps(spec, branch, params)
    return signature_of(
        tasks=spec.tasks.model_dump(),
        model=spec.model_of(branch).model_dump(),
        algorithm=branch.algorithm,
        params=params,
        step_cap=step_bucket(ALGORITHMS.get(branch.algorithm), params, most),
        test_cap=test_cap,
    )


def searches_structure(branch: Branch) -> bool:
    """Whether trials of `branch` may differ in what a program shares."""
    params = parameters(branch.algorithm)
    searched = branch.distributions()
    unrolls = ALGORITHMS.get(branch.algorithm).unrolls is not None
    buckets = unrolls and "inner_steps" in searched
    return buckets or any(not params[name].lane for name in searched)


def changes_program(spec: StudySpec, branch: Branch) -> bool:
    """Whether trials of `branch` may change their program on the way."""
    return spec.pruning.first_order_until is not None and may_be_second_order(branch)


def task_bank(spec: StudySpec, name: BankName, steps: int) -> BankSpec:
    """One of the banks of a study, with a curve of `steps` inner steps."""
    k_shot, q_query = spec.evaluation_shots()
    metric = spec.tasks.metric_record
    by_default = metric.name == default_metric(metric.target)
    split, stream, tasks = {
        "validation": ("validation", "bank", spec.evaluation.tasks),
        "sealed": ("test", "sealed", spec.verdict.tasks),
        "gates": ("test", "gates", spec.gates.most_tasks),
    }[name]
    return BankSpec(
        split=split,
        seed=key(spec.seed, stream),
        tasks=tasks,
        k_shot=k_shot,
        q_query=q_query,
        steps=steps,
        transductive=spec.evaluation.transductive,
        metric=None if by_default else metric.name,
    )


def own_test_steps(params: dict[str, Value]) -> int:
    """The number of inner steps after which a trial with these params is scored."""
    return steps_of(params).test


def _trial_caps(spec: StudySpec, branch: Branch, params: dict[str, Value]) -> tuple[int, int]:
    # The defaults that a verdict compares with may lie outside the space.
    most, test_cap = step_caps(spec, branch)
    steps = steps_of(params)
    return max(most, steps.train), max(test_cap, steps.test)


def _numbers(branch: Branch, name: str) -> list[int]:
    entry: Any = branch.distributions().get(name)
    if isinstance(entry, Range):
        return [int(entry.low), int(entry.high)]
    if isinstance(entry, ChoiceList):
        return [int(choice) for choice in entry.choices]
    return [int(branch.fixed().get(name, 0))]
