"""A rule that is no part of the program decides in the dispatcher as those that are."""

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from metaopt.search.pruning.registry import PRUNING_RULES
from service.dispatcher.pruning.rungs import rung_at
from tests.fakes import states
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, rows, wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.fakes.toy_pruning_rule import KIND as TOY

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
    study.add_scored(("maml", 120), 0, 1.0, {})
    rung = rung_at(study, ("maml", 120))
    assert (rung.index, rung.count) == (1, 2)
    assert len(rung.standings) == 1
    assert rung.task_losses == {} and rung.leader is None
