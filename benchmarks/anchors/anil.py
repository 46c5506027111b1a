"""ANIL against MAML on Omniglot 5-way 1-shot: as good, and cheaper.

Raghu et al. (2020), arXiv:1909.09157, find no difference that counts; learn2learn's tutorial gives
their table for Omniglot 20-way 1-shot: MAML 93.7 ± 0.7, ANIL 96.2 ± 0.5 (the paper was not read).
Their network has 64 filters; this one is for a core or two.
"""

import statistics
from collections.abc import Iterator
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.anchors.figure import Anchor, Asked, Figure
from benchmarks.recipe import Judged, Machine, Recipe, mean, population, took, trained, words
from metaopt.evaluation.bank import BankSpec

META_ITERATIONS = 1_000
MARGIN = 0.02
TURNS = 7
SOURCE = (
    "ANIL − MAML = 96.2 ± 0.5 − 93.7 ± 0.7 at 20 ways (Raghu et al., Table 1, by learn2learn's "
    "ANIL tutorial)"
)
PARAMS: dict[str, Any] = {
    "inner_lr": 0.4, "inner_steps": 3, "test_steps": 3, "meta_batch": 8, "outer_lr": 1e-2,
    "schedule": "cosine",
}  # fmt: skip


def recipe(algorithm: str, meta_iterations: int) -> Recipe:
    """One side of the comparison."""
    return Recipe(
        tasks={"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 1},
        model={"kind": "conv4", "filters": 8},
        algorithm=algorithm,
        params=PARAMS,
        meta_iterations=meta_iterations,
        bank=BankSpec("test", seed=0, tasks=600, k_shot=1, q_query=5, steps=3),
    )


def measure(asked: Asked) -> Iterator[Figure]:
    """Accuracy, arithmetic and seconds of both."""
    length = asked.length(META_ITERATIONS)
    ends: dict[str, Judged] = {}
    for algorithm in ("maml", "anil"):
        *_, ends[algorithm] = trained(recipe(algorithm, length), asked.machine)
    gain = mean(ends["anil"].scores - ends["maml"].scores)
    yield Figure(
        "accuracy, ANIL − MAML, paired by task and seed",
        SOURCE,
        f"{words(gain)}; ANIL {words(ends['anil'].mean)}, MAML {words(ends['maml'].mean)}",
        f"ANIL is no worse: the interval does not end below 0, nor begin below −{100 * MARGIN:g} "
        "points",
        gain.high >= 0 and gain.low >= -MARGIN,
    )
    flops = [_flops(recipe(name, length), asked.machine) for name in ("anil", "maml")]
    yield Figure(
        "FLOPs of a meta-iteration, ANIL / MAML",
        "",
        f"{flops[0] / flops[1]:.2f} ({flops[0] / 1e6:.0f} and {flops[1] / 1e6:.0f} MFLOP)",
        "below 0.5",
        flops[0] < 0.5 * flops[1],
    )
    ratio, seconds = _seconds(asked)
    yield Figure(
        "seconds of a meta-iteration, ANIL / MAML, in turns",
        "",
        f"{ratio:.2f} ({1e3 * seconds[0]:.1f} and {1e3 * seconds[1]:.1f} ms of a seed)",
        "below 0.8",
        ratio < 0.8,
    )


def _flops(recipe: Recipe, machine: Machine) -> int:
    """Of a meta-iteration of one seed, counted in the eager program."""
    lanes = population(recipe, Machine(machine.device, 1))
    counter = FlopCounterMode(display=False)
    with counter:
        lanes.advance(1)
    return int(counter.get_total_flops())


def _seconds(asked: Asked) -> tuple[float, tuple[float, float]]:
    """The median ratio of turns, and the median seconds of a meta-iteration of a seed."""
    machine, part = asked.machine, asked.length(10)
    sides = [population(recipe(name, 10_000), machine) for name in ("anil", "maml")]
    for side in sides:
        side.advance(2)
    turns = [
        tuple(took(side, part, machine.device) / part / machine.seeds for side in sides)
        for _ in range(TURNS)
    ]
    ratio = statistics.median(anil / maml for anil, maml in turns)
    anil, maml = (statistics.median(values) for values in zip(*turns, strict=True))
    return ratio, (anil, maml)


ANCHOR = Anchor(
    "anil",
    "ANIL against MAML: Omniglot 5-way 1-shot, conv4 of 8 filters (64 in the papers), 3 inner "
    f"steps, 8 tasks of one query drawing a class, {META_ITERATIONS:,} meta-iterations; 600 test "
    "tasks, transductive",
    measure,
    seeds=3,
)
