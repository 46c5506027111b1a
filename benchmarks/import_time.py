"""What a command costs before it does anything: processor time and modules loaded, for each.

    python benchmarks/import_time.py [COMMAND …] [--beside CHECKOUT] [--repeats 5] [--results DIR]

Each command, by default all, prints its help in a process of its own; `studies` and `show` also
ask a server that has a study.  With another checkout beside this one its commands run in turn with
ours, so that both see the same machine.  Medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.suite.machine import processor, watched  # noqa: E402
from service.cli.catalogue import COMMANDS  # noqa: E402
from service.cli.commands.demo import running_server  # noqa: E402
from service.client.client import Client  # noqa: E402
from service.output_file import write_output  # noqa: E402

SPEC = ROOT / "examples" / "sinusoid.yaml"
ASKING = (("studies",), ("show", "last"))


RUN = """
import atexit, sys, time
tell = lambda: print("cost", time.process_time(), len(sys.modules), file=sys.stderr, flush=True)
atexit.register(tell)
from service.cli.main import main
main()
"""


class Cost(NamedTuple):
    """Of one command: seconds of processor time, modules that are there at its end."""

    seconds: float
    modules: int


def main() -> None:
    """Measure, print a table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--beside", type=Path, help="another checkout to run in turn with this")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--results", type=Path, help="write import_time.txt there")
    options = parser.parse_args()
    trees = [ROOT, *([options.beside.resolve()] if options.beside else [])]
    commands = [("--help",), *((name, "--help") for name in options.commands)]
    with watched() as machine, a_server() as url:
        environment = {**os.environ, "METAOPT_URL": url}
        costs = measured(trees, [*commands, *ASKING], environment, options.repeats)
    told = text(costs, machine["others_share"])
    print(told, end="")
    if options.results:
        write_output(options.results / "import_time.txt", told)


@contextmanager
def a_server() -> Iterator[str]:
    """Yield the URL of a server that has a study, which is paused."""
    with (
        tempfile.TemporaryDirectory() as data,
        running_server(Path(data)) as url,
        Client(url) as client,
    ):
        study = client.submit(yaml.safe_load(SPEC.read_text()))
        client.pause(study.study_id)
        yield url


def measured(
    trees: list[Path],
    commands: list[tuple[str, ...]],
    environment: Mapping[str, str],
    repeats: int,
) -> dict[tuple[str, ...], list[Cost]]:
    """What each command costs in each tree."""
    costs: dict[tuple[Path, tuple[str, ...]], list[Cost]] = {}
    for _ in range(repeats):
        for command in commands:
            for tree in trees:
                costs.setdefault((tree, command), []).append(cost(tree, command, environment))
    return {command: [median(costs[tree, command]) for tree in trees] for command in commands}


def median(runs: list[Cost]) -> Cost:
    """The middle of several runs."""
    seconds, modules = zip(*runs, strict=True)
    return Cost(statistics.median(seconds), round(statistics.median(modules)))


def cost(tree: Path, command: tuple[str, ...], environment: Mapping[str, str]) -> Cost:
    """What one run of a command costs, from the start of Python to its end."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command],
        cwd=tree,
        env={**environment, "PYTHONPATH": str(tree)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{tree}: {' '.join(command)} ended with {done.returncode}: {done.stderr}")
    _, seconds, modules = done.stderr.splitlines()[-1].split()
    return Cost(float(seconds), int(modules))


def text(costs: Mapping[tuple[str, ...], list[Cost]], others_share: float | None) -> str:
    """The table."""
    both = len(next(iter(costs.values()))) > 1
    heading = f"{'metaopt …':22}{'CPU s':>8}{'modules':>9}"
    heading += f"{'beside: CPU s':>16}{'modules':>9}{'times':>8}" if both else ""
    lines = [f"Python {sys.version.split()[0]}, {processor()}", heading]
    for command, (ours, *other) in costs.items():
        line = f"{' '.join(command):22}{ours.seconds:8.2f}{ours.modules:9d}"
        for cost in other:
            line += f"{cost.seconds:16.2f}{cost.modules:9d}{cost.seconds / ours.seconds:8.1f}"
        lines.append(line)
    if others_share is not None:
        lines.append(f"other processes used {others_share:.0%} of the cores meanwhile")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
