"""What polls cost beside a long queue, and what it costs to load a long study.

    python -m benchmarks.loading [--trials 1000 10000] [--queued 10 10000] [--out FILE]

    poll   how every study at work and the next one stand, and what ended studies have left open,
           while so many others are queued
    load   a study of so many trials, judged by asha and asked for by `auto`, is built from its
           rows; meanwhile another connection commits as fast as it can: the longest of its commits
           is how long writers were kept waiting

On SQLite, in a temporary directory; CPU is of the process, the median of five for polls.
"""

import argparse
import json
import logging
import os
import platform
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine, insert, text

from metaopt.algorithms.registry import complete
from service.blobs.directory import DirectoryStore
from service.database_url import sqlite_url
from service.db.dispatcher import acquire
from service.db.engine import open_engine, reading, transaction
from service.db.schema import migrate
from service.db.study_progress import at_work_or_next
from service.db.tables import Ask, Attempt, Report, Trial
from service.db.trials import left_over
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.leadership import takeover
from service.dispatcher.store.ledger import Ledger
from service.operations.submit import submit_study
from service.output_file import write_output
from service.wire.spec.study import StudySpec

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
RUNGS, HORIZON = [40, 400, 2000], 6000
KEPT = 3  # one of so many goes on from a rung
TASKS = 100
BEGUN = datetime(2026, 1, 2, 12, tzinfo=UTC)
POLLS = 5


def spec(name: str) -> StudySpec:
    """Return a study of as many trials as one may have."""
    space = {
        "inner_lr": {"low": 0.001, "high": 0.1, "log": True},
        "outer_lr": {"low": 0.0001, "high": 0.01, "log": True},
    }
    return StudySpec.model_validate(
        {
            "name": name,
            "tasks": {"kind": "sinusoid"},
            "model": {"kind": "mlp"},
            "branches": [{"algorithm": "maml", "space": space}],
            "pruning": {"kind": "asha", "rungs": RUNGS, "reduction": KEPT},
            "budget": {"trials": 10_000, "meta_iterations": HORIZON},
        }
    )


class Rows:
    """The rows that a search of so many trials has left: all asked for, few completed.

    Args:
        study_id: Whose.
        trials: How many.
    """

    def __init__(self, study_id: str, trials: int) -> None:
        """Make them."""
        self._study_id = study_id
        self._random = random.Random(0)
        self._sequence = 0
        self.tables: dict[Any, list[dict[str, Any]]] = {
            Trial: [], Attempt: [], Report: [], Ask: [],
        }  # fmt: skip
        for number in range(trials):
            self._add(number)

    def _add(self, number: int) -> None:
        params = {
            "inner_lr": 10 ** self._random.uniform(-2.9, -1.1),
            "outer_lr": 10 ** self._random.uniform(-3.9, -2.1),
        }
        trial_id = f"{self._study_id[:8]}{number:024d}"
        self._log(number, kind="ask", params=params)
        reached = [*RUNGS, HORIZON]
        stops = next((i for i in range(len(RUNGS)) if number % KEPT ** (i + 1)), len(RUNGS))
        score = 0.0
        for place in range(stops + 1):
            rung = reached[place]
            score = self._random.uniform(0.1, 2.0)
            ended = rung == HORIZON
            self.tables[Attempt].append(self._attempt(trial_id, place, [0, *reached][place]))
            self.tables[Report].append(self._report(trial_id, rung, score))
            outcome = "completed" if ended else "paused"
            self._log(number, kind="tell", outcome=outcome, value=score, meta_iteration=rung)
        completed = stops == len(RUNGS)
        self.tables[Trial].append(
            {
                "trial_id": trial_id,
                "study_id": self._study_id,
                "trial_number": number,
                "role": "search",
                "branch": "maml",
                "ask_index": number,
                "params": complete("maml", params),
                "seed": number,
                "status": "completed" if completed else "queued",
                "meta_iteration": reached[stops],
                "rung": reached[stops],
                "score": score,
                "score_stderr": 0.01,
                "checkpoint": None if completed else f"{self._study_id}/{trial_id}-{stops}",
                "checkpoint_sha256": None if completed else "0" * 64,
                "created_at": BEGUN,
                "started_at": BEGUN,
                "finished_at": BEGUN + timedelta(seconds=number) if completed else None,
                "metrics": {},
            }
        )

    def _attempt(self, trial_id: str, place: int, begun: int) -> dict[str, Any]:
        return {
            "trial_id": trial_id,
            "number": place + 1,
            "epoch": 1,
            "slot": "cpu:0",
            "from_meta_iteration": begun,
            "outcome": "finished",
            "started_at": BEGUN,
            "ended_at": BEGUN,
        }

    def _report(self, trial_id: str, rung: int, score: float) -> dict[str, Any]:
        return {
            "trial_id": trial_id,
            "meta_iteration": rung,
            "score": score,
            "stderr": 0.01,
            "low": score - 0.02,
            "high": score + 0.02,
            "median": score,
            "trimmed_mean": score,
            "standard_deviation": 0.1,
            "diverged_share": 0.0,
            "scores": [score + self._random.gauss(0.0, 0.1) for _ in range(TASKS)],
            "curve": [score] * 11,
            "transductive": True,
            "device_seconds": 1.0,
            "attempt": 1,
            "epoch": 1,
            "created_at": BEGUN,
            "metrics": {},
        }

    def _log(self, number: int, **values: Any) -> None:
        row = {
            "study_id": self._study_id,
            "branch": "maml",
            "sequence": self._sequence,
            "trial_number": number,
            "params": None,
            "outcome": None,
            "value": None,
            "meta_iteration": None,
            "metrics": {},
            **values,
        }
        self.tables[Ask].append(row)
        self._sequence += 1


@contextmanager
def database(directory: Path) -> Iterator[Engine]:
    """Yield an engine on an empty database."""
    migrate.upgrade(sqlite_url(directory / "metaopt.db"))
    engine = open_engine(sqlite_url(directory / "metaopt.db"))
    yield engine
    engine.dispose()


def loaded(trials: int) -> dict[str, Any]:
    """Return what it costs to load a study of so many trials."""
    study_id = "a" * 32
    with tempfile.TemporaryDirectory() as path, database(Path(path)) as engine:
        with transaction(engine) as session:
            epoch = acquire(session, "benchmark", lambda _: True)
            submit_study(session, spec("long"), None, study_id=study_id, now=BEGUN)
            for table, rows in Rows(study_id, trials).tables.items():
                session.execute(insert(table), rows)
            session.execute(text("UPDATE mo_studies SET status = 'running'"))
        assert epoch is not None
        store = CheckpointStore(DirectoryStore(Path(path) / "checkpoints"))
        ledger = Ledger(engine, epoch, store, lambda: datetime.now(UTC))
        with committing(engine) as waits:
            begun, cpu = time.perf_counter(), time.process_time()
            study = takeover.load(ledger, study_id)
            cpu, seconds = time.process_time() - cpu, time.perf_counter() - begun
    assert study is not None and len(study.trials) == trials
    return {
        "trials": trials,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "longest_wait_seconds": max(waits),
    }


@contextmanager
def committing(engine: Engine) -> Iterator[list[float]]:
    """Commit from another thread until the block ends; yield how long each commit took."""
    waits, stop = [], threading.Event()

    def commit() -> None:
        while not stop.is_set():
            begun = time.perf_counter()
            with transaction(engine) as session:
                session.execute(text("UPDATE mo_studies SET error = NULL"))
            waits.append(time.perf_counter() - begun)
            stop.wait(0.02)

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()


def polled(queued: int) -> dict[str, Any]:
    """Return what a poll costs beside so many queued studies."""
    with tempfile.TemporaryDirectory() as path, database(Path(path)) as engine:
        with transaction(engine) as session:
            for number in range(queued):
                submit_study(session, spec("queued"), None, study_id=f"{number:032x}", now=BEGUN)
        taken = []
        for _ in range(POLLS):
            begun = time.process_time()
            for _ in range(50):
                with reading(engine) as session:
                    at_work_or_next(session, [])
                    left_over(session, [])
            taken.append((time.process_time() - begun) / 50)
    return {"queued": queued, "cpu_ms": 1e3 * statistics.median(taken)}


def main() -> None:
    """Print the figures, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--queued", type=int, nargs="*", default=[10, 10_000])
    parser.add_argument("--out", type=Path, default=RESULTS / "loading.json")
    options = parser.parse_args()
    work = (
        f"SQLite; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(work, flush=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    polls = [polled(queued) for queued in options.queued]
    loaded(10)  # what is imported, and looked up, once in a process
    loads = [loaded(trials) for trials in options.trials]
    lines = [f"{one['queued']:6} studies queued: a poll {one['cpu_ms']:.2f} ms" for one in polls]
    lines += [
        f"{one['trials']:6} trials: loaded in {one['seconds']:.2f} s "
        f"({one['cpu_seconds']:.2f} s of CPU, the other writer's with it), who waited at most "
        f"{1e3 * one['longest_wait_seconds']:.0f} ms"
        for one in loads
    ]
    told = "\n".join(lines)
    print(told)
    write_output(
        options.out, json.dumps({"work": work, "polls": polls, "loads": loads}, indent=2) + "\n"
    )
    write_output(options.out.with_suffix(".txt"), f"{work}\n{told}\n")


if __name__ == "__main__":
    main()
