"""The peer as this process sees it: started, told to go, asked for its figures."""

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from benchmarks.end_to_end.search import Json, Search
from benchmarks.suite.machine import watched
from benchmarks.suite.process import ROOT, Refused, environment_of, last_line, say, tethered
from service.database_url import sqlite_url
from service.executors.process import KEEP_MEMORY


def absent(python: Path) -> str | None:
    """Return why the peer cannot run with this interpreter, or None."""
    command = [str(python), "-c", "import higher, optuna, torch"]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.returncode:
        return None
    return f"the peer does not import ({last_line(done.stderr)}); make bench-peers installs it"


def peer(search: Search, part: Search, python: Path, directory: Path) -> Json:
    """Run `part` in one process for each core, and return its figures scaled to `search`."""
    say(f"peer: {part.trials} trials × {part.meta_iterations} meta-iterations")
    share = [
        part.trials // part.processes + (i < part.trials % part.processes)
        for i in range(part.processes)
    ]
    with watched() as machine, ExitStack() as stack:
        processes = []
        for number, trials in enumerate(share):
            order = {
                "storage": sqlite_url(directory / "optuna.db").render_as_string(),
                "number": number,
                "trials": trials,
                "meta_iterations": part.meta_iterations,
                "inner_steps": part.inner_steps,
            }
            process = stack.enter_context(PeerProcess(python, order))
            versions = process.answer()  # the first has made the study when the second asks
            processes.append(process)
        for process in processes:
            process.go()
        runs = [process.answer() for process in processes]
    loop = sum(run["loop_seconds"] for run in runs)
    fixed = sum(run["seconds"] for run in runs) - loop
    return {
        "seconds": max(scaled(run, search, part) for run in runs),
        "scaled": part != search,
        "measured_seconds": max(run["seconds"] for run in runs),
        "measured_trials": part.trials,
        "measured_meta_iterations": part.meta_iterations,
        "fixed_seconds_per_trial": fixed / part.trials,
        "ms_per_meta_iteration": 1e3 * loop / (part.trials * (part.meta_iterations - 1)),
        "others_share": machine["others_share"],
        "best_validation_score": min(run["best"] for run in runs),
        "versions": versions,
    }


def scaled(run: Json, search: Search, part: Search) -> float:
    """Return how long a process would take with its share of `search`, having run that of `part`.

    Args:
        run: `seconds` in all, of which `loop_seconds` in the training loops without the first
            meta-iteration of each trial.
    """
    loop = run["loop_seconds"] * (search.meta_iterations - 1) / (part.meta_iterations - 1)
    fixed = run["seconds"] - run["loop_seconds"]
    return float((fixed + loop) * search.trials / part.trials)


class PeerProcess:
    """A `peer_main`: it answers when it is ready, and once more when it was told to go."""

    def __init__(self, python: Path, order: Json) -> None:
        self._log: IO[str] = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            tethered(python, "benchmarks.end_to_end.peer_process", json.dumps(order)),
            cwd=ROOT,
            env={**os.environ, **environment_of("cpu", KEEP_MEMORY), "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def __enter__(self) -> "PeerProcess":
        """Return the process."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def answer(self) -> Json:
        """Return its next answer, however long it takes.

        Raises:
            Refused: It died.
        """
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise Refused(f"a process of the peer ended: {last_line(self._log.read())}")
        answer: Json = json.loads(line)
        return answer

    def go(self) -> None:
        """Let it search."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
