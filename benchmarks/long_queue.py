"""What a long queue costs: the dispatcher's start, lists, submits, and the mirror.

    python benchmarks/long_queue.py [--queued 2000 10000] [--rounds 100] [--dry] [--out F]
    python -m tests.chaos queue --night     the same on both databases, held to what is promised

For each number a database is made with so many queued studies, each with its event, copies of one
that was submitted under names of their own. Then `metaopt serve` is started on it (SQLite here, one
slot, nothing is compiled). From the line with which the dispatcher says that it is live it is
counted when the first study runs and when its first segment is reported. Then lists and submits are
asked for, one after the other, on one connection; the first of each, which finds nothing kept, is
left out. Beside what a client waits for, which here includes what the worker and the dispatcher do
meanwhile, it is read how much of a processor the API's process used for each. At the end it is seen
how many studies the mirror has made in Optuna's tables.
"""

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import Engine, insert, select, text

from service.database_url import sqlite_url
from service.db.engine import open_engine
from service.db.schema import migrate
from service.db.tables import Event, Study
from service.output_file import write_output

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MOST_SECONDS = 120.0
SPEC = {
    "name": "queued",
    "tasks": {"kind": "sinusoid", "k_shot": 5, "q_query": 5},
    "model": {"kind": "mlp", "widths": [8]},
    "branches": [{"algorithm": "maml"}],
    "pruning": {"kind": "none"},
    "budget": {"trials": 64, "meta_iterations": 2000},
    "evaluation": {"tasks": 10, "curve_steps": 1},
    "verdict": {"finalists": 1, "seeds": 1, "tasks": 10, "compare": "none"},
}


class Server:
    """A server of its own."""

    def __init__(self, directory: Path, command: str, database_url: str) -> None:
        """Start it."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.log = directory / "server.log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", command, "--port", str(self.port)],
            cwd=ROOT,
            env={
                **inherited,
                "OMP_NUM_THREADS": "1",
                "METAOPT_DATA_DIRECTORY": str(directory),
                "METAOPT_DATABASE_URL": database_url,
                "METAOPT_SLOTS": "1",
                "METAOPT_COMPILE": "never",
                "METAOPT_QUEUED_PER_KEY": "1000000",
            },
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
        )

    def close(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def wait(holds: Any) -> float:
    """Wait for it; return the time."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        try:
            if holds():
                return time.monotonic()
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit("it took too long")


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> bytes:
    """The body of an answer."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    read = answer.read()
    assert answer.status in (200, 202), read
    return read


def copy(engine: Engine, queued: int) -> None:
    """Make so many queued studies of the one that is there."""
    studies, events = Study.__table__, Event.__table__
    with engine.begin() as connection:
        study = dict(connection.execute(select(studies)).mappings().one())
        event = dict(connection.execute(select(events)).mappings().one())
        del event["event_id"]
        copies = [
            study
            | {"study_id": uuid.uuid4().hex, "name": f"queued {number}"}
            | {"spec": study["spec"] | {"name": f"queued {number}"}}
            for number in range(queued - 1)
        ]
        if copies:
            connection.execute(insert(studies), copies)
            told = [event | {"study_id": one["study_id"]} for one in copies]
            connection.execute(insert(events), told)


def processor_seconds(process_id: int) -> float:
    """What a process has used of processors, all of its threads together."""
    tasks = Path(f"/proc/{process_id}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def latencies(
    server: Server, rounds: int, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, float]:
    """Milliseconds of so many requests, and of them those of the processor."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    ask(connection, method, path, body)
    used = processor_seconds(server.process.pid)
    taken = []
    for number in range(rounds):
        sent = body and {**body, "name": f"sent {number}"}
        begun = time.perf_counter()
        ask(connection, method, path, sent)
        taken.append(1e3 * (time.perf_counter() - begun))
    used = processor_seconds(server.process.pid) - used
    ranked = sorted(taken)
    return {
        "p50": statistics.median(ranked),
        "p99": ranked[min(rounds - 1, int(0.99 * rounds))],
        "processor": 1e3 * used / rounds,
    }


def measure(queued: int, rounds: int, database_url: str | None = None) -> dict[str, Any]:
    """One row of the table.

    Args:
        queued: Studies.
        rounds: Requests of each kind.
        database_url: Of a database without studies; None is a new one of SQLite.
    """
    directory = Path(tempfile.mkdtemp(prefix="metaopt-long-queue-"))
    url = database_url or sqlite_url(directory / "metaopt.db").render_as_string()
    engine = open_engine(url)
    try:
        migrate.upgrade(url)
        api = Server(directory, "api", url)
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
        wait(lambda: ask(http.client.HTTPConnection("127.0.0.1", api.port), "GET", "/healthz"))
        ask(connection, "POST", "/api/v1/studies", SPEC)
        api.close()
        copy(engine, queued)
        begun = time.monotonic()
        server = Server(directory, "serve", url)

        def one(query: str) -> Any:
            with engine.connect() as connection:
                return connection.scalar(text(query))

        try:
            live = wait(lambda: "dispatcher_live" in server.log.read_text())
            started = wait(lambda: one("SELECT count(*) FROM mo_studies WHERE status = 'running'"))
            trained = wait(lambda: one("SELECT count(*) FROM mo_segments"))
            wait(
                lambda: ask(http.client.HTTPConnection("127.0.0.1", server.port), "GET", "/readyz")
            )
            studies = "/api/v1/studies"
            lists = latencies(server, rounds, "GET", studies)
            long = latencies(server, rounds // 5, "GET", f"{studies}?limit=500")
            oldest = one("SELECT min(study_id) FROM mo_studies WHERE status = 'queued'")
            shown = latencies(server, rounds, "GET", f"{studies}/{oldest}")
            submits = latencies(server, rounds, "POST", studies, SPEC)
            mirrored = one("SELECT count(*) FROM studies")
            seconds = time.monotonic() - live
        finally:
            server.close()
    finally:
        engine.dispose()
        shutil.rmtree(directory, ignore_errors=True)
    return {
        "queued": queued,
        "database": engine.dialect.name,
        "live_seconds": live - begun,
        "running_seconds": started - live,
        "first_report_seconds": trained - live,
        "list_50": lists,
        "list_500": long,
        "show": shown,
        "submit": submits,
        "mirrored": mirrored,
        "mirrored_after_seconds": seconds,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as text."""
    lines = [
        "queued   s to: running  report   ms p50 / p99 (of a processor):   list of 50            "
        "of 500              show            submit   mirrored"
    ]
    for row in rows:
        times = "  ".join(
            f"{row[name]['p50']:5.0f} / {row[name]['p99']:4.0f} ({row[name]['processor']:5.1f})"
            for name in ("list_50", "list_500", "show", "submit")
        )
        lines.append(
            f"{row['queued']:6} {row['running_seconds']:14.1f} {row['first_report_seconds']:7.1f}"
            f"{times:>118}   {row['mirrored']} in {row['mirrored_after_seconds']:.0f} s"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queued", type=int, nargs="+", default=[10, 2000, 10_000])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS / "long_queue.json")
    parser.add_argument("--dry", action="store_true", help="nothing is written")
    arguments = parser.parse_args()
    work = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(work, flush=True)
    rows = []
    for queued in arguments.queued:
        rows.append(measure(queued, arguments.rounds))
        print(table(rows[-1:]), flush=True)
    text = table(rows)
    if not arguments.dry:
        write_output(arguments.out, json.dumps({"work": work, "rows": rows}, indent=2) + "\n")
        write_output(arguments.out.with_suffix(".txt"), f"{work}\n{text}\n")


if __name__ == "__main__":
    main()
