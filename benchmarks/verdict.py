"""Is the verdict honest?  Simulated studies whose truth is known.

    python -m benchmarks.verdict [--studies 400] [--families 1000] [--jobs 1] [--results DIRECTORY]

The search (`BranchSearch`, pruning), the choice of finalists and the verdict are the real code;
nothing is trained: `benchmarks/verdict_world.py` says where scores and truth come from.  Then the
verdict alone is tried on families of noise (`benchmarks/verdict_families.py`).
"""

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import verdict_families
from benchmarks.verdict_world import World, read_table, study_spec
from metaopt.algorithms.registry import complete
from metaopt.estimation.statistics import summarize
from metaopt.metaparams import Value
from metaopt.search.pruning.rule import Decision, Rung
from metaopt.search.pruning.standings import Standings
from service.judgement.estimates import SealedRun
from service.judgement.finalists import borderline, choose_finalists, rank_trials
from service.judgement.verdict import Beside, SearchTrial, study_result
from service.output_file import write_output
from service.planning.branch_search import branch_search
from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate
from service.wire.views.result import Finalist, StudyResult

RESULTS = Path(__file__).parent / "results"
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "2 seeds": {"verdict": {"seeds": 2}},
    "2 extra finalists": {"verdict": {"extra_finalists": 2}},
    "a tenth apart": {"apart": 0.1},
    "a tenth apart, 2 seeds": {"verdict": {"seeds": 2}, "apart": 0.1},
    "equal": {"apart": 0.0},
    "equal, 2 seeds": {"verdict": {"seeds": 2}, "apart": 0.0},
    "equal, 5 finalists": {"verdict": {"finalists": 5}, "apart": 0.0},
    "Omniglot": {"table": "omniglot"},
    "Omniglot, equal": {"table": "omniglot", "apart": 0.0},
    "Omniglot, equal, 2 seeds": {"table": "omniglot", "verdict": {"seeds": 2}, "apart": 0.0},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate every setting and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--families", type=int, default=1000, help="verdicts in each; 0 is none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--jobs", type=int, default=1, help="settings at the same time")
    given = parser.parse_args(arguments)
    found = simulate_all(given.studies, given.jobs)
    given.results.mkdir(parents=True, exist_ok=True)
    write_output(given.results / "verdict.json", json.dumps(found, indent=2) + "\n")
    write_output(given.results / "verdict.txt", text(found, given.studies))
    print(text(found, given.studies), end="")
    if given.families:
        families = verdict_families.simulate_families(given.families, given.jobs)
        page = verdict_families.text(families, given.families)
        write_output(given.results / "verdict_families.txt", page)
        print(f"\n{page}", end="")


def simulate_all(studies: int, jobs: int) -> dict[str, dict[str, float]]:
    """The outcome of each setting, by name."""
    if jobs == 1:
        return {name: simulate(studies, **options) for name, options in SETTINGS.items()}
    with ProcessPoolExecutor(jobs) as pool:
        coming = {n: pool.submit(simulate, studies, **opts) for n, opts in SETTINGS.items()}
        return {name: one.result() for name, one in coming.items()}


def simulate(
    studies: int,
    verdict: dict[str, Any] | None = None,
    *,
    table: str = "sinusoid",
    apart: float = 1.0,
) -> dict[str, float]:
    """Return how often the verdicts of that many studies were right.

    Args:
        verdict: What of the spec's `verdict` is not the default.
        table: Of which trials the scores are.
        apart: How far the truths of the points are apart, as a share of what they really are.
    """
    scores = read_table(table)
    spec = study_spec(scores.source, verdict or {})
    outcomes = []
    for seed in range(studies):
        own = spec.model_copy(update={"seed": seed})
        world = World(scores, own, seed, apart=apart)
        outcomes.append(_judged(world, run_study(own, world)))
    return {
        name: statistics.fmean(value for one in outcomes for value in one[name])
        for name in outcomes[0]
    } | {
        f"{name}_stderr": _stderr([value for one in outcomes for value in one[name]])
        for name in outcomes[0]
    }


def run_study(spec: StudySpec, world: World) -> StudyResult:
    """Return the verdict of one study, its search one trial after the other."""
    (branch,) = spec.branches
    search = branch_search(spec, branch, [])
    peers: dict[int, dict[int, float]] = {rung: {} for rung in spec.rungs()}
    trials = []
    for number in range(spec.budget.trials):
        params = complete("maml", {**branch.fixed(), **search.ask(number)})
        trial = _search_trial(spec, world, number, params, peers)
        loss = None if trial.score is None else spec.goals().loss(trial.score)
        search.tell(number, trial.status, loss, trial.meta_iterations)
        trials.append(trial)
    chosen = _finalists(spec, trials)
    runs = [
        _fresh(world, trial.params, trial.trial_number)
        for trial in chosen
        for _ in range(spec.verdict.seeds)
    ]
    defaults = branch.defaults()
    others = [_fresh(world, defaults, None) for _ in range(spec.verdict.seeds)]
    return study_result(
        spec,
        trials,
        runs,
        beside=[Beside("default", "maml", defaults, others)],
        counts={},
        wall_seconds=0.0,
    )


def _search_trial(
    spec: StudySpec,
    world: World,
    number: int,
    params: dict[str, Value],
    peers: dict[int, dict[int, float]],
) -> SearchTrial:
    training = world.train(params)
    for rung in spec.rungs():
        scores = world.validation(training, rung)
        score = statistics.fmean(scores)
        peers[rung][number] = spec.goals().loss(score)
        found = SearchTrial(number, "maml", "pruned", params, score, 1.0, rung, score, score)
        if rung == spec.rungs()[-1]:
            break
        at = Rung(
            index=spec.rungs().index(rung),
            count=len(spec.rungs()) - 1,
            standings=Standings(peers[rung]),
            options=spec.pruning.options(),
        )
        if spec.pruning.rule().decide(at, number) == Decision.STOP:
            return found
    low, high = summarize(scores).low, summarize(scores).high
    return SearchTrial(
        number, "maml", "completed", params, score, 1.0, rung, low, high, scores, [9.0, score]
    )


def _finalists(spec: StudySpec, trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    goals = spec.goals()
    losses = [
        (trial.trial_number, goals.loss(trial.score))
        for trial in trials
        if trial.status == "completed" and trial.score is not None
    ]
    ranked = rank_trials(losses)
    count, extra = spec.verdict.finalists, spec.verdict.extra_finalists
    scores = {n: trials[n].scores for n in borderline(ranked, count=count, extra=extra)}
    return [trials[n] for n in choose_finalists(ranked, count=count, extra=extra, scores=scores)]


def _fresh(world: World, params: dict[str, Value], source: int | None) -> SealedRun:
    scores = world.sealed(world.train(params))
    score, iterations = statistics.fmean(scores), world.table.source.rungs[-1]
    return SealedRun(
        0, source, "completed", None, score, scores, [9.0, score], 0.0, 1.0, iterations
    )


def _judged(world: World, result: StudyResult) -> dict[str, list[float]]:
    winner, comparison, sign = result.finalists[0], result.comparison, world.sign
    assert winner.sealed is not None
    assert comparison is not None and comparison.difference is not None
    found = min(result.finalists, key=lambda one: one.search_rank or 0)
    truth, true_optimism = world.truth(winner.params), _true_optimism(world, found)
    difference = truth - world.truth(comparison.params)
    told = comparison.difference
    worse, better = (told.high, told.low) if sign > 0 else (told.low, told.high)
    worst = winner.sealed.high if sign > 0 else winner.sealed.low
    return {
        "finalists_covered": [_covered(world, one) for one in result.finalists],
        "winner_covered": [_covered(world, winner)],
        "winner_worse_than_told": [sign * (truth - worst) > 0],
        "search_best_optimism_told": [found.optimism or 0.0],
        "search_best_optimism_true": [true_optimism],
        "search_best_optimism_error": [(found.optimism or 0.0) - true_optimism],
        "search_best_interval_covered": [
            found.search.low <= world.truth(found.params) <= found.search.high
        ],
        "difference_covered": [_holds(told, difference)],
        "worse_than_default_than_told": [sign * (difference - worse) > 0],
        "winner_truly_worse_than_default": [sign * difference > 1e-9],
        "said_better_than_default": [sign * worse < 0],
        "said_better_and_is_not": [sign * worse < 0 <= sign * difference],
        "interval_half_width": [(winner.sealed.high - winner.sealed.low) / 2],
        "difference_half_width": [abs(worse - better) / 2],
        "best_finalist_tied": [_best_is_tied(world, result)],
        "finalists": [len(result.finalists)],
        "chosen_among": [winner.sealed.chosen_among],
    }


def _true_optimism(world: World, one: Finalist) -> float:
    return world.sign * (world.truth(one.params) - one.search.score)


def _covered(world: World, one: Finalist) -> bool:
    return one.sealed is not None and one.sealed.low <= world.truth(one.params) <= one.sealed.high


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def _best_is_tied(world: World, result: StudyResult) -> bool:
    losses = [world.sign * world.truth(one.params) for one in result.finalists]
    return any(
        one.tied_with_best and loss == min(losses)
        for one, loss in zip(result.finalists, losses, strict=True)
    )


def _stderr(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def text(found: dict[str, dict[str, float]], studies: int) -> str:
    """Return the figures as a page."""
    lines = [
        f"The verdict on {studies} simulated studies for each setting: real search code, scores",
        "of real trials (benchmarks/verdict.py).  Shares in per cent, ± one standard error; half",
        "widths in the unit of the score.",
        "",
    ]
    names = list(found)
    for start in range(0, len(names), MOST_COLUMNS):
        shown = {name: found[name] for name in names[start : start + MOST_COLUMNS]}
        lines += [f"{'':46}" + "".join(f"{name:>26}" for name in shown)]
        for title, name, percent in ROWS:
            cells = (_cell(one[name], one[f"{name}_stderr"], percent) for one in shown.values())
            lines.append(f"{title:46}" + "".join(f"{cell:>26}" for cell in cells))
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


MOST_COLUMNS = 4
ROWS = (
    ("sealed 95 % interval covers: every finalist", "finalists_covered", True),
    ("  the winner", "winner_covered", True),
    ("  the winner is worse than its interval says", "winner_worse_than_told", True),
    ("  the search's own interval, of its best", "search_best_interval_covered", True),
    ("optimism of the search's best: as told", "search_best_optimism_told", False),
    ("  in truth", "search_best_optimism_true", False),
    ("  told minus true", "search_best_optimism_error", False),
    ("winner minus default: interval covers", "difference_covered", True),
    ("  worse by more than the interval says", "worse_than_default_than_told", True),
    ("  winner truly worse than the default", "winner_truly_worse_than_default", True),
    ("  said to be better", "said_better_than_default", True),
    ("  said to be better and is not", "said_better_and_is_not", True),
    ("truly best finalist is tied with the winner", "best_finalist_tied", True),
    ("half width of the winner's interval", "interval_half_width", False),
    ("half width of winner minus default", "difference_half_width", False),
    ("finalists", "finalists", False),
    ("  of which the winner may be the luckiest", "chosen_among", False),
)


def _cell(value: float, stderr: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.1f} ± {100 * stderr:.1f}"
    return f"{value:.4f} ± {stderr:.4f}"


if __name__ == "__main__":
    main()
