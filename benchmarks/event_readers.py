"""How late events reach many readers, and what they cost those who submit meanwhile.

    python benchmarks/event_readers.py [--readers 200 1000] [--studies 1 50] [--seconds 20]
    python -m tests.chaos readers --night     the same on both databases, held to what is promised

For each number of readers and of studies a server of its own is started (`metaopt api`, here on
SQLite, its data in a temporary directory) on a database with so many queued studies, and so many
clients read their events, dealt out evenly; they are one process of their own.  `--rate` events a
second are written, each for another study in turn, as the dispatcher would: in a transaction on the
database.  The delay of an event at a reader is counted from the moment at which its transaction was
committed to the moment at which its bytes were read, once each reader has its study's first event.
Meanwhile a study is submitted twice a second, as well as before, without readers.  At the end the
server is sent SIGTERM with all streams open, and before it a client comes back with the
Last-Event-ID of the middle: what it gets is counted.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import func, select

from service.database_url import sqlite_url
from service.db.engine import open_engine, transaction
from service.db.events import append_event
from service.db.schema import migrate
from service.db.tables import Event
from service.output_file import write_output

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SUBMIT_SECONDS = 0.5
IDLE_SUBMITS = 20
TICKS = os.sysconf("SC_CLK_TCK")
SPEC = {
    "name": "queued",
    "tasks": {"kind": "sinusoid", "k_shot": 5, "q_query": 5},
    "model": {"kind": "mlp", "widths": [8]},
    "branches": [{"algorithm": "maml"}],
    "budget": {"trials": 8, "meta_iterations": 90},
}


class Client(asyncio.Protocol):
    """One reader: when each event came."""

    def __init__(self, path: str, seen: dict[int, list[float]]) -> None:
        """Ask for the path as soon as there is a connection."""
        self._path, self._seen = path, seen
        self._left = b""
        self.joined = False

    def connection_made(self, transport: Any) -> None:
        """Send the request."""
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Note the events that came."""
        at = time.monotonic()
        text = self._left + data
        whole = text.rfind(b"\n\n") + 2
        self._left = text[whole:] if whole > 1 else text
        for found in re.finditer(rb"^id: (\d+)\r?$", text[: max(whole, 0)], re.MULTILINE):
            self.joined = True
            self._seen.setdefault(int(found[1]), []).append(at)


def read(port: int, paths: list[str], pipe: Connection) -> None:
    """Read all paths until told to stop; then tell when each event came (a process of its own)."""

    async def reading() -> dict[int, list[float]]:
        loop = asyncio.get_running_loop()
        seen: dict[int, list[float]] = {}
        clients = []
        for path in paths:
            _, client = await loop.create_connection(
                lambda path=path: Client(path, seen), "127.0.0.1", port
            )
            clients.append(client)
        while not all(client.joined for client in clients):
            await asyncio.sleep(0.05)
        pipe.send("ready")
        await loop.run_in_executor(None, pipe.recv)
        return seen

    pipe.send(asyncio.run(reading()))


def ready(port: int) -> bool:
    """Whether a server answers."""
    try:
        return ask(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    """The status and body of a request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        sent = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, sent, {**kind, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def submit(port: int) -> float:
    """Milliseconds that submitting a study takes."""
    begun = time.perf_counter()
    status, body = ask(port, "POST", "/api/v1/studies", SPEC)
    assert status == 202, body
    return 1e3 * (time.perf_counter() - begun)


def cpu(process: int) -> float:
    """Its processor seconds so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(
    readers: int, studies: int, seconds: float, rate: float, database_url: str | None = None
) -> dict[str, Any]:
    """One row of the table.

    Args:
        seconds: For which events are written, `rate` a second.
        database_url: Of a database of its own; None is a new one of SQLite.
    """
    directory = Path(tempfile.mkdtemp(prefix="metaopt-event-readers-"))
    url = database_url or sqlite_url(directory / "metaopt.db").render_as_string()
    migrate.upgrade(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "api", "--port", str(port)],
        cwd=ROOT,
        env={
            **inherited,
            "METAOPT_DATA_DIRECTORY": str(directory),
            "METAOPT_DATABASE_URL": url,
            "METAOPT_STREAMS_PER_KEY": "10000",
        },
        stdout=subprocess.DEVNULL,
    )
    engine = open_engine(url)
    ours, theirs = multiprocessing.Pipe()
    try:
        while not ready(port):
            assert server.poll() is None
            time.sleep(0.05)
        ids = []
        for _ in range(studies):
            status, body = ask(port, "POST", "/api/v1/studies", SPEC)
            assert status == 202, body
            ids.append(json.loads(body)["study_id"])
        idle = [submit(port) for _ in range(IDLE_SUBMITS)]
        paths = [f"/api/v1/studies/{ids[n % studies]}/events" for n in range(readers)]
        reader = multiprocessing.Process(target=read, args=(port, paths, theirs), daemon=True)
        opening = time.monotonic()
        reader.start()
        assert ours.recv() == "ready"
        joined = time.monotonic() - opening
        written: dict[int, float] = {}
        submits = []
        before, begun = cpu(server.pid), time.monotonic()
        due = begun
        next_submit = begun
        while due < begun + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            study_id = ids[len(written) % studies]
            with transaction(engine) as session:
                data = {"trial_number": len(written)}
                append_event(session, study_id, "trial_started", data, now=datetime.now(UTC))
                session.flush()
                event_id = session.scalar(select(func.max(Event.event_id)))
            written[event_id] = time.monotonic()
            if time.monotonic() >= next_submit:
                submits.append(submit(port))
                next_submit += SUBMIT_SECONDS
            due += 1 / rate
        cores = (cpu(server.pid) - before) / (time.monotonic() - begun)
        time.sleep(3.0)  # in which the last events come; what does not is lost
        memory = Path(f"/proc/{server.pid}/status").read_text()
        rss = int(re.search(r"VmRSS:\s+(\d+)", memory)[1]) / 1024  # type: ignore[index]
        middle = sorted(written)[len(written) // 2]
        place = sorted(written).index(middle) % studies
        replayed = replay(port, ids[place], middle)
        wanted = sum(
            event_id > middle and number % studies == place
            for number, event_id in enumerate(sorted(written))
        )
        stopping = time.monotonic()
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        stopped = time.monotonic() - stopping
        ours.send("stop")
        seen = ours.recv()
        reader.join(10)
    finally:
        server.kill()
        engine.dispose()
        shutil.rmtree(directory, ignore_errors=True)
    delays = sorted(1e3 * (at - written[one]) for one in written for at in seen.get(one, []))
    lost = 0
    for number, one in enumerate(sorted(written)):  # each has the readers of its study
        wanted_by = paths.count(f"/api/v1/studies/{ids[number % studies]}/events")
        lost += max(0, wanted_by - len(seen.get(one, [])))
    return {
        "readers": readers,
        "studies": studies,
        "database": engine.dialect.name,
        "joined_seconds": joined,
        "events": len(written),
        "p50": quantile(delays, 0.5),
        "p95": quantile(delays, 0.95),
        "max": delays[-1],
        "lost": lost,
        "replay_lacks": wanted - replayed,
        "submit_idle": statistics.median(idle),
        "submit_p50": statistics.median(submits),
        "submit_max": max(submits),
        "cores": cores,
        "rss_mb": rss,
        "stop_seconds": stopped,
    }


def replay(port: int, study_id: str, after: int) -> int:
    """How many events a client gets at once that comes back after an id."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"GET /api/v1/studies/{study_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        client.sendall(f"{head}Last-Event-ID: {after}\r\n\r\n".encode())
        client.settimeout(2.0)
        body = b""
        try:
            while data := client.recv(1 << 16):
                body += data
        except TimeoutError:
            pass
    return len(re.findall(rb"^id: \d+", body, re.MULTILINE))


def quantile(ordered: list[float], part: float) -> float:
    """One of an ordered list."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as text."""
    head = (
        "readers studies  all joined s  events   delay p50     p95     max ms   lost   "
        "submit idle    p50    max ms  cores  MB  stop s"
    )
    lines = [head]
    for row in rows:
        lines.append(
            f"{row['readers']:7} {row['studies']:7} {row['joined_seconds']:13.1f} "
            f"{row['events']:7} {row['p50']:11.0f} "
            f"{row['p95']:7.0f} {row['max']:7.0f}    {row['lost'] + row['replay_lacks']:6}   "
            f"{row['submit_idle']:11.0f} {row['submit_p50']:6.0f} {row['submit_max']:6.0f}    "
            f"{row['cores']:6.2f} {row['rss_mb']:4.0f} {row['stop_seconds']:6.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--studies", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "event_readers.json")
    parser.add_argument("--dry", action="store_true", help="nothing is written")
    arguments = parser.parse_args()
    work = (
        f"{arguments.rate:g} events a second for {arguments.seconds:g} s, two submits a second; "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(work, flush=True)
    rows = []
    for readers in arguments.readers:
        for studies in arguments.studies:
            rows.append(measure(readers, studies, arguments.seconds, arguments.rate))
            print(table(rows[-1:]), flush=True)
    text = table(rows)
    print(text)
    if not arguments.dry:
        write_output(arguments.out, json.dumps({"work": work, "rows": rows}, indent=2) + "\n")
        write_output(arguments.out.with_suffix(".txt"), f"{work}\n{text}\n")


if __name__ == "__main__":
    main()
