"""How far the mirror is behind, and what it costs, while trials end at a steady rate.

    python -m benchmarks.mirror_lag [--rate 100] [--seconds 30] [--trials 0]

Trials of a study of two branches are written as the dispatcher writes them, begun, scored at two
rungs and ended, at `--rate` a second, into a SQLite database of its own that a mirror follows
(`service.mirror.process`).  `--trials` are there before.  Ten times a second both sides are
counted: the lag is how long ago the newest trial ended that Optuna's tables know the end of.  Then
the study ends, and it is timed until its figures are there.
"""

import argparse
import os
import platform
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.control_plane import _cpu_seconds, spec
from service.database_url import sqlite_url
from service.db.dispatcher import acquire
from service.db.engine import open_engine, reading, transaction
from service.db.events import append_event
from service.db.schema import migrate
from service.db.tables import Report, Study, Trial
from service.mirror.process import mirroring
from service.wire.spec.study import StudySpec

STEP_SECONDS = 0.1
ENDED = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
DONE = "SELECT count(*) FROM study_user_attributes WHERE key = 'mirrored'"
PARAMS = {"inner_lr": 0.01, "outer_lr": 0.001}
NUMBERS = ("score", "stderr", "low", "high", "median", "trimmed_mean", "standard_deviation")


def add_study(session: Session) -> str:
    """A running study of one branch."""
    read = StudySpec.model_validate(spec(10_000, "random", "none", 0))
    study_id, now = uuid.uuid4().hex, datetime.now(UTC)
    row = {"spec": read.model_dump(mode="json"), "spec_sha256": "0" * 64, "status": "running"}
    session.add(Study(study_id=study_id, name="lag", created_at=now, started_at=now, **row))
    session.flush()
    append_event(session, study_id, "study_submitted", {}, now=now)
    return study_id


def add_trial(session: Session, study_id: str, number: int) -> None:
    """A completed trial with two reports, and its events."""
    now = datetime.now(UTC)
    score = 1.0 + (number * 37 % 1000) / 1000
    row = {"status": "completed", "score": score, "meta_iteration": 20, "metrics": {"x": 1.0}}
    trial = Trial(
        trial_id=uuid.uuid4().hex, study_id=study_id, trial_number=number, branch="maml",
        params=PARAMS, seed=number, created_at=now, started_at=now, finished_at=now, **row,
    )  # fmt: skip
    session.add(trial)
    session.flush()
    numbers: dict[str, Any] = dict.fromkeys(NUMBERS, score)
    for rung in (10, 20):
        session.add(
            Report(
                trial_id=trial.trial_id, meta_iteration=rung, diverged_share=0.0, curve=[score],
                scores=[score] * 200, transductive=True, device_seconds=0.1, attempt=1, epoch=1,
                created_at=now, **numbers,
            )
        )  # fmt: skip
    append_event(session, study_id, "trial_finished", {"trial_number": number}, now=now)


def measure(
    engine: Engine, study_id: str, first: int, rate: float, seconds: float
) -> tuple[list[float], int]:
    """Write trials; seconds of lag, one for each step, and how many trials were written."""
    ended_at: list[float] = []
    lags, begun = [], time.monotonic()
    while (now := time.monotonic()) < begun + seconds:
        with transaction(engine) as session:
            while len(ended_at) < (now - begun) * rate:
                add_trial(session, study_id, first + len(ended_at))
                ended_at.append(now)
        with reading(engine) as session:
            there = session.scalar(text(ENDED)) - first
        now = time.monotonic()
        lags.append(now - ended_at[there] if there < len(ended_at) else 0.0)
        time.sleep(max(0.0, STEP_SECONDS - (time.monotonic() - now)))
    return sorted(lags), len(ended_at)


def _mirror() -> int:
    for task in Path("/proc/self/task").glob("*/children"):
        for child in task.read_text().split():
            if "service.mirror" in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
    raise SystemExit("the mirror has ended")


def _wait_for(engine: Engine, query: str, count: int) -> None:
    for _ in range(6000):
        with reading(engine) as session:
            if session.scalar(text(query)) >= count:
                return
        time.sleep(STEP_SECONDS)
    raise SystemExit("the mirror did not come after")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=100.0, help="trials a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--trials", type=int, default=0, help="there before")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = sqlite_url(Path(directory) / "metaopt.db")
        migrate.upgrade(url)
        engine = open_engine(url)
        with transaction(engine) as session:
            epoch = acquire(session, "benchmark", lambda _: False)
            study_id = add_study(session)
            for number in range(arguments.trials):
                add_trial(session, study_id, number)
        assert epoch is not None
        with mirroring(url, epoch):
            _wait_for(engine, ENDED, arguments.trials)
            time.sleep(2.0)
            stat = f"/proc/{_mirror()}/stat"
            before = _cpu_seconds(stat)
            lags, written = measure(
                engine, study_id, arguments.trials, arguments.rate, arguments.seconds
            )
            _wait_for(engine, ENDED, arguments.trials + written)
            cost = 1e3 * (_cpu_seconds(stat) - before) / written
            begun, before = time.monotonic(), _cpu_seconds(stat)
            with transaction(engine) as session:
                study = session.get_one(Study, study_id)
                study.status, study.finished_at = "cancelled", datetime.now(UTC)
                append_event(session, study_id, "study_cancelled", {}, now=datetime.now(UTC))
            _wait_for(engine, DONE, 1)
            took, figures = time.monotonic() - begun, _cpu_seconds(stat) - before
        engine.dispose()
    print(
        f"{arguments.rate:g} trials/s for {arguments.seconds:g} s after {arguments.trials}; "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(
        f"lag: {lags[len(lags) // 2]:.2f} s in the middle, "
        f"{lags[int(0.99 * len(lags))]:.2f} s at most in 99 of 100 looks, {lags[-1]:.2f} s at most"
    )
    print(f"the mirror's own CPU: {cost:.2f} ms per trial")
    print(f"figures of the ended study: after {took:.1f} s, {figures:.2f} s of the mirror's CPU")


if __name__ == "__main__":
    main()
