"""Gates at work: the loop on real tables, with an executor whose scores have the noise of seeds."""

import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from metaopt.gates.registry import RULES
from service.db.baselines import find_baseline, versions_of
from service.db.engine import reading, transaction
from service.db.tables import Baseline, Trial
from service.db.weights import find_weights
from service.executors.base import LaneReport, SegmentFailed, SegmentOrder, WorkerGone
from service.operations.baselines import roll_back
from service.operations.submit import submit_study
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, kinds, result, rows, segments, set_status, wait_for
from tests.fakes.specs import small_spec
from tests.fakes.toy_gate import STEADY
from tests.waiting import wait_until

GATES: dict[str, Any] = {
    "rules": ["no-worse:0.05"], "baseline": "main", "promote": "pass", "seeds": 2, "tasks": 40,
    "most_tasks": 40,
}  # fmt: skip


class Gated(ScriptedExecutor):
    """Of the fresh trainings that gates compare, the candidate is `worse` by so much (of an error).

    Scores have the noise of a task, the same for all, and of the training on it.
    """

    worse = 0.0
    noise = 0.02

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seeds: dict[str, int] = {}

    def _change_lanes(self, slot: str, order: SegmentOrder) -> dict[str, int]:
        self.seeds |= {lane.trial_id: lane.seed for lane in order.admit}
        return super()._change_lanes(slot, order)

    def _lane(self, name: str, age: int, order: SegmentOrder) -> LaneReport:
        lane = super()._lane(name, age, order)
        if lane.scores is None or order.at_end != "checkpoint":
            return lane
        worse = 0.0 if self.incumbent(order) else self.worse
        luck = random.Random(self.seeds[name])
        scores = [
            0.5 + worse + 0.1 * (t % 3) + self.noise * luck.gauss(0, 1)
            for t in range(len(lane.scores))
        ]
        return replace(lane, scores=scores)

    def incumbent(self, order: SegmentOrder) -> bool:
        """Return whether those are the baseline's: its model has other widths in these tests."""
        return bool(order.signature["model"]["widths"] == [8])


def gated(**changes: Any) -> StudySpec:
    gates = {**GATES, **changes.pop("gates", {})}
    budget = {"trials": 4, "meta_iterations": 180}
    return small_spec(**{"budget": budget, "gates": gates, **changes})


def submitted(engine: Engine, spec: StudySpec, number: int = 0) -> str:
    study_id = f"{number:032x}"
    with transaction(engine) as session:
        return submit_study(session, spec, None, study_id=study_id, now=datetime.now(UTC))


def completed(engine: Engine, run: Run, executor: ScriptedExecutor, *study_ids: str) -> StudyResult:
    running = run(executor)
    for study_id in study_ids:
        wait_for(engine, study_id, "completed")
    running.end()
    return StudyResult.model_validate(result(engine, study_ids[-1]))


def of_role(engine: Engine, study_id: str, role: str) -> list[dict[str, Any]]:
    return [trial for trial in rows(engine, study_id) if trial["role"] == role]


@pytest.fixture
def promoted(engine: Engine, run: Run) -> Engine:
    """Return a database in which a study with another model and length has become main@1."""
    first = gated(
        model={"kind": "mlp", "widths": [8]},
        seed=1,
        pruning={"kind": "none", "rungs": [60]},
        budget={"trials": 2, "meta_iterations": 120},
    )
    told = completed(engine, run, Gated(), submitted(engine, first, 1))
    assert told.gates is not None and str(told.gates.promoted) == "main@1"
    return engine


def test_the_first_study_becomes_the_first_version(engine: Engine, run: Run) -> None:
    study_id = submitted(engine, gated())
    told = completed(engine, run, Gated(), study_id)
    best, gates = told.finalists[0], told.gates
    assert gates is not None and gates.passed and str(gates.promoted) == "main@1"
    assert (gates.trial_number, gates.tasks, gates.looks) == (best.trial_number, 40, 1)
    assert (gates.baseline, gates.baseline_name) == (None, None)
    candidates = of_role(engine, study_id, "candidate")
    assert [t["params"] for t in candidates] == [best.params] * 2
    assert {t["source_trial_number"] for t in candidates} == {best.trial_number}
    others = {t["seed"] for t in rows(engine, study_id) if t["role"] != "candidate"}
    assert len({t["seed"] for t in candidates} - others) == 2
    with reading(engine) as session:
        row = find_baseline(session, "main")
        assert row is not None and row.study_id == study_id
        assert [len(scores) for scores in row.scores] == [40, 40]
        assert row.data["params"] == best.params and row.data["judged_by"] == "gates"
        assert row.data["weights_sha256"] == told.weights_sha256
    assert kinds(engine, study_id, "baseline_promoted") == [{"name": "main", "version": 1}]
    assert kinds(engine, study_id, "gates_passed") == [{"answers": {"no-worse:0.05": "pass"}}]


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


def test_the_weights_of_the_winner_are_kept(engine: Engine, run: Run) -> None:
    study_id = submitted(engine, gated(gates={"rules": [], "baseline": None, "promote": "never"}))
    told = completed(engine, run, Gated(), study_id)
    assert told.gates is None and told.weights_sha256 is not None
    with reading(engine) as session:
        kept = find_weights(session, told.weights_sha256)
    assert kept is not None and hashlib.sha256(kept.content).hexdigest() == told.weights_sha256
    assert told.versions["code"] and told.device == "CPU"


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
        row = session.get_one(Baseline, ("main", 1))
        row.data = {**row.data, "versions": {**row.data["versions"], "code": "another"}}
    second = submitted(engine, gated(), 2)
    told = completed(engine, run, Gated(), second)
    assert told.gates is not None and told.gates.baseline is not None
    assert not told.gates.baseline.stored
    assert len(of_role(engine, second, "incumbent")) == 2


def test_a_candidate_that_was_compared_with_an_older_version_is_not_promoted(
    promoted: Engine, run: Run
) -> None:
    study_id = submitted(promoted, gated(), 2)
    with transaction(promoted) as session:
        roll_back(session, "main", 1, now=datetime.now(UTC))
    told = completed(promoted, run, Gated(), study_id)
    assert told.gates is not None and told.gates.passed and told.gates.promoted is None
    assert told.gates.not_promoted == (
        "main is at version 2 by now, and the candidate was compared with version 1"
    )


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


def test_a_model_file_that_is_gone_or_damaged_is_no_reason_to_fail(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    study_id = submitted(engine, gated())
    files = tmp_path / "checkpoints" / study_id
    executor = Gated()

    def spoil(slot: str, order: SegmentOrder) -> Exception | None:
        if order.at_end == "checkpoint":  # the verdict's trainings have left their models
            first, *others = sorted(rows(engine, study_id), key=lambda t: t["trial_number"])
            kept = [t["checkpoint"] for t in [first, *others] if t["role"] == "verdict"]
            (files.parent / kept[0]).unlink(missing_ok=True)
            for name in kept[1:]:
                if (files.parent / name).exists():
                    (files.parent / name).write_text("damaged")
        return None

    executor._script = spoil
    told = completed(engine, run, executor, study_id)
    assert told.weights_sha256 is None and told.gates is not None and told.gates.passed


def test_nothing_is_promoted_that_did_not_train(engine: Engine, run: Run) -> None:
    executor = Gated()

    def fails(slot: str, order: SegmentOrder) -> Exception | None:
        lost = SegmentFailed("no room", kind="OutOfMemory", invalid=True)
        return lost if order.at_end == "checkpoint" else None

    executor._script = fails
    told = completed(engine, run, executor, submitted(engine, gated(gates={"undecided": "pass"})))
    gates = told.gates
    assert gates is not None and gates.passed and gates.promoted is None
    assert gates.not_promoted == "2 of its 2 fresh trainings did not reach their end"
    assert gates.candidate.score is None


def test_other_software_after_a_restart_trains_the_baseline_after_all(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed(engine, run, Gated(), submitted(engine, gated(), 1))
    second = submitted(engine, gated(), 2)
    executor = Gated()

    def upgrade(slot: str, order: SegmentOrder) -> Exception | None:
        if order.at_end == "checkpoint":
            with transaction(engine) as session:
                row = session.get_one(Baseline, ("main", 1))
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
