"""A log is replayed to the bit, and a changed one is found out."""

import pytest

from service.dispatcher.search.replay import as_bytes, replay_branch
from service.planning.branch_search import branch_search
from service.wire.views.studies import AskView
from tests.fakes.specs import small_spec

SPACE = {
    "inner_lr": {"low": 0.003, "high": 0.3, "log": True},
    "inner_steps": {"low": 1, "high": 5},
    "order": {"choices": ["first", "second"]},
}


def logged(sampler: str, trials: int = 12) -> tuple[object, list[AskView]]:
    """Return a spec and the log of a search that keeps two trials open."""
    spec = small_spec(
        branches=[{"algorithm": "maml", "space": SPACE}],
        search={"sampler": sampler, "startup_trials": 4},
        budget={"trials": trials, "meta_iterations": 180},
    )
    search, log = branch_search(spec, spec.branches[0], []), []

    def append(kind: str, number: int, **said: object) -> None:
        empty = {"params": None, "outcome": None, "value": None, "meta_iteration": None}
        entry = {"sequence": len(log), "kind": kind, "trial_number": number, **empty, **said}
        log.append(AskView.model_validate(entry))

    for number in range(trials):
        append("ask", number, params=search.ask(number))
        if number:
            told = ("diverged", None) if number == 3 else ("completed", 1.0 / number)
            search.tell(number - 1, *told, 180)
            append("tell", number - 1, outcome=told[0], value=told[1], meta_iteration=180)
    return spec, log


@pytest.mark.parametrize("tasks", ["sinusoid", "omniglot"])
def test_a_log_of_scores_leads_to_the_search_that_was_told_their_losses(tasks: str) -> None:
    spec = small_spec(
        tasks={"kind": tasks, "k_shot": 1, "q_query": 5},
        branches=[{"algorithm": "maml", "space": SPACE}],
        search={"sampler": "tpe", "startup_trials": 4},
        budget={"trials": 12, "meta_iterations": 180},
    )
    search, log = branch_search(spec, spec.branches[0], []), []
    empty = {"params": None, "outcome": None, "value": None, "meta_iteration": None}
    for number in range(12):
        point, score = search.ask(number), 1.0 / (1 + number % 5)
        search.tell(number, "completed", spec.goals().loss(score), 180)
        asked = {"kind": "ask", "params": point}
        ended = {"kind": "tell", "outcome": "completed", "value": score, "meta_iteration": 180}
        for entry in (asked, ended):
            place = {"sequence": len(log), "trial_number": number}
            log.append(AskView.model_validate({**empty, **place, **entry}))
    replayed = replay_branch(spec, spec.branches[0], log)
    assert (replayed.agreeing, replayed.difference) == (12, None)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_every_suggestion_comes_out_the_same_also_after_a_way_through_json(sampler: str) -> None:
    spec, log = logged(sampler)
    sent = [AskView.model_validate_json(entry.model_dump_json()) for entry in log]
    replayed = replay_branch(spec, spec.branches[0], sent)
    assert (replayed.asks, replayed.agreeing, replayed.difference) == (12, 12, None)


def test_a_suggestion_that_was_changed_is_named_with_both_values() -> None:
    spec, log = logged("tpe")
    place = [i for i, entry in enumerate(log) if entry.kind == "ask"][5]
    params = {**log[place].params, "inner_lr": log[place].params["inner_lr"] * (1 + 2**-52)}
    log[place] = log[place].model_copy(update={"params": params})
    replayed = replay_branch(spec, spec.branches[0], log)
    assert (replayed.asks, replayed.agreeing) == (12, 5)
    assert f"trial 5: the log has {as_bytes(params)}, the sampler gives" in replayed.difference


def test_a_score_that_was_changed_is_found_in_what_follows_from_it() -> None:
    spec, log = logged("tpe", trials=30)
    place = next(i for i, entry in enumerate(log) if entry.trial_number == 12 and entry.outcome)
    log[place] = log[place].model_copy(update={"value": 100.0})
    replayed = replay_branch(spec, spec.branches[0], log)
    assert replayed.difference is not None and replayed.agreeing == 14


def test_a_log_that_contradicts_itself_is_said_to() -> None:
    spec, log = logged("random")
    replayed = replay_branch(spec, spec.branches[0], [*log, log[0]])
    assert replayed.difference == "trial 0 was asked for before"
