"""How often are gates wrong where data misbehave?  Candidate and baseline in families of noise.

Both are truly equal but for what the candidate is shifted by, and judged by the real rules with
the numbers of a spec's `gates` (`benchmarks/gates.py`); their losses are made up
(`benchmarks/noise_families.py`).  Where the candidate is alone in its family the baseline is of
`normal`, on the same tasks but with difficulties of its own.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.noise_families import FAMILIES, Family, Losses, Luck
from metaopt.gates.registry import parse_rule
from metaopt.goals import Goals
from service.judgement import gates
from service.judgement.estimates import SealedRun
from service.judgement.evidence import Evidence, with_noise
from service.wire.spec.gates import Gates
from service.wire.views.gate_report import GateAnswer

DELTA = 0.2
ALONE = " (candidate alone)"
NORMAL = FAMILIES[0]
SETTINGS: Mapping[str, tuple[Family, Family]] = {  # families of candidate and baseline
    **{family.name: (family, family) for family in FAMILIES},
    **{f"{family.name}{ALONE}": (family, NORMAL) for family in FAMILIES if family.beyond},
}
ERRORS = Goals(maximize=False, possible=(0.0, math.inf))
RULES = (f"no-worse:{DELTA}", "better")


class Outcome(NamedTuple):
    """Shares of gates: where the candidate is worse by DELTA, and where it is equal."""

    worse_passes: float
    worse_fails: float
    better_passes: float
    better_fails: float
    equal_undecided: float


def simulate(name: str, count: int) -> Outcome:
    """How often gates in a setting are wrong."""
    spec = Gates.model_validate({"rules": ["better"], "baseline": "main"})
    luck = np.random.default_rng([count, len(name)])
    no_worse, better = RULES
    worse, equal, within = (
        [last_answer(SETTINGS[name], spec, rule, shift, luck) for _ in range(count)]
        for rule, shift in ((no_worse, DELTA), (better, 0.0), (no_worse, 0.0))
    )
    return Outcome(
        *(statistics.fmean(answer == said for answer in worse) for said in ("pass", "fail")),
        *(statistics.fmean(answer == said for answer in equal) for said in ("pass", "fail")),
        statistics.fmean(answer == "undecided" for answer in within),
    )


def simulate_families(count: int) -> dict[str, Outcome]:
    """That of each setting."""
    return {name: simulate(name, count) for name in SETTINGS}


def last_answer(
    families: tuple[Family, Family], spec: Gates, rule: str, worse: float, luck: Luck
) -> str:
    """The last answer to a rule, analysed while it is undecided and tasks are left."""
    looks = spec.interim_analyses()
    candidate, baseline = _losses(families, spec.seeds, looks[-1], luck)
    for look, seen in enumerate(looks):
        rate = gates.error_rate(look, len(looks))
        answered = _answer(rule, candidate[:, :seen] + worse, baseline[:, :seen], rate)
        if answered.answer != "undecided":
            break
    return answered.answer


def _losses(
    families: tuple[Family, Family], seeds: int, tasks: int, luck: Luck
) -> tuple[Losses, Losses]:
    """Losses of candidate and baseline (seeds, tasks)."""
    of_candidate, of_baseline = families
    if of_candidate is of_baseline:
        baseline, candidate = of_candidate.draw(luck, 2, seeds, tasks)  # the last is the noisy one
        return candidate, baseline
    return of_candidate.draw(luck, 1, seeds, tasks)[0], of_baseline.draw(luck, 1, seeds, tasks)[0]


def _answer(rule: str, candidate: Losses, baseline: Losses, error_rate: float) -> GateAnswer:
    mine, theirs = ([_run(scores) for scores in trainings] for trainings in (candidate, baseline))
    both = with_noise(mine, theirs, ERRORS)
    return gates.judge(Evidence(*both, ERRORS, "mse", error_rate), [parse_rule(rule)])[0]


def _run(scores: np.ndarray) -> SealedRun:
    return SealedRun(0, 0, "completed", None, None, scores.tolist(), [], 0.0, 1.0)


HEADER = (
    "worse by DELTA: passes", "worse by DELTA: fails", "equal: better passes",
    "equal: better fails", "equal: undecided",
)  # fmt: skip


def text(results: dict[str, Outcome], count: int) -> str:
    """The figures as a page."""
    error = 100 * math.sqrt(0.05 * 0.95 / count)
    lines = [
        f"Gates in families of noise, {count} for each figure, in per cent; of 5 % the error is",
        f"± {error:.1f}.  DELTA {DELTA}, true loss 1; five trainings of each.",
        "",
        f"{'':46}" + "".join(f"{title:>24}" for title in HEADER),
    ]
    lines += [_line(name, outcome) for name, outcome in results.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, shares: Sequence[float]) -> str:
    return f"{name:46}" + "".join(f"{100 * share:24.1f}" for share in shares)
