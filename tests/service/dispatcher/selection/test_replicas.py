"""Replicas: the loop on real tables, with an executor whose scores have the noise of a seed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from metaopt.goals import Goals
from service.db.engine import reading, transaction
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.db.tables import Spending
from service.dispatcher.scheduler.budget import rebudget
from service.dispatcher.selection import replicas
from service.dispatcher.selection.fresh_trials import candidates
from service.dispatcher.store.restore import load_study
from service.errors import BudgetBelowSpent, SearchOver
from service.executors.base import LaneReport, SegmentOrder
from service.judgement.verdict import SearchTrial
from service.operations.change import change_study
from tests.fakes import states
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.rows import add_trial
from tests.fakes.running import Run, kinds, result, rows, wait_for
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit


class NoisyExecutor(ScriptedExecutor):
    """Scores are 0.5 and a share of the seed's: configurations differ by nothing else."""

    def __init__(self, *, noise: float = 1.0, **options: Any) -> None:
        """Keep how far seeds move a score."""
        super().__init__(**options)
        self.noise = noise
        self.seeds: dict[str, int] = {}
        self.diverging_seeds: Callable[[str], bool] = lambda trial_id: False

    def _change_lanes(self, slot: str, order: SegmentOrder) -> dict[str, int]:
        for lane in order.admit:
            self.seeds[lane.trial_id] = lane.seed
            if self.diverging_seeds(lane.trial_id):
                self.diverge.add(lane.trial_id)
        return super()._change_lanes(slot, order)

    def _lane(self, name: str, age: int, order: SegmentOrder) -> LaneReport:
        lane = super()._lane(name, age, order)
        if lane.scores is None:
            return lane
        luck = self.noise * (self.seeds[name] % 1000) / 1000
        return replace(lane, scores=[0.5 + luck + 0.01 * (t % 3) for t in range(len(lane.scores))])


def spec(trials: int = 10, replicates: int = 5, **budget: Any) -> Any:
    return small_spec(
        search={"sampler": "random", "replicates": replicates},
        budget={"trials": trials, "meta_iterations": 180, **budget},
    )


def of_role(engine: Engine, study_id: str, role: str) -> list[dict[str, Any]]:
    return [trial for trial in rows(engine, study_id) if trial["role"] == role]


def test_the_best_are_trained_again_until_the_reserve_is_spent(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec())
    executor = NoisyExecutor()
    run(executor)
    wait_for(engine, study_id, "completed")
    search, again = of_role(engine, study_id, "search"), of_role(engine, study_id, "replica")
    assert [t["trial_number"] for t in search] == [0, 1, 2, 3, 4]
    assert [t["trial_number"] for t in again] == list(range(5, 5 + len(again)))
    assert 2 <= len(again) <= 5
    assert {t["status"] for t in again} == {"completed"}
    assert {t["meta_iteration"] for t in again} == {180}
    sources = {t["trial_number"]: t for t in search}
    for trial in again:
        source = sources[trial["source_trial_number"]]
        assert (trial["params"], trial["branch"]) == (source["params"], source["branch"])
    assert len({t["seed"] for t in [*search, *again]}) == len(search) + len(again)
    banks = {o.bank["split"] for _, o in executor.orders for a in o.admit
             if a.trial_id in {t["trial_id"] for t in again}}  # fmt: skip
    assert banks == {"validation"}
    rounds = kinds(engine, study_id, "replicas_started")
    assert [n for one in rounds for n in one["trial_numbers"]] == [
        t["source_trial_number"] for t in again
    ]
    assert sorted(rounds[0]["trial_numbers"]) == sorted(
        t["trial_number"] for t in sorted(search, key=lambda t: t["score"])[:2]
    )


def test_finalists_are_ranked_by_the_mean_over_their_trainings(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec())
    run(NoisyExecutor())
    wait_for(engine, study_id, "completed")
    search, again = of_role(engine, study_id, "search"), of_role(engine, study_id, "replica")
    scores = {t["trial_number"]: [t["score"]] for t in search}
    for trial in again:
        scores[trial["source_trial_number"]].append(trial["score"])
    means = {n: sum(some) / len(some) for n, some in scores.items()}
    found = result(engine, study_id)
    by_search = sorted(found["finalists"], key=lambda one: one["search_rank"])
    best = sorted(means, key=means.__getitem__)[:2]
    assert [one["trial_number"] for one in by_search] == best
    for one in by_search:
        assert one["search"]["score"] == pytest.approx(means[one["trial_number"]])
        assert one["search"]["trainings"] == len(scores[one["trial_number"]])
        assert one["search"]["low"] < one["search"]["score"] < one["search"]["high"]
        assert one["optimism"] == pytest.approx(one["sealed"]["score"] - one["search"]["score"])
        assert one["optimism_interval"]["value"] == pytest.approx(one["optimism"])
    assert found["trials"] == {"completed": 5}
    assert found["replicas"] == {"completed": len(again)}
    assert sum(one["trials"] for one in found["branches"].values()) == 5
    every = rows(engine, study_id)
    assert found["device_seconds"] == pytest.approx(sum(t["device_seconds"] for t in every))


def test_replicas_are_paid_for_by_the_budget_of_the_search(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec(total_meta_iterations=5 * 180 + 2 * 180 + 20))
    run(NoisyExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    found = result(engine, study_id)
    again = of_role(engine, study_id, "replica")
    with reading(engine) as session:
        spent = session.get_one(Spending, study_id)
        trained = sum(t["meta_iteration"] for t in rows(engine, study_id) if t["role"] != "verdict")
        assert spent.meta_iterations == trained <= 5 * 180 + 2 * 180 + 20
    if found["search"]["ended_by"] != "trials":
        assert found["search"]["ended_by"] == "total_meta_iterations"
        left = [t for t in again if t["status"] == "cancelled"]
        assert left and all("budget is spent" in t["cause"] for t in left)
    assert found["search"]["meta_iterations"] == trained


def test_without_a_gap_smaller_than_the_noise_the_reserve_is_kept(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec())
    run(ScriptedExecutor())  # a training is as good as another: the rates alone decide
    wait_for(engine, study_id, "completed")
    again = of_role(engine, study_id, "replica")
    assert len(again) == 2  # the two best once, to learn that there is no noise
    assert result(engine, study_id)["search"]["ended_by"] == "trials"


def test_what_diverges_when_it_is_trained_again_ranks_last(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec())
    executor = NoisyExecutor()

    def is_replica_of_the_best(trial_id: str) -> bool:
        every = rows(engine, study_id)
        search = [t for t in every if t["role"] == "search" and t["score"] is not None]
        (trial,) = [t for t in every if t["trial_id"] == trial_id]
        best = min(search, key=lambda t: t["score"], default=None)
        return trial["role"] == "replica" and trial["source_trial_number"] == (
            best and best["trial_number"]
        )

    executor.diverging_seeds = is_replica_of_the_best
    run(executor)
    wait_for(engine, study_id, "completed")
    best = min(of_role(engine, study_id, "search"), key=lambda t: t["score"])["trial_number"]
    found = result(engine, study_id)
    assert found["replicas"]["diverged"] == 1
    assert best not in [one["trial_number"] for one in found["finalists"]]


def test_a_dispatcher_that_takes_over_amid_a_round_goes_on_alike(engine: Engine, run: Run) -> None:
    whole = submit(engine, spec())
    undisturbed = run(NoisyExecutor())
    wait_for(engine, whole, "completed")
    undisturbed.end()
    study_id = submit(engine, spec())
    executor = NoisyExecutor()
    first = run(executor)

    def stop_at_a_replica(trial_id: str) -> bool:
        (trial,) = [t for t in rows(engine, study_id) if t["trial_id"] == trial_id]
        if trial["role"] == "replica":
            first.stop.set()
        return False

    executor.diverging_seeds = stop_at_a_replica
    first.thread.join(timeout=300)
    assert {t["status"] for t in of_role(engine, study_id, "replica")} & {"queued", "running"}
    run(NoisyExecutor())
    wait_for(engine, study_id, "completed")
    facts = ("trial_number", "role", "source_trial_number", "seed", "status", "score")
    assert [[t[name] for name in facts] for t in rows(engine, study_id)] == [
        [t[name] for name in facts] for t in rows(engine, whole)
    ]
    with reading(engine) as session:
        loaded = load_study(session, study_id)
    ranked = sorted(result(engine, study_id)["finalists"], key=lambda one: one["search_rank"])
    assert candidates(loaded)[:2] == [one["trial_number"] for one in ranked]


def test_once_trials_are_trained_again_no_points_can_be_added(engine: Engine) -> None:
    study_id = submit(engine, spec(trials=10, replicates=5), status="running")
    with transaction(engine) as session:
        study = load_study(session, study_id)
        for number in range(7):
            add_trial(session, number, study_id=study.study_id)
        add_trial(session, 7, "queued", role="replica", study_id=study.study_id)
    with pytest.raises(SearchOver, match="trains its best again"), transaction(engine) as session:
        change_study(session, study_id, {"budget": {"trials": 12}}, "*", now=datetime.now(UTC))
    with pytest.raises(BudgetBelowSpent), transaction(engine) as session:
        change_study(session, study_id, {"budget": {"trials": 7}}, "*", now=datetime.now(UTC))
    with transaction(engine) as session:
        change = {"budget": {"trials": 8, "wall_seconds": 60}}
        change_study(session, study_id, change, "*", now=datetime.now(UTC))


def test_a_reserve_that_shrinks_with_the_budget_leaves_points_alone() -> None:
    study = states.study(
        search={"sampler": "random", "replicates": 2}, budget={"trials": 6, "meta_iterations": 180}
    )
    trials = states.asked(study, "maml", 2) + states.asked(study, "reptile", 2)
    assert replicas.left(study) == 2
    rebudget(study, study.spec.budget.model_copy(update={"trials": 5}))
    assert replicas.left(study) == 1
    for number, trial in enumerate(trials):
        trial.loss = 0.5 + 0.1 * number
        states.move(study, trial, TrialStatus.COMPLETED)
    (one,) = replicas.next_replicas(study)
    assert (one.trial_number, one.source_trial_number) == (4, 0)
    assert one.group == trials[0].group._replace(role=TrialRole.REPLICA)
    study.search_ended_by = "wall_seconds"
    assert replicas.next_replicas(study) == []


def test_a_trial_and_its_replicas_are_one_by_their_means() -> None:
    def training(number: int, status: str, scores: list[float], seconds: float) -> SearchTrial:
        mean = sum(scores) / len(scores) if scores else None
        return SearchTrial(
            number, "maml", status, {}, mean, seconds, 9, 0.0, 1.0, scores, scores[:1]
        )

    own = training(3, "completed", [0.2, 0.4], 1.0)
    assert replicas.averaged(own, [], Goals(False)) is own
    others = [training(7, "completed", [0.4, 0.8], 2.0), training(8, "diverged", [], 4.0)]
    both = replicas.averaged(own, others, Goals(False))
    assert (both.score, both.scores) == (pytest.approx(0.45), pytest.approx([0.3, 0.6]))
    assert (both.trainings, both.replicas_diverged) == (2, 1)
    assert (both.device_seconds, both.meta_iterations, both.trial_number) == (7.0, 27, 3)
    assert both.low is not None and both.low < 0.45 < (both.high or 0.0)
