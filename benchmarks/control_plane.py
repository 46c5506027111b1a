"""What the control plane costs: CPU per trial, and how fast the API answers meanwhile.

    python benchmarks/control_plane.py [--trials 1000 10000] [--sampler random] [--lanes 16]
        [--rungs 2 --pruning asha] [--rate 50] [--quick] [--out FILE]
    python benchmarks/control_plane.py --pairs [--samplers auto] [--rules asha] [--branches 1]
        [--trials 1000 10000 100000]

For each number of trials a server of its own is started (`metaopt serve`, SQLite, 2 slots, its
data in a temporary directory) and given one study of trivial trials: linear regression with one
weight, a meta batch of one task, one meta-iteration (more where there are rungs), banks of two
tasks, a verdict of one finalist.  While it runs, `--rate` requests a second are sent: the study,
pages of its trials, lists, health, metrics.

CPU is user + system time from /proc, from just before the study is submitted until its mirror is
complete too.  It is read for three processes: the dispatcher (all its threads, also those that
speak with the workers), the mirror beside it, which writes Optuna's tables, and the API, which
does nothing for a trial, so its CPU is that of the requests.  The worker processes, which train,
and this program are not counted.  A latency is counted from the moment at which its request was
due, whether or not this program, or a request before it, was late.

With `--pairs` it measures every sampler with every pruning rule instead, without servers and
training (`benchmarks/in_process.py`), and prints what a trial costs in a study that has come to so
many trials.
"""

import argparse
import http.client
import itertools
import json
import os
import platform
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import pairs
from service.output_file import write_output

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SLOTS = 2
CONNECTIONS = 8
POLL_SECONDS = 0.25
MOST_SECONDS = 3600.0
TICKS = os.sysconf("SC_CLK_TCK")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Cpu:
    """CPU seconds so far: of the dispatcher, the mirror beside it, and the API."""

    dispatcher: float
    mirror: float
    api: float


@dataclass
class Load:
    """Answered requests: latencies in seconds by path, and how many had a status of 5xx."""

    latencies: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0

    def all(self) -> list[float]:
        """Return every latency."""
        return [one for some in self.latencies.values() for one in some]


class Server:
    """A server of its own, with what /proc and SQLite say about it."""

    def __init__(self, directory: Path, lanes: int) -> None:
        self.port = _free_port()
        self._database = directory / "metaopt.db"
        self._log = (directory / "server.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve", "--port", str(self.port)],
            cwd=ROOT,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")},
                **ONE_THREAD,
                "METAOPT_DATA_DIRECTORY": str(directory),
                "METAOPT_SLOTS": str(SLOTS),
                "METAOPT_LANES": str(lanes),
            },
            stdout=self._log,
            stderr=self._log,
        )

    def wait_until_ready(self) -> None:
        """Wait for the API and a live dispatcher."""
        for _ in _every(POLL_SECONDS, 120.0):
            if self._process.poll() is not None:
                raise SystemExit(f"the server ended: {Path(self._log.name).read_text()[-2000:]}")
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                pass

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and body of a request on a connection of its own."""
        return self._request("GET", path, None)

    def submit(self, spec: dict[str, Any]) -> str:
        """Submit a study and return its id."""
        status, body = self._request("POST", "/api/v1/studies", json.dumps(spec))
        assert status == 202, body
        return str(body["study_id"])

    def cpu(self) -> Cpu:
        """Return the CPU seconds used so far."""
        dispatcher = _children(self._process.pid)[0]
        mirror = next(c for c in _children(dispatcher) if "service.mirror" in _command_line(c))
        return Cpu(
            dispatcher=_cpu_seconds(f"/proc/{dispatcher}/stat"),
            mirror=_cpu_seconds(f"/proc/{mirror}/stat"),
            api=_cpu_seconds(f"/proc/{self._process.pid}/stat"),
        )

    def is_mirrored(self, study_id: str) -> bool:
        """Return whether every branch of the ended study is complete in Optuna's tables."""
        query = (
            "SELECT count(*) FROM study_user_attributes AS mine "
            "JOIN study_user_attributes AS done ON done.study_id = mine.study_id "
            "WHERE mine.key = 'study_id' AND mine.value_json = ? AND done.key = 'mirrored'"
        )
        return bool(self.query(query, (json.dumps(study_id),))[0][0])

    def query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        """Return rows of the server's database."""
        connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(sql, arguments).fetchall()
        finally:
            connection.close()

    def close(self) -> None:
        """End it and all it started."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _request(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def spec(trials: int, sampler: str, pruning: str, rungs: int) -> dict[str, Any]:
    """Return a study of trivial trials, judged `rungs` times before their end."""
    judged = list(range(1, rungs + 1))
    return {
        "name": f"{trials} trivial trials",
        "tasks": {"kind": "linear", "k_shot": 1, "q_query": 1},
        "model": {"kind": "linear"},
        "branches": [
            {
                "algorithm": "maml",
                "space": {
                    "inner_lr": {"low": 0.001, "high": 0.1, "log": True},
                    "outer_lr": {"low": 0.0001, "high": 0.01, "log": True},
                    "meta_batch": 1,
                },
            }
        ],
        "search": {"sampler": sampler},
        "pruning": {"kind": pruning, "rungs": judged} if rungs else {"kind": "none"},
        "budget": {"trials": trials, "meta_iterations": rungs + 1},
        "evaluation": {"tasks": 2, "curve_steps": 0},
        "verdict": {"finalists": 1, "seeds": 1, "tasks": 2, "compare": "none"},
    }


def paths(study_id: str) -> list[str]:
    """Return what is asked for, in turns."""
    study = f"/api/v1/studies/{study_id}"
    return [
        study,
        f"{study}/trials?limit=50",
        "/healthz",
        study,
        f"{study}/trials?limit=50&status=completed",
        "/api/v1/studies?limit=20",
        study,
        f"{study}/trials/0/reports",
        "/readyz",
        "/metrics",
    ]


@contextmanager
def load(server: Server, asked: list[str], rate: float) -> Iterator[Load]:
    """Send `rate` requests a second until the block ends, each when it is due."""
    done, stop, lock, numbers = Load(), threading.Event(), threading.Lock(), itertools.count()
    begun = time.perf_counter()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while not stop.is_set():
            number = next(numbers)
            due, path = begun + number / rate, asked[number % len(asked)]
            if stop.wait(max(0.0, due - time.perf_counter())):
                break
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            with lock:
                name = path.replace(asked[0], "/api/v1/studies/ID")
                done.latencies.setdefault(name, []).append(time.perf_counter() - due)
                done.failed += answer.status >= 500
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        sending = [threads.submit(send) for _ in range(CONNECTIONS if rate else 0)]
        try:
            yield done
        finally:
            stop.set()
    for one in sending:
        one.result()


def measure(trials: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one study of `trials` on a server of its own, and return the figures."""
    directory = Path(tempfile.mkdtemp(prefix="metaopt-control-plane-"))
    server = Server(directory, arguments.lanes)
    try:
        server.wait_until_ready()
        before, begun = server.cpu(), time.perf_counter()
        study_id = server.submit(
            spec(trials, arguments.sampler, arguments.pruning, arguments.rungs)
        )
        with load(server, paths(study_id), arguments.rate) as answered:
            ended = _until_ended(server, study_id)
            seconds = time.perf_counter() - begun
        for _ in _every(POLL_SECONDS, MOST_SECONDS):
            if server.is_mirrored(study_id):
                break
        return _figures(server, trials, before, answered, seconds, ended)
    finally:
        server.close()
        shutil.rmtree(directory, ignore_errors=True)


def _until_ended(server: Server, study_id: str) -> dict[str, Any]:
    for _ in _every(1.0, MOST_SECONDS):
        study: dict[str, Any] = server.get(f"/api/v1/studies/{study_id}")[1]
        if study["status"] in ("completed", "failed", "cancelled"):
            assert study["status"] == "completed", study["error"]
            return study
    raise SystemExit("the study did not end")


def _figures(
    server: Server,
    trials: int,
    before: Cpu,
    answered: Load,
    seconds: float,
    ended: dict[str, Any],
) -> dict[str, Any]:
    after, latencies = server.cpu(), sorted(answered.all())
    dispatcher, mirror, api = (
        getattr(after, name) - getattr(before, name) for name in ("dispatcher", "mirror", "api")
    )
    segments, wait = server.query("SELECT count(*), avg(wait_seconds) FROM mo_segments")[0]
    return {
        "trials": trials,
        "seconds": seconds,
        "cpu_ms_per_trial": {
            "dispatcher": 1e3 * dispatcher / trials,
            "mirror": 1e3 * mirror / trials,
            "api": 1e3 * api / trials,
            "all": 1e3 * (dispatcher + mirror + api) / trials,
        },
        "segments": segments,
        "wait_ms_per_segment": 1e3 * wait,
        "busy_share": ended["busy_share"],
        "requests": len(latencies),
        "failed_requests": answered.failed,
        "api_cpu_ms_per_request": 1e3 * api / max(1, len(latencies)),
        "latency_ms": _quantiles(latencies),
        "latency_ms_by_path": {p: _quantiles(sorted(s)) for p, s in answered.latencies.items()},
    }


def _quantiles(latencies: list[float]) -> dict[str, float]:
    if len(latencies) < 2:
        return {}
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"p50": 1e3 * cuts[49], "p99": 1e3 * cuts[98], "max": 1e3 * latencies[-1]}


def table(results: list[dict[str, Any]]) -> str:
    """Return the figures as text."""
    lines = [
        "          trials/s      CPU, ms per trial            segments    requests, ms",
        "  trials            dispatcher    mirror  API    all  wait, ms     p50     p99     max",
    ]
    for one in results:
        cpu, latency = one["cpu_ms_per_trial"], one["latency_ms"] or {}
        times = "".join(f"{latency.get(name, 0.0):8.1f}" for name in ("p50", "p99", "max"))
        lines.append(
            f"{one['trials']:8}{one['trials'] / one['seconds']:10.1f}{cpu['dispatcher']:12.2f}"
            f"{cpu['mirror']:10.2f}{cpu['api']:5.2f}{cpu['all']:7.2f}"
            f"{one['wait_ms_per_segment']:10.1f}{times}"
        )
    first, last = (one["cpu_ms_per_trial"]["dispatcher"] for one in (results[0], results[-1]))
    lines.append(f"dispatcher CPU per trial, last against first: {last / first:.2f}×")
    for one in results:
        lines.append(
            f"{one['trials']} trials: {one['requests']} requests, {one['failed_requests']} failed, "
            f"{one['api_cpu_ms_per_request']:.1f} ms of CPU each"
        )
    return "\n".join(lines)


def _every(seconds: float, most_seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + most_seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(seconds)
    raise SystemExit(f"waited {most_seconds:g} s in vain")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _children(process_id: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def _command_line(process_id: int) -> str:
    return Path(f"/proc/{process_id}/cmdline").read_text()


def _cpu_seconds(path: str) -> float:
    fields = Path(path).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Print the table, and write it and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", help="1000 10000, or with --pairs 100000")
    parser.add_argument("--sampler", default="random", help="or tpe")
    parser.add_argument("--lanes", type=int, default=16, help="METAOPT_LANES")
    parser.add_argument("--rungs", type=int, default=0, help="rungs at which trials are judged")
    parser.add_argument("--pruning", default="successive_halving", help="or asha: how, at rungs")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second; 0 for none")
    parser.add_argument("--quick", action="store_true", help="200 trials, nothing is written")
    parser.add_argument("--out", type=Path, help="where to write figures; a table beside them")
    parser.add_argument("--pairs", action="store_true", help="every sampler and pruning rule")
    pairs.add_arguments(parser)
    arguments = parser.parse_args()
    name = "control_plane_pairs" if arguments.pairs else "control_plane"
    arguments.out = arguments.out or RESULTS / f"{name}.json"
    if arguments.quick:
        arguments.trials = [200]
    if arguments.pairs:
        arguments.trials = arguments.trials or list(pairs.LENGTHS)
        pairs.run(arguments)
        return
    arguments.trials = arguments.trials or [1000, 10_000]
    judged = f"{arguments.rungs} rungs of {arguments.pruning}" if arguments.rungs else "no rungs"
    work = (
        f"{SLOTS} slots of {arguments.lanes} lanes, sampler {arguments.sampler}, "
        f"{judged}, {arguments.rate:g} requests/s; "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(work, flush=True)
    results = [measure(trials, arguments) for trials in arguments.trials]
    text = table(results)
    print(text)
    if not arguments.quick:
        write_output(arguments.out, json.dumps({"work": work, "results": results}, indent=2) + "\n")
        write_output(arguments.out.with_suffix(".txt"), f"{work}\n{text}\n")


if __name__ == "__main__":
    main()
