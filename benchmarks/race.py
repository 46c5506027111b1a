"""Does a race keep its promise?  Simulated races whose truth is known.

    python -m benchmarks.race [--races 1000] [--jobs 1] [--results benchmarks/results]

The rule (`metaopt/search/pruning/race.py`) is the real code, with its defaults; beside it stands a
plain paired t-test against the leader.  Trials come one after the other in a random order, all are
judged on one bank of tasks, and who is not stopped goes on to the next rung.  Scores are

    of families     losses by task with the same true statistic, 1, the best one's by one law and
                    its rivals' by another; on a bank of *independent* tasks, or with the *shared*
                    difficulty of a task, LN(.7), as a factor of all losses on it
    of trainings    vectors of real trials (`benchmarks/score_vectors.py`), tasks drawn with
                    replacement; the truth is a training's mean over all tasks at that rung

LN(s) is log-normal with log-spread s; "2 % × 30" is LN(.1) with every fiftieth loss 30 times as
large.  In *equal* races the rivals are as good as the best: how often is it stopped?  In *spread*
ones the i-th of m is worse by i / m: how many of the worse are stopped, and how much of the
meta-iterations that all would take to their ends is saved?  Real trainings are what they are.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from benchmarks.verdict_world import read_edge_table, read_table
from metaopt.estimation.statistics import contributions
from metaopt.search.pruning import race
from metaopt.search.pruning.rule import Decision, Leader, Rung, contenders, stop_if
from metaopt.search.pruning.standings import Rank, Standings
from service.output_file import write_output

RESULTS = Path(__file__).parent / "results"
DIFFICULTY = 0.7
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(spread: float) -> Draw:
    """Normal around 1."""
    return lambda luck, shape: 1 + spread * luck.standard_normal(shape)


def log_normal(spread: float) -> Draw:
    """Median 1, a heavy right tail."""
    return lambda luck, shape: np.exp(spread * luck.standard_normal(shape))


def left(spread: float) -> Draw:
    """A heavy left tail, as that of an accuracy near its ceiling."""
    return lambda luck, shape: 3 - np.exp(spread * luck.standard_normal(shape))


def rare(share: float, factor: float) -> Draw:
    """LN(.1) with a share of the losses larger by a factor."""

    def draw(luck: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        bad = luck.random(shape) < share
        return log_normal(0.1)(luck, shape) * np.where(bad, factor, 1.0)

    return draw


class Family(NamedTuple):
    """Laws of the losses of the truly best trial and of its rivals."""

    best: Draw
    rivals: Draw
    shared: bool = False
    statistic: str = "mean"


FAMILIES = {
    "normal": Family(normal(0.5), normal(0.5)),
    "normal, shared": Family(normal(0.5), normal(0.5), shared=True),
    "LN(.1) v LN(.7)": Family(log_normal(0.1), log_normal(0.7)),
    "LN(.1) v LN(.7), shared": Family(log_normal(0.1), log_normal(0.7), shared=True),
    "LN(.2) v LN(1.2)": Family(log_normal(0.2), log_normal(1.2)),
    "LN(.2) v LN(1.2), shared": Family(log_normal(0.2), log_normal(1.2), shared=True),
    "all LN(1)": Family(log_normal(1.0), log_normal(1.0)),
    "all LN(1.5)": Family(log_normal(1.5), log_normal(1.5)),
    "all LN(2)": Family(log_normal(2.0), log_normal(2.0)),
    "LN(.1) v 2 % × 30": Family(log_normal(0.1), rare(0.02, 30)),
    "LN(.1) v 2 % × 30, shared": Family(log_normal(0.1), rare(0.02, 30), shared=True),
    "LN(.1) v 1 % × 50": Family(log_normal(0.1), rare(0.01, 50)),
    "LN(.1) v .3 % × 150": Family(log_normal(0.1), rare(0.003, 150)),
    "LN(.1) v .1 % × 500": Family(log_normal(0.1), rare(0.001, 500)),
    "LN(.7) v LN(.1)": Family(log_normal(0.7), log_normal(0.1)),
    "left (.1) v left (.7)": Family(left(0.1), left(0.7)),
    "left (.7) v left (.1)": Family(left(0.7), left(0.1)),
    "trimmed: LN(.1) v LN(.7)": Family(log_normal(0.1), log_normal(0.7), False, "trimmed_mean"),
    "trimmed: LN(.2) v LN(1.2)": Family(log_normal(0.2), log_normal(1.2), False, "trimmed_mean"),
    "median: LN(.1) v LN(.7)": Family(log_normal(0.1), log_normal(0.7), False, "median"),
    "median: LN(.2) v LN(1.2)": Family(log_normal(0.2), log_normal(1.2), False, "median"),
}
TRAININGS = (
    "sinusoid",
    "sinusoid, one point",
    "omniglot",
    "omniglot, one point",
    "edge",
    "edge, Reptile",
)


class Setting(NamedTuple):
    """How large a race is."""

    trials: int = 24
    rungs: int = 2
    tasks: int = 100


MAIN = Setting()
OTHERS = {
    "8 trials": Setting(trials=8),
    "64 trials": Setting(trials=64),
    "3 rungs": Setting(rungs=3),
    "200 tasks": Setting(tasks=200),
}
SETTINGS = {"main": MAIN, **OTHERS}
HARDEST = (
    "LN(.1) v LN(.7)",
    "LN(.2) v LN(1.2)",
    "LN(.1) v 2 % × 30",
    "LN(.1) v 1 % × 50",
    "sinusoid",
    "edge",
)


class Race(NamedTuple):
    """A race to be run.

    Args:
        losses: By task (rungs, trials, tasks).
        truths: True losses (rungs, trials).
        spent: Share of the budget of a trial that reaches the rung.
    """

    losses: np.ndarray
    truths: np.ndarray
    spent: Sequence[float]


class Outcome(NamedTuple):
    """Whether a truly best trial was stopped, the share of others that was, the budget saved."""

    wrong: float
    stopped: float
    saved: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate every family and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--races", type=int, default=1000, help="of a family; half in other settings"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--jobs", type=int, default=1, help="simulated at the same time")
    options = parser.parse_args(arguments)
    results = simulate_all(options.races, options.jobs)
    options.results.mkdir(parents=True, exist_ok=True)
    write_output(options.results / "race.json", json.dumps(results, indent=2) + "\n")
    write_output(options.results / "race.txt", text(results, options.races))
    print(text(results, options.races), end="")


def simulate_all(count: int, jobs: int) -> dict[str, dict[str, dict[str, float]]]:
    """What came of each family, by setting."""
    pairs = [(name, "main") for name in (*FAMILIES, *TRAININGS)]
    pairs += [(name, title) for name in HARDEST for title in OTHERS if _fits(name, title)]
    with ProcessPoolExecutor(jobs) as pool:
        coming = {pair: pool.submit(simulate, *pair, _count(count, pair[1])) for pair in pairs}
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name, _ in pairs}
    for (name, title), figures in coming.items():
        results[name][title] = figures.result()
    return results


def _count(count: int, title: str) -> int:
    return count if title == "main" else -(-count // 2)


def _fits(name: str, title: str) -> bool:
    return name in FAMILIES or SETTINGS[title].rungs == MAIN.rungs  # tables have two


def simulate(name: str, title: str, count: int) -> dict[str, float]:
    """How often the best was stopped, and what else was, by the rule and by the plain t-test.

    Args:
        title: Of the setting.
        count: Equal races, and spread ones with a quarter of that; or races of real trainings,
            which are spread as they are.
    """
    figures: dict[str, float] = {}
    for truth, races in _races(name, count).items():
        for rule, outcome in _outcomes(
            name, SETTINGS[title], races, spread=truth == "spread"
        ).items():
            figures |= {f"{truth}: {rule} {key}": x for key, x in outcome._asdict().items()}
    return figures


def _races(name: str, count: int) -> dict[str, int]:
    return {"spread": count} if name in TRAININGS else {"equal": count, "spread": -(-count // 4)}


def _outcomes(name: str, setting: Setting, races: int, *, spread: bool) -> dict[str, Outcome]:
    statistic = "mean" if name in TRAININGS else FAMILIES[name].statistic
    luck = np.random.default_rng([*name.encode(), *setting, races])
    draws = (
        _trainings(name, setting, luck)
        if name in TRAININGS
        else _family(name, setting, spread, luck)
    )
    found: dict[str, list[Outcome]] = {rule: [] for rule in RULES}
    for _, drawn in zip(range(races), draws, strict=False):
        for rule, decide in RULES.items():
            found[rule].append(run(drawn, decide, statistic))
    return {rule: Outcome(*np.mean(outcomes, axis=0).tolist()) for rule, outcomes in found.items()}


def _family(name: str, setting: Setting, spread: bool, luck: np.random.Generator) -> Iterator[Race]:
    family, (trials, rungs, tasks) = FAMILIES[name], setting
    units = [_location(draw, family.statistic) for draw in (family.best, family.rivals)]
    truths = 1 + spread * np.arange(trials) / trials
    known = np.tile(truths - 1e-9 * (np.arange(trials) == 0), (rungs, 1))
    spent = [3.0 ** (rung - rungs) for rung in range(rungs)]
    while True:
        losses = family.rivals(luck, (rungs, trials, tasks)) / units[1]
        losses[:, 0] = family.best(luck, (rungs, tasks)) / units[0]
        if family.shared:
            losses *= log_normal(DIFFICULTY)(luck, (tasks,)) / math.exp(DIFFICULTY**2 / 2)
        order = luck.permutation(trials)
        yield Race((losses * truths[:, None])[:, order], known[:, order], spent)


def _location(draw: Draw, statistic: str) -> float:
    sample = draw(np.random.default_rng(1), (1_000_000,))
    return float(np.mean(contributions(sample, statistic)))


def _trainings(name: str, setting: Setting, luck: np.random.Generator) -> Iterator[Race]:
    losses, rungs = _table(name)
    seeds, tasks = losses.shape[1], losses.shape[-1]
    spent = [float(rung / rungs[-1]) for rung in rungs[:-1]]
    while True:
        chosen = luck.integers(len(losses), size=setting.trials)
        trained = losses[chosen, luck.integers(seeds, size=setting.trials), :-1].swapaxes(0, 1)
        bank = luck.integers(tasks, size=setting.tasks)
        yield Race(trained[:, :, bank], trained.mean(-1), spent)


def _table(name: str) -> tuple[np.ndarray, Sequence[int]]:
    """Losses (configurations, seeds, rungs, tasks) and the rungs."""
    source, _, part = name.partition(", ")
    if source == "edge":
        edge = read_edge_table()
        chosen = edge.algorithm == "reptile" if part else slice(None)
        return edge.scores[chosen], edge.rungs.tolist()
    table = read_table(source)
    losses = -table.scores if source == "omniglot" else table.scores
    return losses[[table.middle]] if part else losses, table.source.rungs


def run(drawn: Race, decide: Callable[[Rung, int], Decision], statistic: str) -> Outcome:
    """What came of one race: the trials come in their order, one after the other, at each rung."""
    trials, left, wrong, saved = drawn.truths.shape[1], range(drawn.truths.shape[1]), False, 0.0
    for index, spent in enumerate(drawn.spent):
        best = min(left, key=lambda number: float(drawn.truths[index, number]))
        stopped = _stopped(drawn, index, left, decide, statistic)
        left = [number for number in left if number not in stopped]
        wrong, saved = wrong or best in stopped, saved + (1 - spent) * len(stopped)
    return Outcome(float(wrong), (trials - len(left)) / (trials - 1), saved / trials)


def _stopped(
    drawn: Race,
    index: int,
    arrivals: Sequence[int],
    decide: Callable[[Rung, int], Decision],
    statistic: str,
) -> set[int]:
    standings = Standings()
    leader, ahead, stopped = None, (), set()
    for number in arrivals:
        losses = drawn.losses[index, number]
        loss = float(np.mean(contributions(losses, statistic)))
        cut = len(losses) // 10
        trimmed = float(np.sort(losses)[cut : len(losses) - cut].mean())
        scored = Leader(loss, number, losses, trimmed)
        standings.add(number, Rank(0.0, loss))
        leader = scored if scored.leads(leader) else leader
        ahead = contenders([*ahead, scored])
        rung = Rung(index, len(drawn.spent), standings, {number: losses}, leader, ahead, statistic)
        if decide(rung, number) is Decision.STOP:
            stopped.add(number)
    return stopped


def paired_t(rung: Rung, number: int) -> Decision:
    """A plain paired t-test of means against the leader, at the level of the rule."""
    assert rung.leader is not None
    if rung.leader.trial_number == number:
        return Decision.CONTINUE
    differences = np.subtract(rung.task_losses[number], rung.leader.losses)
    level = race.level_of_a_look(rung.options.alpha, rungs=rung.count, peers=len(rung.standings))
    error = differences.std(ddof=1) / math.sqrt(len(differences))
    return stop_if(bool(differences.mean() > stdtrit(len(differences) - 1, 1 - level) * error))


RULES = {"race": race.decide, "t": paired_t}

COLUMNS = (
    ("best stopped, equal", "equal", "wrong"),
    ("best stopped, spread", "spread", "wrong"),
    ("worse stopped", "spread", "stopped"),
    ("budget saved", "spread", "saved"),
)


def text(results: dict[str, dict[str, dict[str, float]]], count: int) -> str:
    """The figures as a page."""
    lines = [
        "Races of the real rule and of a plain paired t-test (benchmarks/race.py), α = 5 %.",
        "Per cent, race | t-test, ± one standard error.",
    ]
    for title, setting in SETTINGS.items():
        races = _count(count, title)
        lines += [
            "",
            f"{setting.trials} trials, {setting.rungs} rungs, {setting.tasks} tasks: {races} equal "
            f"and {-(-races // 4)} spread races of each family, {races} of real trainings",
        ]
        lines += [f"{'':28}" + "".join(f"{column:>26}" for column, *_ in COLUMNS)]
        lines += [
            f"{name:28}" + "".join(f"{cell:>26}" for cell in _cells(name, settings[title], races))
            for name, settings in results.items()
            if title in settings
        ]
    return "\n".join(lines) + "\n"


def _cells(name: str, figures: dict[str, float], count: int) -> Iterator[str]:
    for _, truth, key in COLUMNS:
        shares = [figures.get(f"{truth}: {rule} {key}") for rule in RULES]
        races = _races(name, count).get(truth, 0)
        yield " | ".join(_cell(share, races if key == "wrong" else None) for share in shares)


def _cell(share: float | None, races: int | None) -> str:
    if share is None:
        return "-"
    if races is None:
        return f"{100 * share:.0f}"
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / races):.1f}"


if __name__ == "__main__":
    main()
