"""Asking: the points that a branch's sampler gives."""

from service.db.roles import TrialRole
from service.dispatcher.search.ask import ask
from tests.fakes import states


def test_each_point_is_a_search_trial_with_a_number_a_seed_and_a_place_of_its_own() -> None:
    study = states.study()
    asked = ask(study, study.branches["reptile"], 3)
    assert [point.trial.trial_number for point in asked] == [1, 3, 5]  # the second of two branches
    assert [(point.ask_index, point.sequence) for point in asked] == [(0, 0), (1, 1), (2, 2)]
    assert len({point.trial.seed for point in asked}) == 3
    assert {point.trial.group.role for point in asked} == {TrialRole.SEARCH}


def test_a_trial_has_all_parameters_of_its_algorithm_and_the_point_those_searched() -> None:
    study = states.study()
    (point,) = ask(study, study.branches["maml"], 1)
    assert set(point.asked) == {"inner_lr", "outer_lr"}
    assert point.trial.params["meta_batch"] == 4
    assert point.trial.params["inner_lr"] == point.asked["inner_lr"]


def test_points_do_not_depend_on_how_many_are_asked_for_at_once() -> None:
    together, apart = states.study(), states.study()
    one_by_one = [ask(apart, apart.branches["maml"], 1)[0] for _ in range(3)]
    for whole, single in zip(ask(together, together.branches["maml"], 3), one_by_one, strict=True):
        assert (whole.asked, whole.trial.seed) == (single.asked, single.trial.seed)


def test_what_a_spec_names_to_begin_with_comes_before_the_sampler() -> None:
    warm = {"trials": [{"branch": "maml", "params": {"inner_lr": 0.01, "outer_lr": 0.002}}]}
    study = states.study(warm_start=warm)
    first, second = ask(study, study.branches["maml"], 2)
    assert (first.trial.params["inner_lr"], first.trial.params["outer_lr"]) == (0.01, 0.002)
    assert second.trial.params["inner_lr"] != 0.01
