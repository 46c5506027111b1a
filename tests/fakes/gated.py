"""Studies with gates, and an executor whose candidates are as good as a test wants."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from service.db.engine import transaction
from service.executors.base import LaneReport, SegmentOrder
from service.operations.submit import submit_study
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, result, rows, wait_for
from tests.fakes.specs import small_spec

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
        if lane.scores is None or not self.gating(order):
            return lane
        worse = 0.0 if self.incumbent(order) else self.worse
        luck = random.Random(self.seeds[name])
        scores = [
            0.5 + worse + 0.1 * (t % 3) + self.noise * luck.gauss(0, 1)
            for t in range(len(lane.scores))
        ]
        return replace(lane, scores=scores)

    def gating(self, order: SegmentOrder) -> bool:
        """Return whether those are what gates compare."""
        return order.at_end == "checkpoint"

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
