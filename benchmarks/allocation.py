"""What a floor costs and saves: two branches whose curves are known, under the rule of allocation.

    python benchmarks/allocation.py [--trials 60] [--seeds 100] [--noise 0]

Prints the mean regret, in thousandths of a loss of 1, of the trial that a search would
choose, for an even share and for floors of 0.25, 0.5 and 0.75.
"""

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metaopt.search.allocation import Claim, allot
from metaopt.search.curve import LossCurve

Curve = Callable[[int, random.Random], float]
STARTUP = 10


def learning(bottom: float, spread: float, power: float) -> Curve:
    """Come closer to `bottom`, from `spread` above, as 1 / trials^power."""
    return lambda index, rng: bottom + spread * rng.expovariate(1) / (1 + index) ** power


def late(index: int, rng: random.Random) -> float:
    """Find nothing in the first 20 trials."""
    return (0.5 if index < 20 else 0.0) + 0.2 * rng.expovariate(1)


WORLDS: dict[str, list[Curve]] = {
    "one clearly worse": [learning(0.0, 0.5, 0.5), learning(0.4, 0.3, 0.5)],
    "one a little worse": [learning(0.0, 0.5, 0.5), learning(0.1, 0.5, 0.5)],
    "equal": [learning(0.0, 0.5, 0.5), learning(0.0, 0.5, 0.5)],
    "the better one starts slowly": [learning(0.15, 0.2, 0.5), learning(0.0, 2.0, 1.0)],
    "nothing in the first 20 trials": [learning(0.2, 0.3, 0.0), late],
}


def regret(world: list[Curve], trials: int, floor: float, noise: float, seed: int) -> float:
    """How far the chosen trial of one search is from the least loss, 0."""
    rngs = [random.Random(f"{seed} {branch}") for branch in range(len(world))]
    least = math.ceil(floor * trials / len(world))
    true: list[list[float]] = [[] for _ in world]
    seen: list[list[float]] = [[] for _ in world]
    for _ in range(trials):
        first = min(STARTUP, least)
        claims = [Claim(len(o), len(o), LossCurve(o), noise, least, first) for o in seen]
        branch = _furthest_behind([len(own) for own in seen], allot(trials, claims), first)
        true[branch].append(world[branch](len(true[branch]), rngs[branch]))
        seen[branch].append(true[branch][-1] + rngs[branch].gauss(0, noise))
    pairs = [pair for one in zip(seen, true, strict=True) for pair in zip(*one, strict=True)]
    return min(pairs)[1]


def _furthest_behind(asked: list[int], budgets: list[int], first: int) -> int:
    """Return who is next: all have their start-up trials first."""
    places = range(len(asked))
    return min(places, key=lambda i: (asked[i] >= first, asked[i] / max(1, budgets[i])))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.0)
    options = parser.parse_args()
    print(f"{'two branches':32}    even    0.25     0.5    0.75")
    for name, world in WORLDS.items():
        cells = [
            statistics.fmean(
                regret(world, options.trials, floor, options.noise, seed)
                for seed in range(options.seeds)
            )
            for floor in (1.0, 0.25, 0.5, 0.75)
        ]
        print(f"{name:32}", *(f"{1000 * one:7.1f}" for one in cells), flush=True)


if __name__ == "__main__":
    main()
