"""Ours: a study submitted to a server of its own."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.end_to_end.search import INNER_LR, OUTER_LR, VALIDATION_TASKS, Json, Search
from benchmarks.suite.machine import watched
from benchmarks.suite.process import ROOT, Refused, last_line, say, tethered
from service.cli.commands.demo import free_port
from service.client.client import Client
from service.client.errors import ClientError

START_SECONDS, DRAIN_SECONDS, WAIT_SECONDS = 120.0, 60.0, 20.0


def ours(search: Search, directory: Path, label: str) -> Json:
    """Submit the study to a server on `directory` and return the figures of its run."""
    with watched() as machine:
        with server(directory, search.processes) as url, Client(url) as client:
            say(f"{label}: submitted")
            begun = time.perf_counter()
            study_id = client.submit(spec(search)).study_id
            study = _until_ended(client, study_id, label, begun)
            verdict = client.result(study_id)
            seconds = time.perf_counter() - begun
    best = verdict.finalists[0]
    return {
        "seconds": seconds,
        "busy_share": study.busy_share,
        "compiled_share": _compiled_share(directory, study_id),
        "others_share": machine["others_share"],
        "search_trials": {status: n for status, n in study.trials.items() if n},
        "verdict_lanes": sum(study.verdict_trials.values()),
        "best_search_score": verdict.branches["maml"].best_score,
        "best_sealed_score": best.sealed.score,
        "best_sealed_interval": [best.sealed.low, best.sealed.high],
        "best_params": {name: best.params[name] for name in ("inner_lr", "outer_lr")},
    }


def _compiled_share(directory: Path, study_id: str) -> float:
    """Return the share of the trials' meta-iterations that compiled programs did."""
    query = """
        SELECT sum(lanes * meta_iterations * (program = 'compiled')) * 1.0
               / sum(lanes * meta_iterations)
        FROM mo_segments WHERE study_id = ?
    """
    with closing(sqlite3.connect(directory / "metaopt.db")) as database:
        (share,) = database.execute(query, (study_id,)).fetchone()
    return float(share)


def spec(search: Search) -> Json:
    """Return the study; its verdict judges the finalists only, as the peer's does."""
    work = search.work
    fixed = {name: work.params[name] for name in ("inner_steps", "meta_batch", "order")}
    space = {"inner_lr": INNER_LR, "outer_lr": OUTER_LR, **fixed}
    return {
        "name": "end to end",
        "tasks": work.tasks,
        "model": work.model,
        "branches": [{"algorithm": "maml", "space": space}],
        "search": {"sampler": "tpe"},
        "pruning": {"kind": "none"},
        "budget": {"trials": search.trials, "meta_iterations": search.meta_iterations},
        "evaluation": {"tasks": VALIDATION_TASKS},
        "verdict": {"compare": "none"},
    }


@contextmanager
def server(directory: Path, slots: int) -> Iterator[str]:
    """Yield the URL of a server with default settings and its data in `directory`."""
    directory.mkdir(exist_ok=True)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("METAOPT_")},
        "METAOPT_DATA_DIRECTORY": str(directory),
        "METAOPT_PORT": str(port),
        "METAOPT_SLOTS": str(slots),
        "CUDA_VISIBLE_DEVICES": "",
        "TORCHINDUCTOR_CACHE_DIR": str(directory / "inductor"),  # else it is the machine's
    }
    log = directory / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            tethered(Path(sys.executable), "service.cli", "serve"),
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Client(url) as client:
        while True:
            try:
                if client.readiness() is None:
                    return
            except ClientError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise Refused(f"the server did not start: {last_line(log.read_text())}")
            time.sleep(0.2)


def _until_ended(client: Any, study_id: str, label: str, begun: float) -> Any:
    while True:
        study = client.study(study_id, wait_seconds=WAIT_SECONDS)
        if study.status == "completed":
            return study
        if study.status in ("failed", "cancelled"):
            raise Refused(f"the study {study.status}: {study.error}")
        done, fresh = study.trials["completed"], study.verdict_trials["completed"]
        say(
            f"{label}: {time.perf_counter() - begun:.0f} s, {done} trials completed"
            + f", {fresh} verdict trainings" * bool(fresh)
        )
