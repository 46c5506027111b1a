"""Programs make room for others, the least lately used first; logs begin anew."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.executors.compiling.program_files import note_use
from service.retention.files import IN_USE, doomed_programs, long_logs, shorten
from tests.waiting import wait_until

NOW = datetime.now(UTC)


def program(directory: Path, name: str, used: timedelta) -> Path:
    path = directory / f"{name}.pt2"
    path.write_bytes(bytes(100))
    at = (NOW - used).timestamp()
    os.utime(path, (at, at))
    return path


def names(found: list[tuple[Path, int]]) -> list[str]:
    return [path.stem for path, _ in found]


def test_the_least_lately_used_programs_make_room(tmp_path: Path) -> None:
    for number, name in enumerate("abcd", 2):
        program(tmp_path, name, timedelta(hours=number))
    (tmp_path / "measured.json").write_bytes(bytes(1000))
    assert names(doomed_programs(tmp_path, 250, NOW)) == ["d", "c"]
    assert names(doomed_programs(tmp_path, 400, NOW)) == []
    assert names(doomed_programs(tmp_path, None, NOW)) == []
    assert names(doomed_programs(tmp_path / "none", 0, NOW)) == []


def test_a_program_stays_that_is_in_use(tmp_path: Path) -> None:
    old, _ = program(tmp_path, "old", 9 * IN_USE), program(tmp_path, "new", IN_USE / 2)
    assert names(doomed_programs(tmp_path, 0, NOW)) == ["old"]
    note_use(old)
    assert names(doomed_programs(tmp_path, 0, NOW)) == []


def test_a_log_begins_anew_under_who_writes_it(tmp_path: Path) -> None:
    log = tmp_path / "worker-cpu-0.log"
    with log.open("ab") as file:
        writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
    assert writer.stdin is not None
    writer.stdin.write(b"before\n")
    writer.stdin.flush()
    wait_until(lambda: log.read_bytes() == b"before\n", what="the first line")
    assert names(long_logs(tmp_path, 7)) == []
    assert names(long_logs(tmp_path, 6)) == ["worker-cpu-0"]
    shorten(log)
    writer.communicate(b"after\n", timeout=30)
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "worker-cpu-0.log.before").read_bytes() == b"before\n"
