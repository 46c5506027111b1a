"""Measure metaopt beside its peers, on the same work in one run.

    python -m benchmarks.bench [--device cuda] [--quick] [--work NAME …] [--only CONTENDER …]
    python -m benchmarks.bench --family [--quick] [--work NAME …] [--only CONTENDER …]

Contenders are processes that compute one at a time, on a CPU all on the same core, after each has
shown that its meta-gradient is the plain loop's.  Peers come from an environment of their own,
`make bench-peers`; one that is not there is skipped, and the table says why.  A peer that this
Python can import is measured without that environment.

`--family` measures the lanes of every other algorithm beside its own plain loop
(`benchmarks.suite.contenders.plain`); peers have no part in it.

A full run writes `benchmarks/results/bench.txt` and `latest.json` (on a GPU `bench-cuda.txt` and
`latest-cuda.json`, of the family `bench-family.txt` and `latest-family.json`); a quick one, or a
part, writes only where `--results` says.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS, reasons
from benchmarks.suite import table
from benchmarks.suite.driver import TOLERANCE, Outcome, Plan, measure
from benchmarks.suite.machine import processor
from benchmarks.suite.process import ROOT, Process, Refused, environment_of, interpreter, say
from benchmarks.suite.roster import LIMIT, LOOP, Entry, roster, roster_of
from benchmarks.suite.works import FAMILY_WORKS, Work, works_of
from service.executors.process import KEEP_MEMORY
from service.output_file import write_output

RESULTS = ROOT / "benchmarks" / "results"
FULL, FAMILY, QUICK = (9, 0.4), (5, 0.2), (2, 0.03)  # repeats, seconds of each
ANSWER_SECONDS = 900.0  # a compiler may take minutes


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, write the files."""
    options = _options(arguments)
    works = [w for w in _known(options) if not options.work or w.name in options.work]
    repeats, seconds = QUICK if options.quick else FAMILY if options.family else FULL
    core = _core(options.device)
    about = _about(options.device, core, repeats, seconds)
    outcomes: list[tuple[Work, Outcome]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        processes(options.device, core, Path(folder), options.peers) as process_of,
    ):
        plan = Plan(repeats, seconds, process_of, Path(folder), say)
        for work in works:
            outcome = measure(work, _entries(work, options), plan)
            _explain(outcome, options.peers)
            outcomes.append((work, outcome))
            if options.results is not None:  # each time: the next one may take long
                _write(outcomes, about, options)
    _write(outcomes, about, options)
    print(table.text(outcomes, about), end="")


def _write(
    outcomes: list[tuple[Work, Outcome]], about: dict[str, Any], options: argparse.Namespace
) -> None:
    part = options.quick or options.work or options.only
    into = options.results or (None if part else RESULTS)
    if into is None:
        return
    suffix = "-family" if options.family else "" if options.device == "cpu" else "-cuda"
    into.mkdir(parents=True, exist_ok=True)
    write_output(into / f"bench{suffix}.txt", table.text(outcomes, about))
    results = json.dumps(table.document(outcomes, about), indent=2, allow_nan=False)
    write_output(into / f"latest{suffix}.json", results + "\n")


@contextmanager
def processes(
    device: str, core: int | None, folder: Path, peers: Path
) -> Iterator[Callable[[Entry], Process]]:
    """Return what gives an entry its process, started once for its group; end them all after."""
    start = {"device": device, "core": core, "drawings": str(folder / "drawings.npy")}
    environment = environment_of(device, KEEP_MEMORY)
    started: dict[str, Process] = {}

    def process_of(entry: Entry) -> Process:
        if entry.group not in started:
            python = interpreter(peers, entry.peer)
            started[entry.group] = Process(python, start, environment, ANSWER_SECONDS)
        return started[entry.group]

    try:
        yield process_of
    finally:
        for process in started.values():
            process.end()


def _explain(outcome: Outcome, peers: Path) -> None:
    """Say of a peer that does not import why it was not installed."""
    known = reasons(peers)
    modules = {entry.name: entry.module for entry in (*roster("cpu"), *roster("cuda"))}
    for name, reason in outcome.skipped.items():
        if reason.startswith("does not import"):
            outcome.skipped[name] = known.get(modules[name], f"{reason}; {_ADVICE}")


_ADVICE = "make bench-peers installs the peers"


def _about(device: str, core: int | None, repeats: int, seconds: float) -> dict[str, Any]:
    one = "every contender has one thread on the same core" if device == "cpu" else f"on {device}"
    return {
        "machine": f"{platform.machine()}, {processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "threads": one if core is not None or device != "cpu" else "every contender has one thread",
        "repeats": repeats,
        "seconds_per_repeat": seconds,
        "tolerance": TOLERANCE,
    }


def _core(device: str) -> int | None:
    """Return the core that contenders share; on a GPU, and where a system cannot pin, none."""
    if device != "cpu" or not hasattr(os, "sched_setaffinity"):
        return None
    return max(os.sched_getaffinity(0))


def _known(options: argparse.Namespace) -> tuple[Work, ...]:
    return FAMILY_WORKS if options.family else works_of(options.device)


def _entries(work: Work, options: argparse.Namespace) -> list[Entry]:
    entries = roster_of(work, options.device)
    return [entry for entry in entries if not options.only or _names(entry, options.only)]


def _names(entry: Entry, wanted: list[str]) -> bool:
    return entry.name in wanted or entry.module in wanted


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--family", action="store_true", help="the other algorithms (CPU)")
    parser.add_argument("--quick", action="store_true", help="short repeats, and few")
    parser.add_argument("--work", nargs="+", metavar="NAME", help="only these work items")
    parser.add_argument(
        "--only", nargs="+", metavar="CONTENDER",
        help="besides the limit and the loop only these: ours, jax, higher, ours_eager_8, …",
    )  # fmt: skip
    parser.add_argument("--results", type=Path, metavar="DIR", help="where to write the files")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the peers' environment")
    options = parser.parse_args(arguments)
    if options.family and options.device != "cpu":
        parser.error("--family runs on the CPU alone: its plain loops are made for it")
    known = [work.name for work in _known(options)]
    entries = [LIMIT, LOOP, *roster(options.device)]
    for name in options.work or []:
        if name not in known:
            parser.error(f"--work must be one of {', '.join(known)}, got {name!r}")
    for name in options.only or []:
        if not any(_names(entry, [name]) for entry in entries):
            parser.error(f"--only: no contender {name!r} on {options.device}")
    return options


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        sys.exit(f"nothing measured: {refusal}")
