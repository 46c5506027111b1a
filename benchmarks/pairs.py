"""What a trial costs the dispatcher, for every sampler and pruning rule: a table of pairs.

Each pair is a study of its own in a process of its own (`benchmarks/in_process.py`).  An ask of
`gp` costs more with every trial that it knows, by nature: it is measured in a short study.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.samplers.registry import SAMPLERS
from service.output_file import write_output

ROOT = Path(__file__).resolve().parents[1]
LENGTHS = (1_000, 10_000, 100_000)
SHORT = {"gp": 40}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

Json = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let pairs be chosen."""
    chosen = parser.add_argument_group("with --pairs")
    chosen.add_argument("--samplers", nargs="+", default=SAMPLERS.names(), help="by default all")
    chosen.add_argument("--rules", nargs="+", default=PRUNING_RULES.names(), help="by default all")
    chosen.add_argument("--branches", type=int, default=1)


def measure(sampler: str, rule: str, lengths: list[int], branches: int) -> Json:
    """Run a pair's study, and return its figures."""
    at = [SHORT[sampler]] if sampler in SHORT else sorted(lengths)
    command = [sys.executable, "benchmarks/in_process.py", "--sampler", sampler, "--pruning", rule]
    command += ["--branches", str(branches), "--trials", str(at[-1]), "--at", *map(str, at)]
    paths = {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ONE_THREAD, **paths}, stdout=-1, check=True
    )
    return {"sampler": sampler, "rule": rule, "branches": branches, **json.loads(ran.stdout)}


def header(lengths: list[int]) -> str:
    """The head of the table."""
    columns = "".join(f"{n:>10,}" for n in sorted(lengths))
    return (
        f"CPU of the dispatcher, ms per trial, in a study that has come to so many trials\n"
        f"sampler   rule                branches{columns}  last/first  bytes per trial"
    )


def line(figures: Json, lengths: list[int]) -> str:
    """A pair as a line of the table."""
    costs = {int(n): cost for n, cost in figures["ms_per_trial"].items()}
    cells = "".join(f"{costs[n]:10.2f}" if n in costs else " " * 10 for n in sorted(lengths))
    ratio = f"{costs[max(costs)] / costs[min(costs)]:10.2f}×" if len(costs) > 1 else " " * 11
    note = "".join(f"  {costs[n]:.2f} at {n}" for n in costs if n not in lengths)
    return (
        f"{figures['sampler']:10}{figures['rule']:20}{figures['branches']:8}{cells}{ratio}"
        f"{figures['bytes_per_trial']:17,.0f}{note}"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the table line by line, and write it."""
    work = (
        f"played workers, SQLite; {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}"
    )
    lines, results = [work, header(arguments.trials)], []
    print(*lines, sep="\n", flush=True)
    for sampler in arguments.samplers:
        for rule in arguments.rules:
            results.append(measure(sampler, rule, arguments.trials, arguments.branches))
            lines.append(line(results[-1], arguments.trials))
            print(lines[-1], flush=True)
    if not arguments.quick:
        whole = {"work": work, "results": results}
        write_output(arguments.out, json.dumps(whole, indent=2) + "\n")
        write_output(arguments.out.with_suffix(".txt"), "\n".join(lines) + "\n")
