"""Are importances honest?  Simulated studies in which it is known what matters.

    python -m benchmarks.importances [--scale 1.0] [--processes 1] [--results benchmarks/results]

Searches and importances are the real code (`metaopt.search`); a trial's loss is a function of its
parameters with noise, nothing is trained.  There are four searched parameters: two numbers, a rate
and whole numbers from 1 to 5, and a choice of two words where it says so.  Counted is how often a
parameter without effect is named as more than chance, alone or in a pair (the promise: at most 5 %
of studies), and how often what has an effect is named.

    noise     nothing has an effect
    one       |a - 0.3|                          a explains three quarters of the variation
    two       a + b                              each explains about two fifths
    valley    |a - b|                            a pair: neither matters much alone
    quadrant  whether a and b are on one side    a pair: neither matters at all alone

"no order" is the same of the trials in a random order: what would be named if a permutation did not
heed that a sampler learns as time goes on.
"""

import argparse
import math
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaopt.search.branches import BranchSearch
from metaopt.search.importance import Importances, Point, importances, least_trials
from metaopt.search.space import Choice, Dimension, Float, Int
from service.output_file import write_output

RESULTS = Path(__file__).parent / "results"
RUNGS = (10, 30, 90)
LANES = 4  # trials that are asked for together

Space = dict[str, Dimension]
Unit = dict[str, float]

SPACE: Space = {
    "a": Float(0.0, 1.0),
    "b": Float(1e-3, 1.0, log=True),
    "c": Float(0.0, 1.0),
    "k": Int(1, 5),
}
WORDS: Space = {**SPACE, "w": Choice(("x", "y"))}


class World(NamedTuple):
    """A loss of the parameters in the unit cube, its noise, and what has an effect."""

    loss: Callable[[Unit], float]
    noise: float
    matter: tuple[str, ...]


def nothing(u: Unit) -> float:
    """No parameter has an effect."""
    return 0.0


def one(u: Unit) -> float:
    """Return the distance of a from where it is best."""
    return abs(u["a"] - 0.3)


def two(u: Unit) -> float:
    """Return the sum of a and b."""
    return u["a"] + u["b"]


def valley(u: Unit) -> float:
    """Return how far a and b are from suiting each other."""
    return abs(u["a"] - u["b"])


def quadrant(u: Unit) -> float:
    """Return whether a and b are on different sides of the middle."""
    return float((u["a"] > 0.5) != (u["b"] > 0.5))


WORLDS = {
    "noise": World(nothing, 1.0, ()),
    "one": World(one, 0.1, ("a",)),
    "two": World(two, 0.2, ("a", "b")),
    "valley": World(valley, 0.05, ("a", "b")),
    "quadrant": World(quadrant, 0.3, ("a", "b")),
}


class Study(NamedTuple):
    """A kind of study: its search, loss and size; how many are simulated at scale 1."""

    sampler: str
    world: str
    trials: int
    count: int
    pruned: bool = False
    space: Space = SPACE


class Counts(NamedTuple):
    """In how many of the studies what was named; seconds of one."""

    studies: int
    idle: int
    unordered: int
    alone: int
    pair: int
    seconds: float


STUDIES = (
    *(Study("random", "noise", n, 200) for n in (20, 40)),
    Study("random", "noise", 100, 100),
    Study("random", "noise", 300, 25),
    Study("random", "noise", 1000, 4),
    *(Study("random", "one", n, 100) for n in (20, 30)),
    *(Study("random", "two", n, 100) for n in (20, 30)),
    *(Study("random", "valley", n, 100) for n in (20, 30, 40, 60)),
    *(Study("random", "quadrant", n, 100) for n in (60, 100)),
    Study("random", "valley", 60, 60, pruned=True),
    *(Study("tpe", world, 40, 140) for world in ("noise", "one", "valley")),
    *(Study("tpe", world, 100, 25) for world in ("noise", "valley")),
    Study("tpe", "valley", 60, 60, pruned=True),
    Study("auto", "valley", 40, 60, space=WORDS),
    Study("cma-es", "valley", 60, 100),
    Study("gp", "valley", 30, 5),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate every kind of study and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of studies")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    lines = header()
    results: dict[bool, list[Counts]] = {False: [], True: []}
    print("\n".join(lines))
    numbers = [max(1, round(kind.count * options.scale)) for kind in STUDIES]
    with ProcessPoolExecutor(options.processes) as pool:
        simulated = pool.map(simulate, STUDIES, numbers)
        for kind, counts in zip(STUDIES, simulated, strict=True):
            results[kind.sampler != "random"].append(counts)
            lines.append(line(kind, counts))
            print(lines[-1], flush=True)
    lines += ["", *(total(learns, results[learns]) for learns in (False, True))]
    print("\n".join(lines[-3:]))
    options.results.mkdir(parents=True, exist_ok=True)
    write_output(options.results / "importances.txt", "\n".join(lines) + "\n")


def simulate(kind: Study, count: int) -> Counts:
    """Count what is named in so many studies."""
    matter = WORLDS[kind.world].matter
    idle = unordered = alone = pair = 0
    seconds = 0.0
    for seed in range(count):
        points = search(kind, seed)
        began = time.process_time()
        answer = importances(kind.space, points, seed=seed)
        seconds += time.process_time() - began
        named = named_of(answer)
        idle += not named <= set(matter)
        alone += set(matter) <= named
        pair += answer is not None and matter in answer.pairs
        if kind.sampler != "random":
            shuffled = random.Random(seed).sample(points, len(points))
            unordered += not named_of(importances(kind.space, shuffled, seed=seed)) <= set(matter)
    return Counts(count, idle, unordered, alone, pair, seconds / count)


def named_of(answer: Importances | None) -> set[str]:
    """Parameters that are more than chance, alone or in a pair."""
    assert answer is not None
    return {name for name, share in answer.parameters.items() if share.more_than_chance}


def search(kind: Study, seed: int) -> list[Point]:
    """The trials of a study; who went further is better, then who scored better."""
    luck = np.random.default_rng([seed, kind.trials, len(kind.world)])
    run = BranchSearch(
        kind.space, sampler=kind.sampler, study_seed=seed, branch="maml", startup_trials=10
    )
    peers: dict[int, list[float]] = {rung: [] for rung in RUNGS}
    points = []
    for first in range(0, kind.trials, LANES):
        numbers = range(first, min(first + LANES, kind.trials))
        asked = [run.ask(number) for number in numbers]
        for number, params in zip(numbers, asked, strict=True):
            losses = train(WORLDS[kind.world], unit(params), luck, peers, pruned=kind.pruned)
            last = max(losses)
            outcome = "completed" if last == RUNGS[-1] else "pruned"
            run.tell(number, outcome, losses[last], last, losses)
            points.append(Point(params, losses[last] - 1e3 * last))
    return points


def train(
    world: World,
    params: Unit,
    luck: np.random.Generator,
    peers: dict[int, list[float]],
    *,
    pruned: bool,
) -> dict[int, float]:
    """Losses by rung; a trial stops where it is not among the better half so far."""
    losses = {}
    for rung in RUNGS if pruned else RUNGS[-1:]:
        losses[rung] = world.loss(params) + world.noise * luck.standard_normal()
        peers[rung].append(losses[rung])
        if rung < RUNGS[-1] and losses[rung] > np.median(peers[rung]):
            break
    return losses


def unit(params: dict[str, float | int | str]) -> Unit:
    """Numbers of the parameters that have an effect, in the unit cube."""
    return {"a": float(params["a"]), "b": math.log10(float(params["b"])) / 3 + 1}


def header() -> list[str]:
    """What the page is about, and its columns."""
    needed = ", ".join(f"{least_trials(n)} for {n}" for n in (1, 2, 4, 8))
    return [
        "Importances of simulated studies, four searched parameters (benchmarks/importances.py).",
        "Per cent of studies, ± one standard error.  idle: any parameter without effect is named",
        "more than chance, alone or in a pair.  no order: the same of the trials shuffled.  all:",
        "every one that has an effect is named; pair: so is their pair.  s: CPU seconds of one.",
        f"Trials that tell, by parameters: {needed}.",
        "",
        f"{'search':20}{'loss':10}{'trials':>7}{'studies':>9}"
        f"{'idle':>13}{'no order':>13}{'all':>13}{'pair':>13}{'s':>7}",
    ]


def line(kind: Study, counts: Counts) -> str:
    """A row of the page."""
    name = kind.sampler + (", words" if kind.space is WORDS else "")
    name += ", pruned" if kind.pruned else ""
    cells = [
        _cell(number, counts.studies) for number in (counts.idle, counts.unordered, counts.alone)
    ]
    cells.append(_cell(counts.pair, counts.studies))
    cells = [cell if shown else "–" for cell, shown in zip(cells, _columns(kind), strict=True)]
    return (
        f"{name:20}{kind.world:10}{kind.trials:7}{counts.studies:9}"
        + "".join(f"{cell:>13}" for cell in cells)
        + f"{counts.seconds:7.2f}"
    )


def total(learns: bool, counts: Sequence[Counts]) -> str:
    """How often an idle parameter is named in all studies of samplers that learn, or do not."""
    studies = sum(kind.studies for kind in counts)
    idle = _cell(sum(kind.idle for kind in counts), studies)
    return (
        f"{'samplers that learn' if learns else 'random search':20}{'all':10}{studies:16}{idle:>13}"
    )


def _columns(kind: Study) -> tuple[bool, bool, bool, bool]:
    matter = WORLDS[kind.world].matter
    return True, kind.sampler != "random", bool(matter), len(matter) == 2


def _cell(number: int, count: int) -> str:
    share = number / count
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / count):.1f}"


if __name__ == "__main__":
    main()
