"""Which fresh trainings a verdict asks for."""

from typing import Any

from metaopt.algorithms.registry import complete
from metaopt.presets import find_preset
from service.db.states import TrialStatus
from service.dispatcher.selection.fresh_trials import compared_by_seed, fresh_finalists
from service.dispatcher.state import StudyState
from tests.fakes import states

MAML = {"inner_lr": {"low": 0.003, "high": 0.03}, "inner_steps": {"low": 1, "high": 2}}


def searched(scores: list[float], space: dict[str, Any] = MAML, **verdict: Any) -> StudyState:
    study = states.study(
        branches=[{"algorithm": "maml", "space": {**space, "meta_batch": 4}}],
        budget={"trials": len(scores), "meta_iterations": 180},
        verdict={"finalists": 1, "seeds": 2, "tasks": 20, **verdict},
    )
    for trial, score in zip(states.asked(study, "maml", len(scores)), scores, strict=True):
        trial.loss = score
        states.move(study, trial, TrialStatus.COMPLETED)
    return study


def test_the_defaults_are_trained_beside_the_finalists_with_as_many_seeds_of_their_own() -> None:
    study = searched([0.5, 0.4, 0.6])
    fresh = fresh_finalists(study)
    assert [t.source_trial_number for t in fresh] == [1, 1, None, None]
    assert [t.trial_number for t in fresh] == [3, 4, 5, 6]
    assert len({t.seed for t in fresh}) == 4
    assert fresh[2].params == complete("maml", {"meta_batch": 4})
    assert fresh[0].params == study.trials[1].params


def test_defaults_outside_the_space_get_a_program_that_holds_them() -> None:
    reptile = {"algorithm": "reptile", "space": {"inner_steps": {"low": 1, "high": 3}}}
    study = states.study(branches=[reptile], verdict={"finalists": 1, "seeds": 1})
    (one,) = states.asked(study, "reptile", 1)
    one.loss = 0.5
    states.move(study, one, TrialStatus.COMPLETED)
    again, default = fresh_finalists(study)
    assert default.params["inner_steps"] == 5
    signature = study.signatures[default.group.signature]
    assert (signature.step_cap, signature.test_cap) == (5, 5)
    assert study.signatures[again.group.signature].step_cap == 3


def test_nothing_is_compared_where_nothing_is_searched_or_nobody_asks_for_it() -> None:
    assert len(fresh_finalists(searched([0.5], space={}))) == 2
    assert len(fresh_finalists(searched([0.5], compare="none"))) == 2


def test_a_preset_is_trained_beside_the_finalists_in_place_of_the_defaults() -> None:
    study = searched([0.5, 0.4], compare="paper:maml-sinusoid")
    fresh = fresh_finalists(study)
    assert [t.source_trial_number for t in fresh] == [1, 1, None, None]
    assert fresh[2].params == find_preset("paper:maml-sinusoid").params()
    assert not {t.seed for t in fresh} & {t.seed for t in fresh_finalists(searched([0.5, 0.4]))[2:]}
    assert len(fresh_finalists(searched([0.5], space={}, compare="paper:maml-sinusoid"))) == 4


def test_each_of_a_list_is_trained_as_often_and_known_by_its_seeds() -> None:
    study = searched([0.5, 0.4], compare=["default", "scratch", "ridge", "pretrain"])
    fresh = fresh_finalists(study)
    assert [t.group.branch for t in fresh[2:]] == ["maml"] * 2 + ["scratch"] * 2 + ["pretrain"] * 2
    assert {t.source_trial_number for t in fresh[2:]} == {None}
    names = compared_by_seed(study)
    assert [names[t.seed] for t in fresh[2:]] == [
        *["default"] * 2, *["scratch"] * 2, *["pretrain"] * 2
    ]  # fmt: skip
    alone = fresh_finalists(searched([0.5, 0.4]))
    assert [t.seed for t in alone] == [t.seed for t in fresh[:4]], "as where it is the only one"
    signature = study.signatures[fresh[4].group.signature]
    assert (signature.algorithm, signature.test_cap) == ("scratch", 20)


def test_other_first_seeds_are_other_trainings() -> None:
    first = [t.seed for t in fresh_finalists(searched([0.5]))]
    second = [t.seed for t in fresh_finalists(searched([0.5], first_seed=2))]
    assert not set(first) & set(second)


def test_extra_finalists_are_those_that_the_search_cannot_tell_from_the_last() -> None:
    study = searched([0.5, 0.4, 0.6], extra_finalists=2, compare="none")
    scores = {1: [0.1, 0.7], 0: [0.6, 0.4], 2: [0.5, 1.1]}  # 2 is 0.4 behind on each task
    fresh = fresh_finalists(study, scores)
    assert [t.source_trial_number for t in fresh] == [1, 1, 0, 0]


def test_the_best_of_each_branch_are_finalists_where_a_study_asks_for_them() -> None:
    study = states.study(
        branches=[
            {"algorithm": "maml", "space": MAML},
            {"algorithm": "reptile", "space": {"inner_lr": MAML["inner_lr"]}},
        ],
        budget={"trials": 6, "meta_iterations": 180},
        verdict={"finalists": 1, "finalists_from": "each_branch", "seeds": 1, "compare": "none"},
    )
    for branch, losses in {"maml": [0.2, 0.1, 0.3], "reptile": [0.9, 0.8]}.items():
        for trial, loss in zip(states.asked(study, branch, len(losses)), losses, strict=True):
            trial.loss = loss
            states.move(study, trial, TrialStatus.COMPLETED)
    fresh = fresh_finalists(study)
    assert [(t.group.branch, study.trials[t.source_trial_number or 0].loss) for t in fresh] == [
        ("maml", 0.1), ("reptile", 0.8),
    ]  # fmt: skip
    assert len(fresh) == study.spec.verdict.trainings(2)
