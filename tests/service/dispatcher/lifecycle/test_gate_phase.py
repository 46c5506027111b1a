"""Gates at work: the loop on real tables, with an executor whose scores have the noise of seeds."""

import pytest
from sqlalchemy import Engine

from metaopt.gates.registry import RULES
from service.db.baselines import find_baseline, versions_of
from service.db.engine import reading, transaction
from service.db.tables import Baseline, Trial
from service.executors.base import SegmentOrder, WorkerGone
from service.wire.views.result import StudyResult
from tests.fakes.gated import Gated, completed, gated, of_role, submitted
from tests.fakes.running import Run, kinds, rows, segments, set_status, wait_for
from tests.fakes.toy_gate import STEADY
from tests.waiting import wait_until


def test_a_rule_that_somebody_added_is_answered_in_the_report(engine: Engine, run: Run) -> None:
    with RULES.including(STEADY):
        study_id = submitted(engine, gated(gates={"rules": ["steady:0.5", "steady:0"]}))
        report = completed(engine, run, Gated(), study_id).gates
    assert report is not None and not report.passed
    assert [(given.rule, given.answer) for given in report.answers] == [
        ("steady:0.5", "pass"),
        ("steady:0", "fail"),
    ]
    assert "trainings scatter by " in report.answers[0].why and report.promoted is None


def test_the_gate_bank_is_neither_the_search_s_nor_the_verdict_s(engine: Engine, run: Run) -> None:
    executor = Gated()
    completed(engine, run, executor, submitted(engine, gated()))
    banks = {(o.bank["split"], o.bank["seed"]) for _, o in executor.orders}
    assert sorted(split for split, _ in banks) == ["test", "test", "validation"]
    assert len({seed for _, seed in banks}) == 3


def test_the_baseline_trains_as_it_was_promoted(promoted: Engine, run: Run) -> None:
    executor = Gated()
    study_id = submitted(promoted, gated(), 2)
    told = completed(promoted, run, executor, study_id)
    gates = told.gates
    assert gates is not None and gates.passed and str(gates.promoted) == "main@2"
    assert gates.baseline is not None and not gates.baseline.stored
    incumbents = of_role(promoted, study_id, "incumbent")
    assert [t["meta_iteration"] for t in incumbents] == [120, 120]
    assert [t["bank_tasks"] for t in incumbents] == [40, 40]
    with reading(promoted) as session:
        first = find_baseline(session, "main", 1)
        assert first is not None
        assert {str(t["params"]) for t in incumbents} == {str(first.data["params"])}
    horizons = {a.horizon for _, o in executor.orders if executor.incumbent(o) for a in o.admit}
    assert horizons == {120}
    assert told.device_seconds > sum(f.device_seconds for f in told.finalists)


def test_a_worse_candidate_fails_and_is_not_promoted(promoted: Engine, run: Run) -> None:
    executor = Gated()
    executor.worse = 0.3
    study_id = submitted(promoted, gated(), 2)
    told = completed(promoted, run, executor, study_id)
    assert told.gates is not None and not told.gates.passed and told.gates.promoted is None
    (answer,) = told.gates.answers
    assert answer.answer == "fail" and answer.estimate is not None
    assert answer.estimate.value == pytest.approx(0.3, abs=0.05)
    assert told.gates.looks == 1  # more tasks would not help it
    assert kinds(promoted, study_id, "gate_failed") == [{"answers": {"no-worse:0.05": "fail"}}]
    with reading(promoted) as session:
        assert [row.version for row in versions_of(session, "main")] == [1]


def test_undecided_looks_at_more_tasks_and_trains_nothing_again(promoted: Engine, run: Run) -> None:
    executor = Gated()
    executor.noise = 0.4
    study_id = submitted(promoted, gated(gates={"tasks": 5, "most_tasks": 40}), 2)
    told = completed(promoted, run, executor, study_id)
    gates = told.gates
    assert gates is not None and gates.looks > 1
    candidates = of_role(promoted, study_id, "candidate")
    assert [t["bank_tasks"] for t in candidates][:4] == [5, 5, 10, 10]
    assert gates.tasks == candidates[-1]["bank_tasks"]
    assert len(gates.candidate.runs) == 2  # the latest of each training
    assert {t["meta_iteration"] for t in candidates} == {180}
    trained = [s for s in segments(promoted, study_id) if s.role == "candidate"]
    assert sum(s.lanes * s.meta_iterations for s in trained) == 2 * 180
    assert kinds(promoted, study_id, "gates_looking")[1] == {"tasks": 10, "trials": 4}
    assert gates.bank_looks == 2 * len(
        candidates
    )  # the baseline's too; its own study had another seed


def test_a_cap_ends_the_looking(promoted: Engine, run: Run) -> None:
    executor = Gated()
    spec = gated(gates={"rules": ["better"], "tasks": 5, "most_tasks": 20, "promote": "never"})
    executor.noise = 0.5
    told = completed(promoted, run, executor, submitted(promoted, spec, 2))
    assert told.gates is not None and told.gates.tasks <= 20
    assert told.gates.answers[0].answer == "undecided" and not told.gates.passed


def test_stored_scores_stand_in_on_the_same_tasks(engine: Engine, run: Run) -> None:
    first = submitted(engine, gated(), 1)
    completed(engine, run, Gated(), first)
    second = submitted(engine, gated(), 2)
    told = completed(engine, run, Gated(), second)
    assert told.gates is not None and told.gates.baseline is not None
    assert told.gates.baseline.stored and told.gates.baseline.runs == []
    assert of_role(engine, second, "incumbent") == []
    seeds = [{t["seed"] for t in of_role(engine, one, "candidate")} for one in (first, second)]
    assert not seeds[0] & seeds[1]  # the same spec again is judged with other seeds


def test_stored_scores_of_other_software_are_trained_again(engine: Engine, run: Run) -> None:
    completed(engine, run, Gated(), submitted(engine, gated(), 1))
    with transaction(engine) as session:
        row = session.get_one(Baseline, ("default", "main", 1))
        row.data = {**row.data, "versions": {**row.data["versions"], "code": "another"}}
    second = submitted(engine, gated(), 2)
    told = completed(engine, run, Gated(), second)
    assert told.gates is not None and told.gates.baseline is not None
    assert not told.gates.baseline.stored
    assert len(of_role(engine, second, "incumbent")) == 2


def test_a_dispatcher_that_dies_between_looks_changes_nothing(promoted: Engine, run: Run) -> None:
    def study(number: int, stop_at: str | None) -> StudyResult:
        executor = Gated()
        executor.noise = 0.4
        spec = gated(gates={"tasks": 5, "most_tasks": 40, "promote": "never"})
        study_id = submitted(promoted, spec, number)
        if stop_at is not None:
            fails = {"left": 1}

            def script(slot: str, order: SegmentOrder) -> Exception | None:
                if order.at_end == "checkpoint" and fails["left"]:
                    fails["left"] = 0
                    set_status(promoted, study_id, "paused")
                return None

            executor._script = script
            running = run(executor)
            wait_for(promoted, study_id, "paused")
            running.end()
            set_status(promoted, study_id, "queued")
            executor = Gated()
            executor.noise = 0.4
        return completed(promoted, run, executor, study_id)

    told = study(2, "checkpoint")
    assert told.gates is not None and told.gates.looks > 1
    assert {run.status for run in told.gates.candidate.runs} == {"completed"}
    numbers = [t["trial_number"] for t in rows(promoted, f"{2:032x}")]
    assert len(set(numbers)) == len(numbers)


def test_other_software_after_a_restart_trains_the_baseline_after_all(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed(engine, run, Gated(), submitted(engine, gated(), 1))
    second = submitted(engine, gated(), 2)
    executor = Gated()

    def upgrade(slot: str, order: SegmentOrder) -> Exception | None:
        if order.at_end == "checkpoint":
            with transaction(engine) as session:
                row = session.get_one(Baseline, ("default", "main", 1))
                row.data = {**row.data, "versions": {"code": "another"}}
        return None

    executor._script = upgrade
    told = completed(engine, run, executor, second)
    assert told.gates is not None and told.gates.baseline is not None
    assert not told.gates.baseline.stored and told.gates.answers[0].answer == "pass"
    assert len(of_role(engine, second, "incumbent")) == 2


def test_lanes_at_their_end_beside_one_that_begins_again(promoted: Engine, run: Run) -> None:
    study_id = submitted(promoted, gated(gates={"tasks": 5, "most_tasks": 10}), 2)
    executor = Gated(slots=1)
    executor.noise = 0.4
    again = {"left": 1}

    def restart(slot: str, order: SegmentOrder) -> Exception | None:
        looks = [lane for lane in order.admit if lane.checkpoint] if not order.iterations else []
        if looks and again["left"]:
            again["left"] = 0
            with transaction(promoted) as session:
                row = session.get_one(Trial, looks[0].trial_id)
                row.checkpoint, row.checkpoint_sha256, row.meta_iteration = None, None, 0
            return WorkerGone("the worker has gone")
        return None

    executor._script = restart
    running = run(executor)
    wait_until(lambda: not again["left"], 30, what="the second look")
    running.end()
    told = completed(promoted, run, Gated(slots=1), study_id)
    assert told.gates is not None
    assert {one.status for one in told.gates.candidate.runs} == {"completed"}


def test_useful_asks_for_trivial_predictors_on_the_tasks_of_each_look(
    engine: Engine, run: Run
) -> None:
    rules = {"rules": ["useful"], "baseline": None, "promote": "never"}
    executor = Gated()
    executor.support_mean, executor.noise = 0.62, 0.4
    spec = gated(gates={**rules, "tasks": 5, "most_tasks": 40})
    report = completed(engine, run, executor, submitted(engine, spec)).gates
    assert report is not None and report.looks > 1
    asked = [o.trivial_tasks for _, o in executor.orders if executor.gating(o) and o.trivial_tasks]
    assert asked == sorted(set(asked)) and asked[0] == 5 and asked[-1] == report.tasks
    assert "candidate minus the mean of the support set" in report.answers[0].why


def test_gates_without_it_ask_for_none(engine: Engine, run: Run) -> None:
    executor = Gated()
    completed(engine, run, executor, submitted(engine, gated()))
    assert not any(o.trivial_tasks for _, o in executor.orders if executor.gating(o))
