"""What does it cost, and give, to train a search's best again?

    python -m benchmarks.replication [--studies 150] [--results benchmarks/results]

Simulates studies as `benchmarks/verdict.py` does: the search, the pruning, the rule
(`metaopt.search.replication`) are the real code, scores are those of real trainings, and the truth
is known.  Among the best configurations the noise of a seed is 0.06 to 0.09 MSE, as large as the
gaps between the five best of the twenty.

Every setting has the same budget of trials, of which `replicates` are kept.  Printed are the mean
regret, how much worse than the best configuration it truly is, of the trial that the search ranks
first and of the verdict's winner among three finalists; how much too good the search's figure for
its first is (optimism); and how many replicas were trained.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks import verdict
from benchmarks.score_vectors import SOURCES
from benchmarks.verdict_world import Table, World, read_table, study_spec
from metaopt.algorithms.registry import complete
from metaopt.metaparams import Value
from metaopt.search.replication import Configuration, ranked, train_again
from service.output_file import write_output
from service.planning.branch_search import branch_search
from service.wire.spec.study import StudySpec

SOURCE = SOURCES["sinusoid"]
STUDIES = ((24, "successive_halving"), (24, "none"))
SETTINGS = [(*one, replicates) for one in STUDIES for replicates in (0, 3, 6)]
FINALISTS, SEEDS = 3, 2


class Outcome(NamedTuple):
    """What a study came to: see the top of this file."""

    first: float
    winner: float
    optimism: float
    replicas: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate every setting and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=150)
    parser.add_argument("--results", type=Path, help="write replication.txt there")
    given = parser.parse_args(arguments)
    lines = [
        f"{given.studies} studies of each kind (benchmarks/replication.py); ± one standard error",
        f"{'trials':>6} {'pruning':20}{'replicates':>10}{'trained':>9}"
        f"{'regret of first':>20}{'of winner':>20}{'optimism':>20}",
    ]
    print("\n".join(lines))
    table = read_table("sinusoid")
    for setting in SETTINGS:
        found = [study(table, *setting, seed) for seed in range(given.studies)]
        lines.append(_line(setting, found))
        print(lines[-1], flush=True)
    if given.results:
        write_output(given.results / "replication.txt", "\n".join(lines) + "\n")


def study(table: Table, trials: int, pruning: str, replicates: int, seed: int) -> Outcome:
    """The result of one simulated study."""
    spec = _spec(trials, pruning, replicates, seed)
    world = World(table, spec, seed)
    points = _search(spec, world)
    found = [Configuration(number, (score,)) for number, (_, score) in points.items()]
    left = replicates
    while again := train_again(found, left=left):
        numbers = {one.trial_number for one in again}
        found = [_once_more(world, points, c) if c.trial_number in numbers else c for c in found]
        left -= len(again)
    best = ranked(found)[:FINALISTS]
    truths = [world.truth(points[c.trial_number][0]) for c in best]
    sealed = [
        statistics.fmean(
            statistics.fmean(world.sealed(world.train(points[c.trial_number][0])))
            for _ in range(SEEDS)
        )
        for c in best
    ]
    goal = float(table.scores[:, :, -1].mean((1, 2)).min())
    winner = truths[sealed.index(min(sealed))]
    return Outcome(truths[0] - goal, winner - goal, truths[0] - best[0].mean, replicates - left)


def _spec(trials: int, pruning: str, replicates: int, seed: int) -> StudySpec:
    data = study_spec(SOURCE, {}).model_dump(mode="json")
    data["budget"]["trials"], data["seed"] = trials, seed
    data["pruning"]["kind"], data["search"]["replicates"] = pruning, replicates
    return StudySpec.model_validate(data)


def _search(spec: StudySpec, world: World) -> dict[int, tuple[dict[str, Value], float]]:
    """Return the points that completed, with their scores, by trial number."""
    (branch,) = spec.branches
    search = branch_search(spec, branch, [])
    peers: dict[int, dict[int, float]] = {rung: {} for rung in spec.rungs()}
    completed = {}
    for number in range(spec.points()):
        params = complete("maml", {**branch.fixed(), **search.ask(number)})
        trial = verdict._search_trial(spec, world, number, params, peers)
        search.tell(number, trial.status, trial.score, trial.meta_iterations)
        if trial.status == "completed" and trial.score is not None:
            completed[number] = params, trial.score
    return completed


def _once_more(
    world: World, points: dict[int, tuple[dict[str, Value], float]], one: Configuration
) -> Configuration:
    training = world.train(points[one.trial_number][0])
    loss = statistics.fmean(world.validation(training, SOURCE.rungs[-1]))  # squared errors
    return replace(one, losses=(*one.losses, loss))


def _line(setting: tuple[int, str, int], found: Sequence[Outcome]) -> str:
    trials, pruning, replicates = setting
    cells = []
    for values in (
        [o.first for o in found],
        [o.winner for o in found],
        [o.optimism for o in found],
    ):
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        cells.append(f"{statistics.fmean(values):.4f} ± {error:.4f}")
    trained = statistics.fmean(one.replicas for one in found)
    shown = "".join(f"{cell:>20}" for cell in cells)
    return f"{trials:6} {pruning:20}{replicates:10}{trained:9.1f}{shown}"


if __name__ == "__main__":
    main()
