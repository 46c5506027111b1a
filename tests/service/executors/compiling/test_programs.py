"""Workers choose their programs: eager at once, compiled where it pays."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from torch import Tensor, nn

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidPopulation
from metaopt.models.kind import CompileGuess
from metaopt.models.module_kind import module_kind
from metaopt.models.registry import MODELS, MODULES
from metaopt.plugins.allowed import parse_allowed
from metaopt.plugins.described import Needed
from metaopt.plugins.load import describe_all, provide
from metaopt.plugins.sources import Sources
from metaopt.population.compiled import PARTIAL, program_key
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from metaopt.tasks.registry import TASKS
from service.executors.base import Slot
from service.executors.compiling import compiler
from service.executors.compiling.probe import Facts
from service.executors.compiling.program_files import (
    NOTED_SECONDS,
    failed_lately,
    forget_failure,
    note_failure,
    write_whole,
)
from service.executors.compiling.programs import Programs
from service.executors.compiling.records import core_seconds, keep
from service.executors.compiling.worth import Work, eager_seconds
from service.executors.cores import usable_cores
from service.executors.local import LocalExecutor
from service.executors.segment import Segments
from tests.fakes.plugins import importable, install_toys
from tests.fakes.processes import children, runs
from tests.service.executors.test_local import admit, order
from tests.waiting import wait_until

MUCH, LITTLE = 10**9, 100
SIGNATURE = Signature.from_json(order().signature)
BESIDE = pytest.mark.skipif(usable_cores().number < 2, reason="no core is idle beside one slot")


def programs(directory: Path, mode: str = "auto", **options: Any) -> Programs:
    return Programs("cpu", directory, mode, **options)


LIKE = replace(SIGNATURE, test_cap=9)
"""Another signature, whose program is as large."""


def record(
    directory: Path, seconds: float, faster: float = 3.0, signature: Signature = LIKE
) -> None:
    """Let compiling a program, by default another one, have taken and brought so much here."""
    keep(directory, Population(signature), CompileGuess(seconds, faster))


def measure_and_record(directory: Path, seconds: float) -> None:
    """Let lanes have been measured as well: on a busy machine that may say anything of a few."""
    record(directory, seconds)
    facts = Facts(lane_chunk=16, seconds=1e-4, by_lanes={"1": 1e-3, "16": 1e-4})
    write_whole(directory / f"{program_key(SIGNATURE, 'cpu')}.json", asdict(facts))


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


class Remembering(nn.Module):
    """What vmap cannot map."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(1, 2, batch_first=True)
        self.head = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.memory(x[:, None])[0][:, 0])
        return outputs


def test_a_model_that_is_computed_lane_by_lane_is_told_and_not_compiled(tmp_path):
    model = {"kind": "module", "ref": "toys:Remembering", "options": {}, "adapt": "all"}
    signature = replace(SIGNATURE, model=model)
    chosen = programs(tmp_path, "always")
    with MODULES.including(module_kind("toys:Remembering", Remembering)), capture_logs() as logs:
        for _ in range(2):
            population = chosen.population(signature, MUCH)
    (told,) = [one for one in logs if one["event"] == "model_lane_by_lane"]
    assert told["model"] == "toys:Remembering" and "LSTM" in told["because"]
    assert chosen.ready(population, Work(MUCH, 1, 1, None))
    assert not population.compiled and not list(tmp_path.glob("*.pt2"))
    with pytest.raises(InvalidPopulation, match="lane by lane is not compiled: .*LSTM"):
        population.compile(tmp_path)


@pytest.mark.night
def test_a_plugin_is_compiled_by_a_process_that_imports_it_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, programs_of = tmp_path / "site", tmp_path / "programs"
    install_toys(site)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    sources = Sources(parse_allowed("metaopt-toys==1.0"))
    with importable(site):
        described = describe_all(sources)
        names = ("family", "name", "package", "version", "digest")
        provide([Needed(*(getattr(one, name) for name in names)) for one in described], sources)
        signature = replace(
            SIGNATURE,
            tasks={**TASKS.get("parabola").complete({"k_shot": 5, "q_query": 5})},
            model=MODELS.get("module").complete({"ref": "metaopt_toys.nets:Net"}),
            algorithm="pulled",
            structure=ALGORITHMS.get("pulled").structure(ALGORITHMS.get("pulled").complete({})),
        )
        chosen = programs(programs_of)
        population = chosen.population(signature, MUCH)
        record(programs_of, 1.0)
        assert chosen.ready(population, Work(MUCH, 8, 1, None))
        wait_for_program(programs_of)
        chosen.close()
        assert population.program_path(programs_of).exists()


def test_little_work_is_neither_measured_nor_compiled(tmp_path):
    report = Segments("cpu", programs(tmp_path)).run(order(ahead=LITTLE))
    assert report.program == "eager" and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("seconds", "compiles"), [(1e-3, True), (1e9, False)])
def test_what_compiling_costs_decides(tmp_path, seconds, compiles):
    measure_and_record(tmp_path, seconds)
    chosen = programs(tmp_path)
    Segments("cpu", chosen).run(order(ahead=10**6))
    assert chosen.compiling == compiles
    chosen.close()
    assert not chosen.compiling


def test_a_damaged_program_is_thrown_away_and_may_be_compiled_again(tmp_path):
    path = Population(SIGNATURE).program_path(tmp_path)
    path.write_bytes(b"PK half of a program")
    report = Segments("cpu", programs(tmp_path)).run(order(ahead=LITTLE))
    assert report.program == "eager"
    assert not path.exists() and not list(tmp_path.glob("*.failed"))


def test_a_failure_is_tried_again_on_another_day(tmp_path):
    measure_and_record(tmp_path, 1e-3)
    note_failure(Population(SIGNATURE).program_path(tmp_path), OSError("no compiler"))
    (note,) = tmp_path.glob("*.failed")
    for age, compiles in ((0.0, False), (2 * NOTED_SECONDS, True)):
        os.utime(note, (time.time() - age,) * 2)
        chosen = programs(tmp_path)
        Segments("cpu", chosen).run(order(ahead=10**6))
        assert chosen.compiling == compiles
        chosen.close()


def test_a_failure_is_heeded_whatever_the_mode_and_forgotten_after_a_success(tmp_path):
    path = Population(SIGNATURE).program_path(tmp_path)
    note_failure(path, OSError("\udcff no compiler"))
    report = Segments("cpu", programs(tmp_path, "always")).run(order(ahead=LITTLE))
    assert report.program == "eager" and [path.suffix for path in tmp_path.iterdir()] == [".failed"]
    forget_failure(path)
    forget_failure(path)
    assert not failed_lately(path)


def test_a_failure_is_heeded_for_a_day_also_where_a_clock_was_set_back(tmp_path):
    path = Population(SIGNATURE).program_path(tmp_path)
    note_failure(path, OSError("no compiler"))
    heeded = {}
    for hours in (-25, -23, 23, 25):
        then = time.time() + 3600 * hours
        os.utime(path.with_suffix(".failed"), (then, then))
        heeded[hours] = failed_lately(path)
    assert heeded == {-25: False, -23: True, 23: True, 25: False}


def test_a_program_that_cannot_be_loaded_is_kept_and_not_tried_again(tmp_path):
    path = Population(SIGNATURE).program_path(tmp_path)
    path.mkdir()  # reading it fails, for whoever reads
    report = Segments("cpu", programs(tmp_path)).run(order(ahead=LITTLE))
    assert report.program == "eager" and path.exists() and failed_lately(path)


@pytest.mark.parametrize("place", ["file", "file/below", "full"])
def test_a_directory_that_cannot_be_used_costs_nothing_but_speed(tmp_path, place, capfd):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").symlink_to("/dev/null")
    segments = Segments("cpu", programs(tmp_path / place))
    reports = [segments.run(order(ahead=MUCH)), segments.run(order(admit=[], ahead=MUCH))]
    assert [report.program for report in reports] == ["eager"] * 2
    assert {lane.meta_iteration for lane in reports[-1].lanes} == {6}
    output = capfd.readouterr()
    assert (output.out + output.err).count("programs_unusable") == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"lane_chunk": 2, "seconds": 1, "by_lanes": {}}']
)
def test_measurements_that_are_damaged_are_made_again(tmp_path, text):
    path = tmp_path / f"{program_key(SIGNATURE, 'cpu')}.json"
    path.write_text(text)
    segments = Segments("cpu", programs(tmp_path, "never"))
    segments.run(order(ahead=LITTLE))
    assert path.read_text() == text
    Segments("cpu", programs(tmp_path, "never")).run(order(ahead=5000))
    assert Facts.read(path) is not None


def test_a_compiler_that_hangs_is_ended_with_its_own_and_noted(tmp_path):
    measure_and_record(tmp_path, 1e-3)
    chosen = programs(tmp_path, lends=True, wait_seconds=0.2)
    segments = Segments("cpu", chosen)
    assert segments.run(order(ahead=10**6)).program == "compiling"
    (pid,) = children(os.getpid())
    os.kill(pid, signal.SIGSTOP)
    with subprocess.Popen(["sleep", "1000"], process_group=pid) as called:
        assert segments.run(order(admit=[], ahead=10**6)).program == "compiling"
        chosen._compiling = chosen._compiling._replace(patience=0.0)
        report = segments.run(order(admit=[], ahead=10**6))
        assert called.wait(30) == -signal.SIGKILL
    assert report.program == "eager" and not chosen.compiling and not runs(pid)
    assert failed_lately(Population(SIGNATURE).program_path(tmp_path))


def test_a_compiler_that_crashes_is_tried_once_more(tmp_path):
    measure_and_record(tmp_path, 1e-3)
    chosen = programs(tmp_path)
    segments = Segments("cpu", chosen)
    noted = []
    for lanes in (order(ahead=10**6), order(admit=[], ahead=10**6)):
        segments.run(lanes)
        (pid,) = children(os.getpid())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not chosen.compiling, 30)
        noted.append(failed_lately(Population(SIGNATURE).program_path(tmp_path)))
    segments.run(order(admit=[], ahead=10**6))
    assert not chosen.compiling and noted == [False, False]
    assert "SIGKILL" in next(tmp_path.glob("*.failed")).read_text()


def test_what_compiling_has_taken_is_spent(tmp_path):
    """Lanes that would not begin it now wait for its end, since only what is left counts."""
    measure_and_record(tmp_path, 1.0)
    chosen = programs(tmp_path, lends=True, wait_seconds=0.2)
    segments = Segments("cpu", chosen)
    assert segments.run(order(ahead=10**6)).program == "compiling"
    (pid,) = children(os.getpid())
    wait_until(lambda: (core_seconds(pid) or 0.0) >= 1.0, 60, what="some compiling")
    os.kill(pid, signal.SIGSTOP)
    taken = core_seconds(pid)
    assert taken is not None
    facts = Facts.read(tmp_path / f"{program_key(SIGNATURE, 'cpu')}.json")
    assert facts is not None
    record(tmp_path, taken)
    by_lanes = {int(lanes): seconds for lanes, seconds in facts.by_lanes.items()}
    eager = eager_seconds(by_lanes, len(order().admit))
    ahead = int(taken / 2 / eager)  # half of what it costs
    report = segments.run(order(admit=[], ahead=ahead))
    chosen.close()
    assert report.program == "compiling"
    other = Segments("cpu", programs(tmp_path, lends=True, wait_seconds=0.2))
    assert other.run(order(ahead=ahead)).program == "eager"


@pytest.mark.parametrize("lends", [True, False])
def test_a_lent_core_compiles_what_is_wanted_now(tmp_path, lends):
    measure_and_record(tmp_path, 1e-3)
    chosen = programs(tmp_path, lends=lends, wait_seconds=0.1)
    Segments("cpu", chosen).run(order(ahead=10**6))
    (first,) = children(os.getpid())
    other = replace(order(ahead=10**6), signature={**order().signature, "step_cap": 7})
    Segments("cpu", chosen).run(other)
    (second,) = children(os.getpid())
    chosen.close()
    assert (second == first) == (not lends)


def test_a_compiler_ends_with_its_worker_and_what_it_called_too(tmp_path):
    path = Population(SIGNATURE).program_path(tmp_path)
    job = compiler.Job(SIGNATURE.to_json(), "cpu", 4, str(path), None, alone=False)
    command = [sys.executable, "-m", "service.executors.compiling.compiler"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        process.stdin.flush()
        wait_until(lambda: path.with_suffix(".lock").exists(), 30)
        with subprocess.Popen(["sleep", "1000"], process_group=process.pid) as called:
            process.stdin.close()
            assert called.wait(30) == process.wait(30) == -signal.SIGKILL


def test_what_killed_compilers_of_other_programs_left_is_cleared(tmp_path):
    for name in ("dead", "alive", "unknown"):
        (tmp_path / f"workshop-{name}").mkdir()
    (tmp_path / "dead.lock").touch()
    with (tmp_path / "alive.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        compiler.clear(tmp_path)
    assert {path.name.split("-")[1] for path in tmp_path.glob("*-*")} == {"alive", "unknown"}


def test_lanes_wait_for_a_program_where_no_core_is_idle(tmp_path):
    measure_and_record(tmp_path, 1e-3)
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
    measure_and_record(tmp_path, 1e-3)
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
        (path,) = directory.glob("compiled-*.json")
        record = json.loads(path.read_text())
        assert record["seconds"] > 1 and record["faster"] > 0
    finally:
        first.close()
    slot = Slot("cpu:0", "cpu", {"PATH": "/nonexistent"})
    for faster, mode, program in (
        (record["faster"], "auto", "compiled"),
        (0.01, "auto", "eager"),
        (0.01, "always", "compiled"),
    ):
        write_whole(path, {**record, "faster": faster})
        executor = LocalExecutor([slot], tmp_path, programs=directory, compiling=mode)
        try:
            assert executor.submit("cpu:0", order(ahead=LITTLE)).result().program == program
        finally:
            executor.close()


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
        left = f"{compiler.WORKSHOP}*/{PARTIAL}*"
        wait_until(lambda: list(directory.glob(left)), 300)
        (compiling,) = children(executor.worker_pids()["cpu:0"])
        os.kill(compiling, signal.SIGKILL)
        assert not list(directory.glob("*.pt2"))

        def another_compiles() -> bool:  # once the worker has seen the end of the first
            executor.submit("cpu:0", order(admit=[], iterations=1, ahead=MUCH)).result()
            pids = children(executor.worker_pids()["cpu:0"])
            return bool(pids) and compiling not in pids

        wait_until(another_compiles, 30)
        wait_for_program(directory)
        wait_until(lambda: not list(directory.glob(left)), 30)
    finally:
        executor.close()
