"""Meta-SGD against MAML on sinusoids, at equal meta-iterations.

The recipe of 63days/Meta-SGD (main.py, meta.py): 60,000 meta-iterations of 4 tasks, 10 query
points, one inner step, Adam 1e-3, MAML with α = 0.01, the rates of Meta-SGD from one drawn from
U[0.005, 0.1]; there in first order, here in second, as both papers have it.  The figures at 5 shots
are the Meta-SGD paper's as PaddlePaddle/PARL's README gives them: the paper was not read.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.anchors.figure import Anchor, Asked, Figure
from benchmarks.recipe import Judged, Recipe, mean, trained, words
from metaopt.evaluation.bank import BankSpec

META_ITERATIONS = 60_000
SHARED = {"inner_steps": 1, "test_steps": 1, "meta_batch": 4, "outer_lr": 1e-3}
PARAMS: dict[str, dict[str, Any]] = {
    "maml": {**SHARED, "inner_lr": 0.01},
    "meta_sgd": {**SHARED, "initial_rate": 0.0},  # 0: drawn for each seed
}
PUBLISHED = {
    5: (
        1.13, 0.90, 0.16,
        "Meta-SGD's paper, by PaddlePaddle/PARL's README: 1.13 ± 0.18 and 0.90 ± 0.16",
    ),
    10: (0.67, 0.31, 0.08, "63days/Meta-SGD, README: 0.6702 and 0.3145"),
}  # fmt: skip
"""By shots: MAML's, Meta-SGD's, by how much ours may be above the latter, and the source."""


def recipe(algorithm: str, shots: int, meta_iterations: int) -> Recipe:
    """One side of the comparison."""
    return Recipe(
        tasks={"kind": "sinusoid", "k_shot": shots, "q_query": 10},
        model={"kind": "mlp", "widths": [40, 40]},
        algorithm=algorithm,
        params=PARAMS[algorithm],
        meta_iterations=meta_iterations,
        bank=BankSpec("test", seed=0, tasks=1000, k_shot=shots, q_query=100, steps=1),
    )


def measure(asked: Asked) -> Iterator[Figure]:
    """Both algorithms at both numbers of shots."""
    for shots, (_, theirs, tolerance, source) in PUBLISHED.items():
        length = asked.length(META_ITERATIONS)
        ends: dict[str, Judged] = {}
        for algorithm in PARAMS:
            *_, ends[algorithm] = trained(recipe(algorithm, shots, length), asked.machine)
        gain = mean(ends["maml"].scores - ends["meta_sgd"].scores)
        yield Figure(
            f"{shots} shots: squared error after one step, MAML − Meta-SGD, paired by task and "
            "seed",
            source,
            f"{words(gain, '')}; MAML {words(ends['maml'].mean, '')}, "
            f"Meta-SGD {words(ends['meta_sgd'].mean, '')}",
            "the interval of the difference lies above 0",
            gain.low > 0,
        )
        ours = ends["meta_sgd"].mean
        yield Figure(
            f"{shots} shots: squared error of Meta-SGD after one step",
            f"{theirs:g} ({source.split(':')[0]})",
            words(ours, ""),
            f"at most {theirs:g} + {tolerance:g}",
            ours.value <= theirs + tolerance,
        )


ANCHOR = Anchor(
    "meta_sgd",
    "Meta-SGD against MAML: sinusoids, MLP 40-40, 60,000 meta-iterations of 4 tasks, one inner "
    "step; 1,000 test tasks of 100 query points",
    measure,
    seeds=8,
    compiled=True,
)
