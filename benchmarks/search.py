"""How many meta-iterations searches need: samplers and pruners on tables of true scores.

    python benchmarks/search.py [--table sinusoid omniglot …] [--seeds 50] [--first-seed 0]
        [--only tpe+asha …] [--share 1.0] [--processes 2] [--results DIR] [--picture FILE.png]

Simulates studies (`benchmarks/simulated`) on the tables that `benchmarks/search_table.py` made, and
on the same tables with a bank of ten tasks ("… noisy").  Regret is how much worse than the best
point of the table the best completed trial is; both truly, by tasks that the search does not see.

Reported for each sampler and pruner: after which share of random search's meta-iterations its
median regret over the seeds is as low as random search's at the end.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from service.output_file import write_output

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.simulated.chart import draw
from benchmarks.simulated.study import simulate, study_spec
from benchmarks.simulated.table import Table, load

TABLES = ("sinusoid", "omniglot", "sinusoid noisy", "omniglot noisy")
TRIALS = 60  # that random search trains to the end
CURVE = 200  # points of a regret curve

Json = dict[str, Any]
Curves = dict[str, np.ndarray]
CONTENDERS = (
    "random+none",
    "random+asha",
    "tpe+none",
    "tpe+successive_halving",
    "tpe+asha",
    "auto+asha",
    "auto+race",
)
NOISY_CONTENDERS = (
    "random+none",
    "tpe+none",
    "tpe+none+replicates=4",
    "tpe+race",
    "auto+asha",
)
REFERENCE = CONTENDERS[0]


@cache
def table_of(name: str) -> Table:
    """Return a table by its name, which may end in " noisy" (see `seen`)."""
    return load(name.removesuffix(" noisy"))


def seen(name: str, seed: int) -> Table:
    """The part of a table that a study with that seed sees."""
    table = table_of(name)
    return table.on_small_bank(seed) if name.endswith(" noisy") else table


def curve(name: str, contender: str, seed: int, share: float) -> np.ndarray:
    """Return the regret after each of `CURVE` equal parts of random search's meta-iterations.

    Args:
        share: Of them that is simulated; NaN after that.
    """
    table = seen(name, seed)
    sampler, pruner, *options = contender.split("+")
    most = TRIALS * table.rungs[-1]
    pruning: Json = {"kind": pruner}
    search: Json = {"sampler": sampler}
    for option in options:  # such as "reduction=4", "rungs=180,540" or "replicates=4"
        key, value = option.split("=")
        if key in ("startup_trials", "replicates"):
            search[key] = int(value)
        elif key == "allocation":
            search[key] = value
        else:
            pruning[key] = [int(v) for v in value.split(",")] if key == "rungs" else int(value)
    spec = study_spec(table, seed, search=search, pruning=pruning, most=most)
    regrets = np.full(CURVE, np.inf)
    for spent, regret in simulate(table, spec, int(most * share)):
        regrets[min(CURVE, max(0, -(-spent * CURVE // most) - 1)) :] = regret
    regrets[round(share * CURVE) :] = np.nan
    return regrets


def share_of_random(curves: np.ndarray, reference: np.ndarray) -> float | None:
    """Return after which share of the budget the median regret is the reference's last one.

    Args:
        curves, reference: (seeds, CURVE).
    """
    goal = float(np.median(reference[:, -1]))
    there = np.flatnonzero(np.median(curves, axis=0) <= goal)
    return float((there[0] + 1) / CURVE) if len(there) else None


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", nargs="+", default=TABLES, choices=TABLES)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="CONTENDER")
    parser.add_argument("--share", type=float, default=1.0, help="of the budget, but for random's")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path, help="write search.json and search_TABLE.txt there")
    parser.add_argument("--picture", type=Path, help="draw the curves there, as PNG")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        found = {name: run(pool, name, options) for name in options.table}
    if options.results:
        save(found, options.results, options.seeds)
    if options.picture:
        draw(found, options.picture)


def run(pool: ProcessPoolExecutor, name: str, options: argparse.Namespace) -> Curves:
    """Return the regret curves (seeds, CURVE) of all contenders on a table."""
    found: Curves = {}
    contenders = options.only or (NOISY_CONTENDERS if name.endswith("noisy") else CONTENDERS)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for contender in dict.fromkeys([REFERENCE, *contenders]):
        share = 1.0 if contender == REFERENCE else options.share
        jobs = [pool.submit(curve, name, contender, seed, share) for seed in seeds]
        found[contender] = np.stack([job.result() for job in jobs])
        print(line(name, contender, found[contender], found[REFERENCE]), flush=True)
    return found


def save(found: dict[str, Curves], folder: Path, seeds: int) -> None:
    """Write what was found; what `search.json` has of other tables stays."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "search.json"
    shares = json.loads(file.read_text()) if file.exists() else {}
    for name, curves in found.items():
        shares[name] = {c: share_of_random(one, curves[REFERENCE]) for c, one in curves.items()}
        lines = [
            f"Table {name}, {seeds} seeds: after which share of random search's meta-iterations",
            "the median regret is its last one; median regrets after 10, 25, 50, 100 % of them",
            *(line(name, c, one, curves[REFERENCE]) for c, one in curves.items()),
        ]
        write_output(folder / f"search_{name.replace(' ', '_')}.txt", "\n".join(lines) + "\n")
    write_output(file, json.dumps(shares, indent=2) + "\n")


def line(name: str, contender: str, found: np.ndarray, reference: np.ndarray) -> str:
    """Return a line of the table: the share, and median regrets along the way."""
    share = share_of_random(found, reference)
    told = "never" if share is None else f"{share:.1%}"
    medians = np.median(found, axis=0)
    at = [medians[int(CURVE * part) - 1] for part in (0.1, 0.25, 0.5, 1.0)]
    return f"{name:15} {contender:34} {told:>6}   " + "  ".join(f"{one:7.4f}" for one in at)


if __name__ == "__main__":
    main()
