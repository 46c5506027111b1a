"""Does the verdict hold where data misbehave?  Equal finalists in families of noise.

Three finalists that are truly equal, the worst case for whoever believes the winner, and a
reference are judged by the real verdict (`service/judgement/verdict.py`); their losses are made up
(`benchmarks/noise_families.py`) or those of real trainings near the edge of divergence.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.noise_families import FAMILIES, Losses, Luck
from metaopt.algorithms.registry import complete
from service.judgement.estimates import SealedRun
from service.judgement.verdict import Defaults, SearchTrial, study_result
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult

FINALISTS = 3
SEEDS = (2, 3, 5)
PARAMS = complete("maml", {})
UNADAPTED = 9.0  # what the loss is without adaptation: ten times it explodes
Draw = Callable[[Luck, int], Losses]  # (luck, seeds) -> losses (contenders, seeds, tasks)


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


def simulate_families(studies: int, *, tasks: int = 400) -> dict[str, dict[int, Outcome]]:
    """The outcome of each family by number of seeds."""
    return {
        family.name: {
            seeds: simulate(
                lambda luck, r, own=family: own.draw(luck, FINALISTS + 1, r, tasks),
                studies,
                seeds,
            )
            for seeds in SEEDS
        }
        for family in FAMILIES
    }


def simulate(draw: Draw, studies: int, seeds: int, truth: float = 1.0) -> Outcome:
    """How often verdicts on equal finalists with that true loss are right."""
    luck = np.random.default_rng([seeds, studies])
    spec = _spec(seeds)
    return _mean([_judge(judged(spec, draw(luck, seeds)), truth) for _ in range(studies)])


def judged(spec: StudySpec, losses: Losses) -> StudyResult:
    """The verdict on losses (contenders, seeds, tasks), the last of which is the reference."""
    *finalists, reference = losses
    trials = [
        SearchTrial(n, "maml", "completed", PARAMS, 1.0 + n / 1000, 1.0, 0, 0.9, 1.1)
        for n in range(len(finalists))
    ]
    runs = [_run(scores, n) for n, seeds in enumerate(finalists) for scores in seeds]
    defaults = Defaults("maml", PARAMS, [_run(scores, None) for scores in reference])
    return study_result(spec, trials, runs, defaults=defaults, counts={}, wall_seconds=0.0)


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


def _judge(result: StudyResult, truth: float) -> Outcome:
    sealed = [finalist.sealed for finalist in result.finalists]
    winner, difference = sealed[0], result.comparison and result.comparison.difference
    assert winner is not None and difference is not None
    noisiest = next(each.sealed for each in result.finalists if each.trial_number == FINALISTS - 1)
    assert noisiest is not None
    return Outcome(
        finalists=statistics.fmean(s is not None and s.low <= truth <= s.high for s in sealed),
        winner=winner.low <= truth <= winner.high,
        winner_worse=truth > winner.high,
        noisiest=noisiest.low <= truth <= noisiest.high,
        difference_wrong=not difference.low <= 0.0 <= difference.high,
        tied=statistics.fmean(finalist.tied_with_best for finalist in result.finalists[1:]),
        cautioned=any(caution.code != "few_trainings" for caution in result.cautions),
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
        f"per cent (of 95 ± {error:.1f}).  Half widths: of the winner's interval in units of the true",
        "loss, median.  Cautioned: of tasks or unsteady trainings; few trainings are always said.",
        "",
        f"{'':34}" + "".join(f"{title:>14}" for title in HEADER),
    ]
    for name, by_seeds in results.items():
        for seeds, outcome in by_seeds.items():
            *shares, width = outcome
            cells = [f"{100 * share:.1f}" for share in shares] + [f"{width:.3f}"]
            lines.append(f"{f'{name}, {seeds} seeds':34}" + "".join(f"{c:>14}" for c in cells))
    return "\n".join(lines) + "\n"
