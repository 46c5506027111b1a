"""How fast the API answers over HTTP, with a large database and while a study runs.

    python -m benchmarks.api_latency [--studies 2000] [--trials 10000] [--rounds 100]
        [--readers 200] [--quick] [--out FILE]

A server of its own (`metaopt serve`, SQLite, 2 slots) runs one small study of two branches to its
verdict.  Its rows are then copied in the database: as `--studies` studies that have ended, and
twice with `--trials` trials, once ended and once paused half-way (no trial has completed, so that
its best is looked for at a common rung).  Then the server is started again, is given a study that
runs all the time, and each page is asked for in turn, one request after the other on one
connection: `--rounds` times, the first of each apart, since a report may be made only once.

At the end `--readers` clients read the events of the running study, and the processor time of the
API's process is counted for ten seconds.  Clients, workers and server share the machine's cores.
"""

import argparse
import http.client
import json
import os
import platform
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.control_plane import ROOT, Server
from service.db.columns.vectors import unpack
from service.output_file import write_output

RESULTS = ROOT / "benchmarks" / "results"
MOST_SECONDS = 600.0
READ_SECONDS = 10.0
OF_A_TRIAL = ("mo_reports", "mo_attempts")
OF_A_STUDY = ("mo_asks", "mo_events", "mo_segments", "mo_spending")
OWN_KEYS = ("attempt_id", "event_id", "segment_id")
SHORT = {"budget": {"trials": 24, "meta_iterations": 9}, "verdict": {"finalists": 2, "seeds": 2}}
ENDLESS = {"budget": {"trials": 10_000, "meta_iterations": 900, "wall_seconds": 3000}}


def spec(name: str, **changes: Any) -> dict[str, Any]:
    """A study of two branches of trivial trials, scored on 200 tasks at three rungs."""
    ends = changes["budget"]["meta_iterations"]
    return {
        "name": name,
        "tasks": {"kind": "linear", "k_shot": 1, "q_query": 1},
        "model": {"kind": "linear"},
        "branches": [{"algorithm": "maml"}, {"algorithm": "reptile"}],
        "pruning": {"kind": "asha", "rungs": [ends // 9, ends // 3]},
        "evaluation": {"tasks": 200},
        **changes,
    }


def wait_for(server: Server, study_id: str) -> None:
    """Wait until the study is completed and mirrored."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        study = server.get(f"/api/v1/studies/{study_id}")[1]
        assert study["status"] in ("queued", "running", "completed"), study["error"]
        if study["status"] == "completed" and server.is_mirrored(study_id):
            return
        time.sleep(0.25)
    raise SystemExit("the study did not end")


class Copies:
    """Copies of one study's rows."""

    def __init__(self, database: Path, study_id: str) -> None:
        self._connection = sqlite3.connect(database, isolation_level=None)
        self._study_id = study_id
        self._numbers = self._connection.execute(
            "SELECT count(*) FROM mo_trials WHERE study_id = ?", (study_id,)
        ).fetchone()[0]

    def study(self, number: int, *, times: int = 1, status: str = "completed") -> str:
        """Copy the study under another id, its trials several times; return the id."""
        study_id = f"{number:032x}"
        own = {"study_id": f"'{study_id}'", "name": f"name || ' {number}'", "status": f"'{status}'"}
        self._copy(
            "mo_studies", {**own, "created_at": f"datetime(created_at, '-{number} minutes')"}
        )
        for table in OF_A_STUDY:
            self._copy(table, {"study_id": own["study_id"]})
        for time_ in range(times):
            new_id = f"printf('%08x%06x', {number}, {time_}) || substr(trial_id, 15)"
            later = {"trial_number": f"trial_number + {time_ * self._numbers}"}
            search = "role = 'search'" if time_ else "1"
            if status == "paused":
                search += " AND role = 'search'"
                later |= {"status": "CASE status WHEN 'completed' THEN 'queued' ELSE status END"}
            self._copy(
                "mo_trials", {"study_id": own["study_id"], "trial_id": new_id, **later}, search
            )
            for table in OF_A_TRIAL:
                self._copy(table, {"trial_id": new_id}, search)
        self._mirror(study_id, number)
        return study_id

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end."""
        self._connection.execute("BEGIN")
        yield
        self._connection.execute("COMMIT")
        self._connection.execute("ANALYZE")

    def sizes(self) -> dict[str, float]:
        """Bytes of the file, and of a report's scores as they are and as JSON."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, page = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "page_size")
        )
        scores = self._connection.execute("SELECT scores FROM mo_reports LIMIT 1000").fetchall()
        texts = [len(json.dumps(unpack(blob))) for (blob,) in scores]
        return {
            "file_bytes": pages * page,
            "scores_bytes": sum(len(blob) for (blob,) in scores) / len(scores),
            "scores_bytes_as_json": sum(texts) / len(texts),
        }

    def close(self) -> None:
        """Give the database back."""
        self._connection.close()

    def _copy(self, table: str, changes: dict[str, str], where: str = "1") -> None:
        info = self._connection.execute(f"PRAGMA table_info({table})").fetchall()
        names = [column[1] for column in info if column[1] not in OWN_KEYS]
        taken = ", ".join(changes.get(name, name) for name in names)
        mine = f"study_id = '{self._study_id}'"
        if "study_id" in names:
            place = f"{mine} AND {where}"
        else:
            trials = f"SELECT trial_id FROM mo_trials WHERE {mine} AND {where}"  # noqa: S608
            place = f"trial_id IN ({trials})"
        self._connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {taken} FROM {table} WHERE {place}"  # noqa: S608
        )

    def _mirror(self, study_id: str, number: int) -> None:
        """Say in Optuna's tables that the copy has been mirrored: that is not measured here."""
        found = self._connection.execute(
            "SELECT study_id FROM study_user_attributes WHERE key = 'study_id' AND value_json = ?",
            (json.dumps(self._study_id),),
        ).fetchall()
        for (optuna_id,) in found:
            new = self._connection.execute(
                "INSERT INTO studies (study_name) SELECT study_name || ? FROM studies "
                "WHERE study_id = ? RETURNING study_id",
                (f" {number}", optuna_id),
            ).fetchone()[0]
            self._connection.execute(
                "INSERT INTO study_directions (direction, study_id, objective) "
                "SELECT direction, ?, objective FROM study_directions WHERE study_id = ?",
                (new, optuna_id),
            )
            self._connection.execute(
                "INSERT INTO study_user_attributes (study_id, key, value_json) "
                "SELECT ?, key, CASE key WHEN 'study_id' THEN ? ELSE value_json END "
                "FROM study_user_attributes WHERE study_id = ?",
                (new, json.dumps(study_id), optuna_id),
            )


def paths(ended: str, paused: str, small: str, running: str) -> dict[str, str]:
    """What is asked for, by what it is called."""
    studies = "/api/v1/studies"
    return {
        "list, 50 studies": studies,
        "list, completed, 50": f"{studies}?status=completed",
        "show, small": f"{studies}/{small}",
        "show, large": f"{studies}/{ended}",
        "show, large, half-way": f"{studies}/{paused}",
        "show, running": f"{studies}/{running}",
        "trials, first 50": f"{studies}/{ended}/trials",
        "trials, completed": f"{studies}/{ended}/trials?status=completed",
        "reports with scores": f"{studies}/{ended}/trials/0/reports?scores=true",
        "report, small": f"{studies}/{small}/report",
        "report, large": f"{studies}/{ended}/report",
        "page, large": f"{studies}/{ended}/page",
    }


def rounds_of(path: str, rounds: int) -> int:
    """How often a page is asked for: a report takes long, and nobody asks for it all the time."""
    return rounds // 5 if path.endswith(("/report", "/page")) else rounds


def latencies(server: Server, path: str, rounds: int) -> dict[str, float]:
    """Milliseconds of a request: the first, quantiles of the others, processor time of the API."""
    taken = []
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        for number in range(rounds + 1):
            if number == 1:
                before = server.cpu().api
            begun = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            taken.append(1e3 * (time.perf_counter() - begun))
            assert answer.status == 200, (path, answer.status)
    cpu = 1e3 * (server.cpu().api - before) / rounds
    rest = sorted(taken[1:])
    p99 = rest[min(rounds - 1, int(0.99 * rounds))]
    return {"first": taken[0], "p50": rest[rounds // 2], "p99": p99, "max": rest[-1], "cpu": cpu}


def reading(server: Server, study_id: str, readers: int) -> dict[str, float]:
    """Cores of the API while so many clients read a study's events, and without them."""
    idle = _cores(server)
    request = f"GET /api/v1/studies/{study_id}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    open_now = []
    for _ in range(readers):
        reader = socket.create_connection(("127.0.0.1", server.port))
        reader.sendall(request)
        reader.recv(1)
        reader.setblocking(False)
        open_now.append(reader)
    until = time.monotonic() + READ_SECONDS
    while time.monotonic() < until:  # what has already happened
        for reader in open_now:
            _drain(reader)
        time.sleep(0.1)
    received = 0
    before, begun = server.cpu().api, time.monotonic()
    while time.monotonic() < begun + READ_SECONDS:
        received += sum(map(_drain, open_now))
        time.sleep(0.1)
    cores = (server.cpu().api - before) / (time.monotonic() - begun)
    for reader in open_now:
        reader.close()
    return {"cores": cores, "idle_cores": idle, "bytes_per_reader": received / readers}


def _drain(reader: socket.socket) -> int:
    received = 0
    while True:
        try:
            data = reader.recv(1 << 16)
        except BlockingIOError:
            return received
        if not data:
            return received
        received += len(data)


def _cores(server: Server) -> float:
    before, begun = server.cpu().api, time.monotonic()
    time.sleep(READ_SECONDS)
    return (server.cpu().api - before) / (time.monotonic() - begun)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything, on a server of its own."""
    directory = Path(tempfile.mkdtemp(prefix="metaopt-api-latency-"))
    try:
        server = Server(directory, 16)
        try:
            server.wait_until_ready()
            study_id = server.submit(spec("small", **SHORT))
            wait_for(server, study_id)
        finally:
            server.close()
        copies = Copies(directory / "metaopt.db", study_id)
        times = arguments.trials // 24
        with copies.transaction():
            for number in range(3, arguments.studies + 1):
                copies.study(number)
            ended = copies.study(1, times=times)
            paused = copies.study(2, times=times, status="paused")
        sizes = copies.sizes()
        copies.close()
        server = Server(directory, 16)
        try:
            server.wait_until_ready()
            running = server.submit(spec("endless", **ENDLESS))
            while server.get(f"/api/v1/studies/{running}")[1]["spent"]["meta_iterations"] == 0:
                time.sleep(0.25)
            taken = {
                name: latencies(server, path, rounds_of(path, arguments.rounds))
                for name, path in paths(ended, paused, study_id, running).items()
            }
            events = reading(server, running, arguments.readers)
        finally:
            server.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return {"sizes": sizes, "events": events, "latency_ms": taken}


def table(results: dict[str, Any], readers: int) -> str:
    """The figures as text."""
    parts = "first", "p50", "p99", "max", "cpu"
    lines = [f"{'ms':24}" + "".join(f"{part:>9}" for part in parts)]
    for name, one in results["latency_ms"].items():
        lines.append(f"{name:24}" + "".join(f"{one[part]:9.1f}" for part in parts))
    sizes, events = results["sizes"], results["events"]
    lines.append(
        f"the file has {sizes['file_bytes'] / 1e6:.0f} MB; a report's scores "
        f"{sizes['scores_bytes']:.0f} bytes, as JSON {sizes['scores_bytes_as_json']:.0f}"
    )
    lines.append(
        f"{readers} readers of events: {events['cores']:.3f} cores of the API, "
        f"{events['idle_cores']:.3f} without; {events['bytes_per_reader'] / 1e3:.1f} kB for each "
        f"in {READ_SECONDS:g} s"
    )
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few of each, nothing is written")
    parser.add_argument("--out", type=Path, default=RESULTS / "api_latency.json")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.studies, arguments.trials, arguments.rounds, arguments.readers = 20, 100, 5, 5
    work = (
        f"{arguments.studies} studies, two of {arguments.trials} trials, one running; "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(work, flush=True)
    results = measure(arguments)
    text = table(results, arguments.readers)
    print(text)
    if not arguments.quick:
        write_output(arguments.out, json.dumps({"work": work, **results}, indent=2) + "\n")
        write_output(arguments.out.with_suffix(".txt"), f"{work}\n{text}\n")


if __name__ == "__main__":
    main()
