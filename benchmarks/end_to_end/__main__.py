"""A search from submission to verdict, beside the same search with Optuna and `higher`.

    python -m benchmarks.end_to_end [--inner-steps 1 5] [--warm] [--full-peer] [--quick]
        [--results DIR] [--trials 64] [--meta-iterations 2000] [--peer-meta-iterations 60]

The search: second-order MAML on sinusoids, `inner_lr` and `outer_lr` by TPE, nothing pruned, one
process of one thread for each core, no GPU.  First one computes, then the other.

metaopt: `metaopt serve` with a data directory and a compiler cache that are new, so compiling is
on the clock, which runs from `POST /studies` until the verdict is read: the finalists are trained
afresh, which the peer does not do.  `--warm` submits the study once more to a new server on the
same data directory, where compiled programs lie.

The peer (`make bench-peers` installs it): `study.optimize` in each process on one SQLite study;
the objective trains with `higher`, task by task, and returns the mean loss of 100 validation tasks.
The clock starts when each process has imported everything and has warmed up.  By default each
trial trains for `--peer-meta-iterations` only and the figure is scaled, by the training loop alone:

    seconds = fixed + (meta_iterations − 1) × seconds of one, the first being part of fixed

because the whole run takes most of an hour; `--full-peer` does it.
"""

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from benchmarks.end_to_end.ours import ours
from benchmarks.end_to_end.peer import absent, peer
from benchmarks.end_to_end.search import Json, Search
from benchmarks.end_to_end.table import label, table
from benchmarks.peers import PEERS
from benchmarks.suite.machine import processor
from benchmarks.suite.process import Refused, interpreter
from service.executors.cores import usable_cores
from service.output_file import write_output


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, write the files if asked to."""
    options = _options(arguments)
    python = interpreter(options.peers, peer=True)
    reason = absent(python)
    if reason:
        raise Refused(reason)
    results: Json = {"about": about()}
    for steps in options.inner_steps:
        processes = min(usable_cores().number, options.peer_trials)
        search = Search(options.trials, options.meta_iterations, steps, processes)
        part = replace(
            search, trials=options.peer_trials, meta_iterations=options.peer_meta_iterations
        )
        results[f"inner_steps_{steps}"] = measure(search, part, python, options.warm)
    text = table(results)
    print(text, end="")
    if options.results is not None:
        options.results.mkdir(parents=True, exist_ok=True)
        write_output(options.results / "end_to_end.txt", text)
        written = json.dumps(results, indent=2, allow_nan=False) + "\n"
        write_output(options.results / "end_to_end.json", written)


def measure(search: Search, part: Search, python: Path, warm: bool) -> Json:
    """Run ours, again if `warm`, then as much of the peer as `part` says; return the figures."""
    figures: Json = {
        "trials": search.trials,
        "meta_iterations": search.meta_iterations,
        "processes": search.processes,
    }
    with tempfile.TemporaryDirectory(prefix="metaopt-end-to-end-") as folder:
        directory = Path(folder)
        for name in ("ours", "ours_warm")[: 1 + warm]:
            figures[name] = ours(search, directory / "data", label(name))
        figures["peer"] = peer(search, part, python, directory)
    figures["ratio"] = figures["peer"]["seconds"] / figures["ours"]["seconds"]
    if warm:
        figures["ratio_warm"] = figures["peer"]["seconds"] / figures["ours_warm"]["seconds"]
    return figures


def about() -> Json:
    """Return what the results must say of where they come from."""
    return {
        "machine": f"{platform.machine()}, {processor()}, {usable_cores().number} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("metaopt", "torch", "optuna")},
    }


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inner-steps", type=int, nargs="+", default=[1], metavar="K")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--meta-iterations", type=int, default=2000)
    parser.add_argument("--peer-meta-iterations", type=int, default=60, help="of each trial")
    parser.add_argument("--full-peer", action="store_true", help="scale nothing; takes an hour")
    parser.add_argument("--warm", action="store_true", help="ours once more, programs compiled")
    parser.add_argument("--quick", action="store_true", help="4 trials × 10; the peer 2 × 2")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where to write the files")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the peers' environment")
    options = parser.parse_args(arguments)
    options.peer_trials = options.trials
    if options.quick:
        options.trials, options.meta_iterations = 4, 10
        options.peer_trials, options.peer_meta_iterations = 2, 2
    if options.full_peer:
        options.peer_trials, options.peer_meta_iterations = options.trials, options.meta_iterations
    if options.peer_meta_iterations < 2:
        parser.error(f"--peer-meta-iterations must be >= 2, got {options.peer_meta_iterations}")
    if options.trials < 1 or options.meta_iterations < 2:
        parser.error("--trials must be >= 1 and --meta-iterations >= 2")
    return options


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        sys.exit(f"nothing measured: {refusal}")
