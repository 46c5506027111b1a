"""Does the verdict hold where data misbehave?  Equal finalists in families of noise.

Three finalists that are truly equal, the worst case for whoever believes the winner, and a
reference are judged by the real verdict (`service/judgement/verdict.py`); their losses are made up
(`benchmarks/noise_families.py`).  In the last family they are those of real trainings, of MAML and
of Reptile near the edge of divergence, any three of them and a reference (`score_vectors.py`).
"""

import math
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from benchmarks.noise_families import FAMILIES, Family, Losses, Luck
from benchmarks.verdict_world import read_edge_table
from metaopt.algorithms.registry import complete
from service.judgement.estimates import SealedRun
from service.judgement.verdict import Beside, SearchTrial, study_result
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult

FINALISTS = 3
SEEDS = (2, 3, 5)
PARAMS = complete("maml", {})
UNADAPTED = 3.0  # what the loss is without adaptation: a hundred times it explodes
Truths = Sequence[float]
Draw = Callable[[Luck, int], tuple[Losses, Truths]]
"""(luck, seeds) -> losses (contenders, seeds, tasks), and what they truly are."""


class Outcome(NamedTuple):
    """What a family's verdicts were like: shares, but for the width."""

    finalists: float
    winner: float
    winner_worse: float
    noisiest: float
    difference_wrong: float
    tied: float
    cautioned: float
    half_width: float


EDGE = "MAML and Reptile at the edge"
NAMES = (*(family.name for family in FAMILIES), EDGE)


def simulate_families(studies: int, jobs: int = 1) -> dict[str, dict[int, Outcome]]:
    """The outcome of each family by number of seeds."""
    with ProcessPoolExecutor(jobs) as pool:
        coming = {n: pool.submit(simulate_family, n, studies) for n in NAMES}
        return {name: outcomes.result() for name, outcomes in coming.items()}


def simulate_family(name: str, studies: int, *, tasks: int = 400) -> dict[int, Outcome]:
    """The outcome of a family by number of seeds."""
    if name == EDGE:
        draw = _real(read_edge_table().scores[:, :, -1], tasks)
    else:
        draw = _made_up(next(family for family in FAMILIES if family.name == name), tasks)
    return {seeds: simulate(draw, studies, seeds) for seeds in SEEDS}


def simulate(draw: Draw, studies: int, seeds: int) -> Outcome:
    """How often verdicts are right."""
    luck = np.random.default_rng([seeds, studies])
    spec = _spec(seeds)
    outcomes = []
    for _ in range(studies):
        losses, truths = draw(luck, seeds)
        outcomes.append(_judge(judged(spec, losses), truths))
    return _mean(outcomes)


def _made_up(family: Family, tasks: int) -> Draw:
    return lambda luck, seeds: (
        family.draw(luck, FINALISTS + 1, seeds, tasks),
        [1.0] * (FINALISTS + 1),
    )


def _real(scores: np.ndarray, tasks: int) -> Draw:
    """Draws of a table (configurations, seeds, tasks)."""
    truths = scores.mean(axis=(1, 2))

    def draw(luck: Luck, seeds: int) -> tuple[Losses, Truths]:
        chosen = luck.choice(len(scores), FINALISTS + 1, replace=False)
        bank = luck.integers(scores.shape[2], size=tasks)
        trainings = [luck.choice(scores.shape[1], seeds, replace=False) for _ in chosen]
        losses = [scores[c][own][:, bank] for c, own in zip(chosen, trainings, strict=True)]
        return np.stack(losses), truths[chosen].tolist()

    return draw


def judged(spec: StudySpec, losses: Losses) -> StudyResult:
    """The verdict on losses (contenders, seeds, tasks), the last of which is the reference."""
    *finalists, reference = losses
    trials = [
        SearchTrial(n, "maml", "completed", PARAMS, 1.0 + n / 1000, 1.0, 0, 0.9, 1.1)
        for n in range(len(finalists))
    ]
    runs = [_run(scores, n) for n, seeds in enumerate(finalists) for scores in seeds]
    beside = [Beside("default", "maml", PARAMS, [_run(scores, None) for scores in reference])]
    return study_result(spec, trials, runs, beside=beside, counts={}, wall_seconds=0.0)


def _spec(seeds: int) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "simulated",
            "tasks": {"kind": "sinusoid"},
            "model": {"kind": "mlp"},
            "branches": [{"algorithm": "maml", "space": {"inner_lr": {"low": 0.01, "high": 0.1}}}],
            "verdict": {"finalists": FINALISTS, "seeds": seeds},
        }
    )


def _run(scores: np.ndarray, source: int | None) -> SealedRun:
    listed = scores.tolist()
    mean = statistics.fmean(listed)
    return SealedRun(0, source, "completed", None, mean, listed, [UNADAPTED, mean], 0.0, 1.0)


def _judge(result: StudyResult, truths: Truths) -> Outcome:
    best, difference = result.finalists[0], result.comparison and result.comparison.difference
    assert best.sealed is not None and difference is not None
    winner, truth = best.sealed, truths[best.trial_number]
    covered = {
        each.trial_number: each.sealed.low <= truths[each.trial_number] <= each.sealed.high
        for each in result.finalists
        if each.sealed is not None
    }
    return Outcome(
        finalists=statistics.fmean(covered.values()),
        winner=covered[best.trial_number],
        winner_worse=truth > winner.high,
        noisiest=covered[FINALISTS - 1],
        difference_wrong=not difference.low <= truth - truths[-1] <= difference.high,
        tied=statistics.fmean(finalist.tied_with_best for finalist in result.finalists[1:]),
        cautioned=any(caution.code != "unseen" for caution in result.cautions),
        half_width=(winner.high - winner.low) / 2,
    )


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    *shares, widths = zip(*outcomes, strict=True)
    return Outcome(
        *(statistics.fmean(map(float, share)) for share in shares), statistics.median(widths)
    )


HEADER = (
    "finalists",
    "winner",
    "truth worse",
    "the noisiest",
    "default ≠",
    "tied",
    "cautioned",
    "half width",
)


def text(results: dict[str, dict[int, Outcome]], studies: int) -> str:
    """The figures as a page."""
    error = 100 * math.sqrt(0.95 * 0.05 / studies)
    lines = [
        f"Three equal finalists and an equal reference, {studies} verdicts for each line,",
        f"per cent (of 95 ± {error:.1f}).  Half widths are the winner's, in true losses,",
        "median.  Cautioned: of tasks or unsteady trainings, beside what every verdict says.",
        "",
        f"{'':34}" + "".join(f"{title:>14}" for title in HEADER),
    ]
    for name, by_seeds in results.items():
        for seeds, outcome in by_seeds.items():
            *shares, width = outcome
            cells = [f"{100 * share:.1f}" for share in shares] + [f"{width:.3f}"]
            lines.append(f"{f'{name}, {seeds} seeds':34}" + "".join(f"{c:>14}" for c in cells))
    return "\n".join(lines) + "\n"
