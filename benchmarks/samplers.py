"""Samplers on a landscape with a frontier: what the Gaussian process should be told.

    python benchmarks/samplers.py [--seeds N] [--trials N] [--json FILE]

The landscape is drawn after inner and outer rate of MAML on sinusoids: the best point lies close to
where trials diverge, scores blow up towards it (a few are in the hundreds), a score is 3 % noise,
and low rungs favour quick learners.  Everything is deterministic.  Printed is the true loss of the
trial with the best final score, its mean over seeds, after half and after all trials; the best
there is, is 0.36.

Part one: diverged trials told to the process as the ceiling (ours), as ten times the worst score,
as a broken constraint, or not at all.  Part two: with successive halving, trials pruned before the
common rung told as the ceiling (ours) or not at all (BOHB), and completed trials alone (Optuna's
GPSampler).  Part three: every sampler for continuous spaces, with successive halving.
"""

import argparse
import json
import math
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna

from service.output_file import write_output

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metaopt.search.branches import BranchSearch
from metaopt.search.samplers import gp
from metaopt.search.samplers.history import Params, TrialRecord, common_rung
from metaopt.search.samplers.optuna.study import worst_loss
from metaopt.search.space import Float

SPACE = {"inner_lr": Float(1e-4, 1.0, log=True), "outer_lr": Float(1e-5, 1e-1, log=True)}
RUNGS = (100, 300, 900)
STARTUP, REDUCTION = 8, 3

Losses = dict[int, float]
Treatment = Callable[[Sequence[TrialRecord]], Losses]


def true_loss(params: Params) -> float | None:
    """Return the loss at the end of a long training without noise; None where it diverges."""
    x, y = math.log10(float(params["inner_lr"])), math.log10(float(params["outer_lr"]))
    room = -0.6 - 0.25 * (y + 3) - x  # to the frontier, in decades of the inner rate
    if room <= 0:
        return None
    return 0.36 + 0.3 * (room - 0.5) ** 2 + 0.15 * (y + 2.7) ** 2 + 0.002 / room**3 - 0.016


def score(params: Params, rung: int, number: int, seed: int) -> float | None:
    """Return a noisy score at a rung; small outer rates are far from their end at a low one."""
    loss = true_loss(params)
    if loss is None:
        return None
    left = math.exp(-rung * float(params["outer_lr"]) ** 0.5 / 10)
    noise = random.Random(f"{seed} {number} {rung}").gauss(0, 0.03)
    return (loss + left) * (1 + noise)


def told_as_ceiling(history: Sequence[TrialRecord]) -> Losses:
    """Tell what the service tells."""
    return gp.learned_losses(history, dimensions=len(SPACE))


def told_as_ten_times(history: Sequence[TrialRecord]) -> Losses:
    """Tell diverged trials as ten times the worst score, and scores as they are."""
    losses = {i: t.end.loss for i, t in enumerate(history) if t.end and t.end.loss is not None}
    worst = worst_loss(losses.values())
    return {i: losses.get(i, worst) for i in range(len(history))}


def not_told(history: Sequence[TrialRecord]) -> Losses:
    """Tell nothing of diverged trials."""
    losses = told_as_ceiling(history)
    return {i: v for i, v in losses.items() if history[i].end.outcome != "diverged"}  # type: ignore[union-attr]


class Constrained(gp.Gp):
    """The Gaussian process with divergence as a constraint: Optuna models where it is broken."""

    def suggest(self, index: int) -> Params:
        """Suggest from the scores and from whether trials diverged; the start as ever."""
        if not self.ready():
            return self._start.suggest(index)
        losses = told_as_ceiling(self._history)
        diverged = {i for i, t in enumerate(self._history) if t.end and t.end.outcome == "diverged"}
        study = optuna.create_study(
            sampler=optuna.samplers.GPSampler(seed=self._seed(index), n_startup_trials=1)
        )
        for i, loss in losses.items():
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(self._history[i].params),
                    distributions=dict(self._distributions),
                    value=loss,
                    constraints={"diverged": 1.0 if i in diverged else -1.0},
                )
            )
        return dict(study.ask(fixed_distributions=dict(self._distributions)).params)


def at_common_rung_only(history: Sequence[TrialRecord]) -> Losses:
    """Tell nothing of trials pruned before the common rung."""
    ends = [trial.end for trial in history if trial.end]
    rung = common_rung(ends, len(SPACE) + 3)
    losses = told_as_ceiling(history)
    kept = (i for i in losses if ends[i].outcome == "diverged" or rung in ends[i].losses)
    return {i: losses[i] for i in kept}


def completed_only(history: Sequence[TrialRecord]) -> Losses:
    """Tell completed trials alone."""
    ends = enumerate(trial.end for trial in history)
    return {i: end.loss for i, end in ends if end and end.outcome == "completed"}  # type: ignore[misc]


class Told(gp.Gp):
    """The Gaussian process with another treatment of ends."""

    treatment: Treatment = staticmethod(told_as_ceiling)

    def suggest(self, index: int) -> Params:
        """Suggest from what the treatment tells; the start as ever."""
        if not self.ready():
            return self._start.suggest(index)
        losses = type(self).treatment(self._history)
        if not losses:
            return self._start.suggest(index)
        return gp.suggest(self._distributions, self._history, losses, seed=self._seed(index))


def simulate(
    sampler: str,
    seed: int,
    trials: int,
    *,
    pruned: bool,
    treatment: "Treatment | type[gp.Gp] | None",
):
    """Return the true loss of the best trial, by final score, after each trial."""
    run = BranchSearch(
        SPACE,
        sampler=sampler,
        study_seed=seed,
        branch="maml",
        startup_trials=STARTUP,
    )
    if isinstance(treatment, type):
        run._sampler.__class__ = treatment
    elif treatment is not None:
        run._sampler.__class__ = type("Treated", (Told,), {"treatment": staticmethod(treatment)})
    peers: dict[int, list[float]] = {rung: [] for rung in RUNGS}
    best, found = (math.inf, math.nan), []
    for number in range(trials):
        params = run.ask(number)
        outcome, scores = train(params, number, seed, peers, pruned=pruned)
        last = max(scores, default=None)
        run.tell(number, outcome, scores.get(last), last, scores)
        if outcome == "completed":
            best = min(best, (scores[RUNGS[-1]], true_loss(params) or math.nan))
        found.append(best[1])
    return found


def train(params: Params, number: int, seed: int, peers: dict[int, list[float]], *, pruned: bool):
    """Return a trial's outcome and its scores by rung."""
    scores: dict[int, float] = {}
    for rung in RUNGS:
        value = score(params, rung, number, seed)
        if value is None:
            return "diverged", {}
        scores[rung] = value
        peers[rung].append(value)
        if pruned and rung < RUNGS[-1] and stops(value, peers[rung]):
            return "pruned", scores
    return "completed", scores


def stops(value: float, peers: list[float]) -> bool:
    """Decide as `successive_halving` does."""
    rising = sorted(peers)
    return value > rising[max(1, len(rising) // REDUCTION) - 1]


CASES: dict[str, tuple[str, bool, Treatment | type[gp.Gp] | None]] = {
    "diverged: the ceiling (ours)": ("gp", False, told_as_ceiling),
    "diverged: ten times the worst": ("gp", False, told_as_ten_times),
    "diverged: a broken constraint": ("gp", False, Constrained),
    "diverged: not told": ("gp", False, not_told),
    "pruned before: the ceiling (ours)": ("gp", True, told_as_ceiling),
    "pruned before: not told": ("gp", True, at_common_rung_only),
    "completed trials alone": ("gp", True, completed_only),
    "sampler gp": ("gp", True, None),
    "sampler random": ("random", True, None),
    "sampler qmc": ("qmc", True, None),
    "sampler tpe": ("tpe", True, None),
    "sampler cma-es": ("cma-es", True, None),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Samplers on a landscape with a frontier.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    half, results = given.trials // 2, {}
    print(f"{'':36}after {half:3}   after {given.trials:3}")
    for name, (sampler, pruned, treatment) in CASES.items():
        runs = [
            simulate(sampler, seed, given.trials, pruned=pruned, treatment=treatment)
            for seed in range(given.seeds)
        ]
        middle, end = ([run[at - 1] for run in runs] for at in (half, given.trials))
        error = statistics.stdev(end) / given.seeds**0.5 if given.seeds > 1 else 0.0
        results[name] = {"half": middle, "end": end}
        print(
            f"{name:36}{statistics.mean(middle):9.4f}   {statistics.mean(end):9.4f} ± {error:.4f}",
            flush=True,
        )
    if given.json:
        write_output(given.json, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
