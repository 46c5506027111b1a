"""Workers choose their programs: eager at once, compiled where it pays."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metaopt.population.compiled import PARTIAL
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from service.executors.base import Slot
from service.executors.cores import usable_cores
from service.executors.local import LocalExecutor
from service.executors.program_files import NOTED_SECONDS, note_failure, write_whole
from service.executors.programs import Programs
from service.executors.records import core_seconds, expected
from service.executors.segment import Segments
from tests.fakes.processes import children
from tests.service.executors.test_local import admit, order
from tests.waiting import wait_until

MUCH, LITTLE = 10**9, 100
SIGNATURE = Signature.from_json(order().signature)
BESIDE = pytest.mark.skipif(usable_cores().number < 2, reason="no core is idle beside one slot")


def programs(directory: Path, mode: str = "auto", **options: Any) -> Programs:
    return Programs("cpu", directory, mode, **options)


def record(directory: Path, seconds: float, faster: float = 3.0) -> Path:
    """Let compiling have taken so long here."""
    path = directory / "compiled-mlp-maml.json"
    write_whole(path, {"seconds": seconds, "faster": faster})
    return path


def wait_for_program(directory: Path) -> None:
    """Return once a program has been compiled; fail with its cause where that failed."""
    wait_until(lambda: [*directory.glob("*.pt2"), *directory.glob("*.failed")], 300)
    assert not [path.read_text() for path in directory.glob("*.failed")]


def test_lanes_are_measured_once_and_remembered(tmp_path):
    Segments("cpu", programs(tmp_path, "never")).run(order(ahead=5000))
    (path,) = tmp_path.glob("*.json")
    facts = json.loads(path.read_text())
    assert facts["by_lanes"][str(facts["lane_chunk"])] == facts["seconds"] > 0
    write_whole(path, {**facts, "lane_chunk": 3})
    segments = Segments("cpu", programs(tmp_path, "never"))
    segments.run(order(ahead=5000))
    assert segments._population is not None and segments._population.lane_chunk == 3


def test_little_work_is_neither_measured_nor_compiled(tmp_path):
    report = Segments("cpu", programs(tmp_path)).run(order(ahead=LITTLE))
    assert report.program == "eager" and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("seconds", "compiles"), [(1e-3, True), (1e9, False)])
def test_what_compiling_costs_decides(tmp_path, seconds, compiles):
    record(tmp_path, seconds)
    chosen = programs(tmp_path)
    Segments("cpu", chosen).run(order(ahead=10**6))
    assert chosen.compiling == compiles
    chosen.close()
    assert not chosen.compiling


def test_a_record_that_is_damaged_is_none(tmp_path):
    for data in ("", "{}", '{"seconds": -1, "faster": 2}', '{"seconds": 1e999, "faster": 2}'):
        record(tmp_path, 1.0).write_text(data)
        assert expected(tmp_path, SIGNATURE) == expected(tmp_path / "nothing", SIGNATURE)
    record(tmp_path, 7.0)
    reptile = replace(SIGNATURE, algorithm="reptile")
    assert expected(tmp_path, SIGNATURE) == expected(tmp_path, reptile) == (7.0, 3.0)


def test_a_damaged_program_is_thrown_away_and_may_be_compiled_again(tmp_path):
    path = Population(SIGNATURE).program_path(tmp_path)
    path.write_bytes(b"PK half of a program")
    report = Segments("cpu", programs(tmp_path)).run(order(ahead=LITTLE))
    assert report.program == "eager"
    assert not path.exists() and not list(tmp_path.glob("*.failed"))


def test_a_failure_is_tried_again_on_another_day(tmp_path):
    record(tmp_path, 1e-3)
    note_failure(Population(SIGNATURE).program_path(tmp_path), OSError("no compiler"))
    (note,) = tmp_path.glob("*.failed")
    for age, compiles in ((0.0, False), (2 * NOTED_SECONDS, True)):
        os.utime(note, (time.time() - age,) * 2)
        chosen = programs(tmp_path)
        Segments("cpu", chosen).run(order(ahead=10**6))
        assert chosen.compiling == compiles
        chosen.close()


def test_lanes_wait_for_a_program_where_no_core_is_idle(tmp_path):
    record(tmp_path, 1e-3)
    chosen = programs(tmp_path, lends=True, wait_seconds=0.2)
    segments = Segments("cpu", chosen)
    report = segments.run(order(ahead=10**6))
    assert report.program == "compiling" and not report.trained and chosen.compiling
    assert {lane.meta_iteration for lane in report.lanes} == {0}
    assert not any(lane.scores for lane in report.lanes)
    # Who compiles for longer than the lanes could gain is not waited for.
    (pid,) = children(os.getpid())
    wait_until(lambda: (core_seconds(pid) or 0.0) > 0.3, 20, what="some compiling")
    report = segments.run(order(admit=[], ahead=10))
    chosen.close()
    assert report.program == "eager" and {lane.meta_iteration for lane in report.lanes} == {3}


def test_a_worker_is_as_important_after_it_had_something_compiled(tmp_path):
    record(tmp_path, 1e-3)
    before = os.nice(0)
    chosen = programs(tmp_path)
    Segments("cpu", chosen).run(order(ahead=10**6))
    assert chosen.compiling and os.nice(0) == before
    chosen.close()


def test_the_share_of_drawing_is_reported(tmp_path):
    report = Segments("cpu", programs(tmp_path)).run(order(iterations=40, ahead=LITTLE))
    assert report.sample_share is not None and 0 < report.sample_share < 1


@pytest.mark.slow
def test_lanes_wait_for_a_program_that_the_next_worker_finds(tmp_path):
    directory = tmp_path / "what? x=1 'y\"\n%2F é;#$z" / "programs"  # the compiler must cope
    slots = [Slot(f"cpu:{i}", "cpu") for i in range(usable_cores().number)]  # no core is idle
    first = LocalExecutor(slots, tmp_path, programs=directory)
    try:
        reports = [first.submit("cpu:0", order(admit=[admit("a")], ahead=MUCH)).result()]
        while not reports[-1].trained:
            reports.append(first.submit("cpu:0", order(admit=[], ahead=MUCH)).result())
        assert len(reports) > 1 and reports[-1].program == "compiled"
        assert reports[-1].lanes[0].meta_iteration == 3
        record = json.loads((directory / "compiled-mlp-maml.json").read_text())
        assert record["seconds"] > 1 and record["faster"] > 0
    finally:
        first.close()
    second = LocalExecutor(
        [Slot("cpu:0", "cpu", {"PATH": "/nonexistent"})], tmp_path, programs=directory
    )
    try:
        report = second.submit("cpu:0", order(ahead=LITTLE)).result()
        assert report.program == "compiled"
    finally:
        second.close()


@BESIDE
@pytest.mark.slow
def test_a_missing_compiler_costs_nothing_but_speed(tmp_path):
    slot = Slot("cpu:0", "cpu", {"CXX": "/nonexistent/c++"})
    executor = LocalExecutor([slot], tmp_path, programs=tmp_path / "programs")
    try:
        executor.submit("cpu:0", order(ahead=MUCH)).result()
        wait_until(lambda: list((tmp_path / "programs").glob("*.failed")), 100)
        report = executor.submit("cpu:0", order(admit=[], ahead=MUCH)).result()
        assert report.program == "eager" and report.lanes[0].meta_iteration == 6
        pid = executor.worker_pids()["cpu:0"]
        wait_until(lambda: not children(pid), 30)
    finally:
        executor.close()


@BESIDE
@pytest.mark.slow
def test_the_compiling_process_ends_with_its_worker(tmp_path):
    executor = LocalExecutor([Slot("cpu:0", "cpu")], tmp_path, programs=tmp_path / "programs")
    executor.submit("cpu:0", order(ahead=MUCH)).result()
    (compiling,) = children(executor.worker_pids()["cpu:0"])
    executor.close()
    wait_until(lambda: not Path(f"/proc/{compiling}/cmdline").exists(), 30)
    assert not list((tmp_path / "programs").glob("*.pt2"))


@BESIDE
@pytest.mark.slow
def test_what_a_killed_compiler_left_is_no_program_and_is_cleared(tmp_path):
    directory = tmp_path / "programs"
    executor = LocalExecutor([Slot("cpu:0", "cpu")], tmp_path, programs=directory)
    try:
        executor.submit("cpu:0", order(ahead=MUCH)).result()
        wait_until(lambda: list(directory.glob(f"{PARTIAL}*")), 300)
        (compiling,) = children(executor.worker_pids()["cpu:0"])
        os.kill(compiling, signal.SIGKILL)
        assert not list(directory.glob("*.pt2"))

        def another_compiles() -> bool:  # once the worker has seen the end of the first
            executor.submit("cpu:0", order(admit=[], iterations=1, ahead=MUCH)).result()
            pids = children(executor.worker_pids()["cpu:0"])
            return bool(pids) and compiling not in pids

        wait_until(another_compiles, 30)
        wait_for_program(directory)
        wait_until(lambda: not list(directory.glob(f"{PARTIAL}*")), 30)
    finally:
        executor.close()
