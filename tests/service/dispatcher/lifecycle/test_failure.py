"""What fails in a study takes no finished trial and no other study with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from metaopt.costs.metric import Bound, CostMetric
from metaopt.costs.registry import COSTS
from metaopt.errors import InvalidSearch
from metaopt.gates.registry import RULES
from metaopt.search.branches import BranchSearch
from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Decision
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.samplers.registry import SAMPLERS
from service.db.engine import reading
from service.db.tables import Study
from service.dispatcher.search.replay import replay_branch
from service.operations.lookup import get_study, list_asks
from service.operations.views import study_views
from service.wire.views.studies import StudyView
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, kinds, result, rows, wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.fakes.toy_gate import STEADY
from tests.fakes.toy_pruning_rule import KIND as WITHIN_DELTA
from tests.fakes.toy_sampler import Halving
from tests.waiting import wait_until

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 6, "meta_iterations": 180}}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep errors from being printed with all that the dispatcher knows: that takes minutes."""
    with capture_logs():
        yield


class Narrow(Halving):
    """Halves twice, then divides by nothing."""

    def suggest(self, index: int) -> Any:
        if index >= 2:
            raise ZeroDivisionError("float division by zero")
        return super().suggest(index)


class Deaf(Halving):
    """Cannot be told."""

    def tell(self, index: int, end: object) -> None:
        raise AssertionError


def shown(engine: Engine, study_id: str) -> StudyView:
    with reading(engine) as session:
        return study_views(session, [get_study(session, study_id)])[0]


def error_of(engine: Engine, study_id: str) -> str | None:
    with reading(engine) as session:
        return session.get_one(Study, study_id).error


@contextmanager
def sampler(made: Any) -> Iterator[None]:
    def make(problem: Problem) -> Any:
        return made(problem)

    with SAMPLERS.including(SamplerKind("narrow", make, adaptive=True)):
        yield


@pytest.mark.parametrize(
    ("made", "cause", "first"),
    [(Narrow, "ZeroDivisionError: float division by zero", 2), (Deaf, "AssertionError", None)],
)
def test_a_search_goes_on_at_random_once_its_sampler_fails(
    engine: Engine, run: Run, made: type[Halving], cause: str, first: int | None
) -> None:
    with sampler(made):
        spec = small_spec(**ONE_BRANCH, search={"sampler": "narrow", "startup_trials": 1})
        study_id = submit(engine, spec)
        running = run(ScriptedExecutor(slots=1))
        wait_for(engine, study_id, "completed")
        running.end()
        (warning,) = shown(engine, study_id).warnings
        assert warning.startswith(f"sampler narrow of branch maml failed ({cause}): from trial ")
        assert warning.endswith(" on its points are drawn at random")
        assert kinds(engine, study_id, "study_warned") == [{"warning": warning}]
        assert first is None or f"from trial {first} on" in warning
        with reading(engine) as session:
            page = list_asks(session, study_id, branch="maml", cursor=None, limit=100)
        at_random = [ask.outcome == "random" for ask in page.items if ask.kind == "ask"]
        assert at_random == sorted(at_random) and any(at_random) and not at_random[0]
        replayed = replay_branch(spec, spec.branches[0], page.items)
        assert (replayed.agreeing, replayed.difference) == (6, None)
    assert {trial["status"] for trial in rows(engine, study_id)} == {"completed"}
    assert result(engine, study_id)["finalists"]


def test_a_search_that_fell_back_is_told_of_once_over_restarts(engine: Engine, run: Run) -> None:
    with sampler(Narrow):
        budget = {"trials": 12, "meta_iterations": 180}
        search = {"sampler": "narrow", "startup_trials": 1}
        study_id = submit(engine, small_spec(**{**ONE_BRANCH, "budget": budget}, search=search))
        first = run(ScriptedExecutor(slots=1))
        warned = lambda: bool(kinds(engine, study_id, "study_warned"))  # noqa: E731
        wait_until(warned, what="the warning")
        first.end()
        second = run(ScriptedExecutor(slots=1))
        wait_for(engine, study_id, "completed")
        second.end()
        assert len(shown(engine, study_id).warnings) == 1
    assert len(kinds(engine, study_id, "study_warned")) == 1


def _refuse(*_: Any) -> Any:
    raise KeyError("peers")


@pytest.mark.parametrize(
    ("decide", "promotes", "cause"),
    [
        (_refuse, None, "KeyError: 'peers'"),
        (lambda rung, number: "stop", None, "it decides 'stop', which is no Decision"),
        (lambda rung, number: Decision.PAUSE, None, "it pauses trials and promotes none"),
        (lambda rung, number: Decision.PAUSE, _refuse, "KeyError: 'peers'"),
    ],
)
def test_trials_go_on_where_their_pruning_rule_fails(
    engine: Engine, run: Run, decide: Any, promotes: Any, cause: str
) -> None:
    rule = replace(WITHIN_DELTA, name="broken", decide=decide, promotes=promotes)
    with PRUNING_RULES.including(rule):
        study_id = submit(
            engine, small_spec(**ONE_BRANCH, pruning={"kind": "broken", "rungs": [60, 120]})
        )
        running = run(ScriptedExecutor(slots=1))
        wait_for(engine, study_id, "completed")
        running.end()
        assert shown(engine, study_id).warnings == [
            f"pruning rule broken failed ({cause}): trials that it does not decide on train to "
            "their end"
        ]
    assert {trial["status"] for trial in rows(engine, study_id)} == {"completed"}


def test_a_gate_that_cannot_be_answered_leaves_the_verdict(engine: Engine, run: Run) -> None:
    def answer(argument: Any, evidence: Any) -> Any:
        raise ZeroDivisionError("no variance")

    with RULES.including(replace(STEADY, answer=answer)):
        gates = {"rules": ["steady:1", "at-least:1000"], "seeds": 2, "tasks": 20, "most_tasks": 20}
        study_id = submit(engine, small_spec(**ONE_BRANCH, gates=gates))
        running = run(ScriptedExecutor())
        wait_for(engine, study_id, "completed")
        running.end()  # while its rule is known
    judged = result(engine, study_id)
    assert judged["finalists"][0]["sealed"] is not None and not judged["gates"]["passed"]
    broken = judged["gates"]["answers"][0]
    assert broken["answer"] == "fail"
    assert broken["why"] == "the rule failed to answer (ZeroDivisionError: no variance)"


def test_a_cost_metric_that_fails_harms_no_study_that_does_not_name_it(
    engine: Engine, run: Run
) -> None:
    broken = CostMetric("broken", doc="nothing", bound=Bound(float, ge=0), of_configuration=_refuse)
    with COSTS.including(broken):
        studies = [submit(engine, small_spec(**ONE_BRANCH))]
        studies.append(submit(engine, small_spec(**ONE_BRANCH, constraints={"broken": 1.0})))
        running = run(ScriptedExecutor())
        wait_for(engine, studies[0], "completed")
        wait_for(engine, studies[1], "failed")
        running.end()
    error = error_of(engine, studies[1])
    assert error is not None and "cost metric broken gives no number" in error


@pytest.mark.parametrize("error", [InvalidSearch("the log contradicts itself"), TypeError("bug")])
def test_what_completed_is_judged_where_a_search_cannot_go_on(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    first, second = (submit(engine, small_spec(**ONE_BRANCH)) for _ in range(2))
    tell, told = BranchSearch.tell, iter(range(2))

    def break_late(self: BranchSearch, *arguments: Any, **named: Any) -> None:
        tell(self, *arguments, **named)
        if next(told, None) == 1:
            raise error

    monkeypatch.setattr(BranchSearch, "tell", break_late)
    run(ScriptedExecutor(slots=1))
    for study_id in (first, second):
        wait_for(engine, study_id, "completed")
    (warning,) = shown(engine, first).warnings
    assert warning.startswith("the search could not go on: ") and str(error) in warning
    assert result(engine, first)["search"]["ended_by"] == "error"
    assert result(engine, first)["finalists"] and not shown(engine, second).warnings


def test_a_study_of_which_nothing_completed_fails_alone(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (submit(engine, small_spec(**ONE_BRANCH)) for _ in range(2))
    ask, broken = BranchSearch.ask, iter([True])

    def break_once(self: BranchSearch, trial_number: int) -> Any:
        if next(broken, False):
            raise TypeError("bug")
        return ask(self, trial_number)

    monkeypatch.setattr(BranchSearch, "ask", break_once)
    run(ScriptedExecutor(slots=1))
    wait_for(engine, second, "completed")
    assert error_of(engine, first) == (
        "the study cannot go on: an error of metaopt, please report it: TypeError: bug"
    )
