"""Supervised children: started again when they die, drained when asked, never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.processes import supervisor
from service.cli.processes.supervisor import Supervised, pause_before_restart, tethered
from tests.waiting import wait_until

SLEEPER = """
import signal, sys, pathlib
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[1]).touch(), sys.exit(0)))
print(flush=True)
signal.pause()
"""
PARENT = """
import subprocess, sys
from service.cli.processes import supervisor
from service.cli.processes.supervisor import tethered
child = subprocess.Popen(tethered("http.server", "0", "--bind", "127.0.0.1"), stdout=-3, stderr=-3)
print(child.pid, flush=True)
child.wait()
"""


def is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def drained(tmp_path: Path) -> Path:
    return tmp_path / "drained"


@pytest.fixture
def child(drained: Path) -> Iterator[Supervised]:
    said: list[str] = []
    child = Supervised(
        [sys.executable, "-c", SLEEPER, str(drained)],
        environment=os.environ,
        say=said.append,
        drain_seconds=20,
    )
    child.start()
    wait_until(lambda: child.process_id is not None, what="the child's start")
    yield child
    child.kill()


def test_pauses_grow_while_lives_are_short_and_end_with_a_long_one() -> None:
    pauses = [pause_before_restart(0.1, short_lives) for short_lives in range(8)]
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30]
    assert pause_before_restart(11, 8) == 0


def test_a_child_that_runs_well_between_kills_is_started_again_as_soon_each_time(
    drained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LONG_LIFE_SECONDS", 0.5)  # ten seconds would be long here
    said: list[str] = []
    child = Supervised(
        [sys.executable, "-c", SLEEPER, str(drained)],
        environment=os.environ,
        say=said.append,
        drain_seconds=20,
    )
    child.start()
    try:
        for lives in range(1, 5):
            wait_until(lambda: child.process_id is not None, what="the child's start")
            born_at, process_id = time.monotonic(), child.process_id
            assert process_id is not None
            wait_until(lambda born=born_at: time.monotonic() > born + 0.6, what="a long life")
            os.kill(process_id, signal.SIGKILL)
            wait_until(lambda lives=lives: len(said) == lives, what="its word")
    finally:
        child.kill()
    assert [line.rpartition("; ")[2] for line in said] == ["started again"] * 4


def test_a_killed_child_is_started_again(child: Supervised) -> None:
    first = child.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: child.process_id not in (None, first), what="the second life")


def test_a_stopped_child_drains_and_stays_away(child: Supervised, drained: Path) -> None:
    process_id = child.process_id
    assert process_id is not None
    wait_until(lambda: b"signal.pause" in Path(f"/proc/{process_id}/cmdline").read_bytes())
    wait_until(lambda: _handles_sigterm(process_id), what="the child's handler")
    child.stop()
    assert drained.exists()
    assert child.process_id is None and not is_alive(process_id)


def test_a_tethered_process_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: b"http.server" in Path(f"/proc/{child}/cmdline").read_bytes())
    wait_until(lambda: _has_listener(child), what="the child's start")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_alive(child), what="the child's end")


def test_a_process_whose_parent_is_already_gone_does_not_begin() -> None:
    command = tethered("http.server", "0")
    command[3] = "1" if os.getpid() != 1 else "2"  # somebody else's
    assert subprocess.run(command, timeout=300).returncode == 0


def _handles_sigterm(process_id: int) -> bool:
    status = Path(f"/proc/{process_id}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _has_listener(process_id: int) -> bool:
    def is_socket(entry: Path) -> bool:
        try:
            return os.readlink(entry).startswith("socket:")
        except FileNotFoundError:  # closed since it was listed
            return False

    return any(map(is_socket, Path(f"/proc/{process_id}/fd").iterdir()))
