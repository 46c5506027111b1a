"""A rule that is no part of the program decides in the dispatcher as those that are."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Decision, Rung
from service.db.engine import reading
from service.db.tables import Study
from service.dispatcher.pruning.rungs import rung_at
from tests.fakes import states
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, rows, wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.fakes.toy_pruning_rule import KIND as TOY

Decide = Callable[[Rung, int], Decision]
PRUNING = {"kind": TOY.name, "rungs": [60, 120], "delta": 1e-9}


def test_a_toy_rule_stops_trials_in_the_dispatcher(engine: Engine, run: Run) -> None:
    with PRUNING_RULES.including(TOY):
        spec = small_spec(branches=SMALL["branches"][:1], pruning=PRUNING)
        study_id = submit(engine, spec)
        running = run(ScriptedExecutor(slots=1))
        wait_for(engine, study_id, "completed")
        running.end()
    search = [trial for trial in rows(engine, study_id) if trial["role"] == "search"]
    ended = {trial["trial_number"]: trial["status"] for trial in search}
    best = min(search, key=lambda trial: trial["score"])["trial_number"]
    assert ended.pop(best) == "completed" and "pruned" in ended.values()


def _pausing(rung: Rung, trial_number: int) -> Decision:
    return Decision.PAUSE


def _raising(rung: Rung, trial_number: int) -> Decision:
    raise ZeroDivisionError("no rule divides by this")


@pytest.mark.parametrize(
    ("decide", "error"),
    [(_raising, "no rule divides by this"), (_pausing, "pauses trials and promotes none")],
)
def test_a_rule_that_fails_takes_its_study_and_no_other(
    engine: Engine, run: Run, decide: Decide, error: str
) -> None:
    with PRUNING_RULES.including(replace(TOY, decide=decide)):
        bad = submit(engine, small_spec(branches=SMALL["branches"][:1], pruning=PRUNING))
        good = submit(engine, small_spec(branches=SMALL["branches"][:1]))
        running = run(ScriptedExecutor(slots=1))
        wait_for(engine, bad, "failed")
        wait_for(engine, good, "completed")
        running.end()
    with reading(engine) as session:
        assert error in (session.get_one(Study, bad).error or "")
    assert {trial["status"] for trial in rows(engine, bad)} <= {"cancelled", "queued"}


def test_a_spec_names_the_rules_that_there_are() -> None:
    with pytest.raises(ValidationError, match="must be one of asha, hyperband, median, none"):
        small_spec(pruning=PRUNING)


def test_a_rule_may_refuse_constraints_and_several_objectives() -> None:
    with PRUNING_RULES.including(TOY):
        with pytest.raises(ValidationError, match="knows no constraints, got diverged_share"):
            small_spec(pruning=PRUNING, constraints={"diverged_share": 0.5})
        with pytest.raises(ValidationError, match="knows one objective, got score, peak_memory"):
            small_spec(pruning=PRUNING, objectives=["score", "peak_memory_bytes"])


def test_a_rule_is_given_what_it_needs_and_nothing_else() -> None:
    study = states.study(pruning={"kind": "none", "rungs": [60, 120]})
    study.rung_losses["maml", 120] = {0: 1.0}
    rung = rung_at(study, ("maml", 120))
    assert (rung.index, rung.count) == (1, 2)
    assert rung.ranking == rung.task_losses == {} and rung.leader is None
