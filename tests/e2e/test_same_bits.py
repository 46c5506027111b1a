"""Workers killed at random moments: not one bit of weights, reports or seeds is another."""

import hashlib
import json
import random
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, select

from service.db.engine import reading
from service.db.tables import Attempt, Report, Study, Trial, Weights
from tests.e2e.conftest import Start
from tests.e2e.test_kills import status
from tests.fakes.processes import DispatcherProcess, kill
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

HORIZON, INTERVAL = 200, 5
BRANCHES: dict[str, dict[str, Any]] = {
    "maml": {"algorithm": "maml", "space": {"inner_lr": 0.01, "outer_lr": 0.002, "meta_batch": 8}},
    "reptile": {"algorithm": "reptile", "space": {"epsilon": 0.1, "inner_steps": 3}},
}
ONE_LANE = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never", "METAOPT_SEGMENT_SECONDS": "0.03"}
LOST = ("lost", "evicted")  # the latter where its worker was killed between two segments
TRIES = 3
LAST_KILL, LONGEST_DELAY = 140, 0.04  # about a segment, so that all meet it before its end

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


class Bits(NamedTuple):
    """SHA-256 of the winner's model and of all reports, and the trials' seeds."""

    weights: str
    reports: str
    seeds: list[int]


@pytest.mark.parametrize(
    ("algorithm", "kills"),
    [
        ("maml", 5),
        pytest.param("maml", 20, marks=pytest.mark.night),
        pytest.param("reptile", 20, marks=pytest.mark.night),
    ],
)
def test_a_trial_has_the_same_bits_however_often_its_worker_is_killed(
    engine: Engine, start: Start, algorithm: str, kills: int
) -> None:
    spec = small_spec(
        branches=[BRANCHES[algorithm]],
        pruning={"kind": "none", "rungs": list(range(INTERVAL, HORIZON, INTERVAL))},
        budget={"trials": 1, "meta_iterations": HORIZON},
        verdict={"finalists": 1, "seeds": 1, "tasks": 20, "compare": "none"},
    )
    dispatcher, chance = start(**ONE_LANE), random.Random(kills)
    unkilled = submit(engine, spec)
    wait_until(lambda: status(engine, unkilled) == "completed", 60, what="the unkilled study")
    # The winner's fresh training has no rungs, so its first segments are longer: fewer fit in.
    quotas = [kills, kills // 2] if kills > 5 else [kills - 2, 2]
    for _ in range(TRIES):
        killed = submit(engine, spec)
        in_time = kill_often(engine, dispatcher, killed, quotas, chance)
        if in_time:
            break
    assert in_time, "its trials ended before they were killed often enough"
    assert bits(engine, killed) == bits(engine, unkilled)
    for number, quota in enumerate(quotas):
        check_lost_work(engine, dispatcher, killed, number, quota)


def kill_often(
    engine: Engine,
    dispatcher: DispatcherProcess,
    study_id: str,
    quotas: list[int],
    chance: random.Random,
) -> bool:
    """Kill the workers of a study's trials so often; whether all of it came before their ends."""
    in_time = [
        kill_while_it_trains(engine, dispatcher, study_id, number, quota, chance)
        for number, quota in enumerate(quotas)
    ]
    wait_until(lambda: status(engine, study_id) == "completed", 60, what="the killed study")
    return all(in_time)


def kill_while_it_trains(
    engine: Engine,
    dispatcher: DispatcherProcess,
    study_id: str,
    number: int,
    quota: int,
    chance: random.Random,
) -> bool:
    """Kill the worker of a trial at random ages, each time it has come further than before.

    Returns:
        Whether it was in time: where much else runs, a trial may end before it is seen.
    """
    reached = 0
    for age in sorted(chance.sample(range(LAST_KILL), quota)):
        further = further_than(engine, study_id, number, max(age, reached))
        wait_until(further, 60, what="a new checkpoint")
        threading.Event().wait(chance.uniform(0.0, LONGEST_DELAY))
        (worker,) = dispatcher.workers()
        before = losses(engine, study_id, number)
        kill(worker)

        wait_until(lambda n=before: is_over(engine, study_id, number, n), 30, what="the loss")  # type: ignore[misc]
        if losses(engine, study_id, number) == before:
            return False
        reached = row(engine, study_id, number).meta_iteration
    return True


def is_over(engine: Engine, study_id: str, number: int, losses_before: int) -> bool:
    """Whether a trial was lost since, or has ended."""
    has_ended = row(engine, study_id, number).finished_at is not None
    return has_ended or losses(engine, study_id, number) > losses_before


def further_than(engine: Engine, study_id: str, number: int, reached: int) -> Callable[[], bool]:
    def is_so() -> bool:
        found = trials(engine, study_id)
        return len(found) > number and found[number].meta_iteration > reached

    return is_so


def check_lost_work(
    engine: Engine, dispatcher: DispatcherProcess, study_id: str, number: int, quota: int
) -> None:
    """By rows and log: what was reported is trained once, and a kill costs at most one segment."""
    trial = row(engine, study_id, number)
    begun = attempts(engine, study_id, number)
    assert [one.outcome in LOST for one in begun] == [True] * quota + [False]
    assert (trial.meta_iteration, trial.status, trial.attempts) == (HORIZON, "completed", 0)
    events = [json.loads(line) for line in dispatcher.log().splitlines() if line.startswith("{")]
    reported, reached, twice = 0, [0], []
    for event in events:
        if event.get("study_id") != study_id:
            continue
        if event["event"] == "segment_reported":
            reported += event["meta_iterations"]
        elif event["event"] == "worker_lost":
            if event["trials"][0]["trial_id"] == trial.trial_id:
                reached.append(reported - number * HORIZON)
                twice.append(event["meta_iterations"])
    assert reported == HORIZON * len(trials(engine, study_id))  # each exactly once
    assert [one.from_meta_iteration for one in begun] == reached
    segments = [later - sooner for sooner, later in pairwise(reached)]
    assert all(segments) and len(twice) == quota
    assert number == 1 or max(twice) <= INTERVAL  # a segment ends at the next rung


def losses(engine: Engine, study_id: str, number: int) -> int:
    return sum(one.outcome in LOST for one in attempts(engine, study_id, number))


def attempts(engine: Engine, study_id: str, number: int) -> list[Attempt]:
    trial_id = row(engine, study_id, number).trial_id
    query = select(Attempt).where(Attempt.trial_id == trial_id).order_by(Attempt.number)
    with reading(engine) as session:
        found = list(session.scalars(query))
        session.expunge_all()
    return found


def row(engine: Engine, study_id: str, number: int) -> Trial:
    return trials(engine, study_id)[number]


def trials(engine: Engine, study_id: str) -> list[Trial]:
    query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.trial_number)
    with reading(engine) as session:
        found = list(session.scalars(query))
        session.expunge_all()
    return found


def bits(engine: Engine, study_id: str) -> Bits:
    """Of one study, in the order of its trials and their rungs."""
    told = hashlib.sha256()
    query = select(Report, Trial.trial_number).join(Trial).where(Trial.study_id == study_id)
    query = query.order_by(Trial.trial_number, Report.meta_iteration)
    found = trials(engine, study_id)
    with reading(engine) as session:
        for report, number in session.execute(query):
            what = (number, report.meta_iteration, list(report.scores), report.curve)
            told.update(repr((*what, report.score, report.stderr)).encode())
        named = (session.get_one(Study, study_id).result or {})["weights_sha256"]
        weights = hashlib.sha256(session.get_one(Weights, named).content).hexdigest()
    return Bits(weights, told.hexdigest(), [trial.seed for trial in found])
