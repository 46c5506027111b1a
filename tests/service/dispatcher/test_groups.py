"""Groups: which trials may be lanes of one program."""

from metaopt.algorithms.registry import complete
from service.dispatcher.groups import group_of
from tests.fakes import states
from tests.fakes.specs import NAMED

SECOND = {
    "branches": [{"algorithm": "maml", "space": {"inner_lr": "default", "meta_batch": 4}}],
    "pruning": {"kind": "none", "rungs": [60], "first_order_until": 60},
}


def test_trials_that_differ_in_numbers_only_are_of_one_group() -> None:
    study = states.study()
    first, second = states.asked(study, "maml", 2)
    assert first.params != second.params and first.group == second.group
    assert study.signatures[first.group.signature].structure["order"] == first.params["order"]


def test_what_a_program_is_compiled_for_separates_groups() -> None:
    study = states.study()
    wide = complete("maml", {"meta_batch": 8})
    narrow = complete("maml", {"meta_batch": 4})
    groups = [group_of(study, "search", "maml", params, 0) for params in (narrow, wide)]
    assert groups[0].signature != groups[1].signature


def test_a_group_changes_where_its_trials_change_their_order() -> None:
    study = states.study(**SECOND)
    params = complete("maml", {"meta_batch": 4, "order": "second"})
    early, late = (group_of(study, "search", "maml", params, age) for age in (59, 60))
    orders = [study.signatures[group.signature].structure["order"] for group in (early, late)]
    assert orders == ["first", "second"]


def test_roles_share_programs_but_not_groups() -> None:
    study = states.study()
    params = complete("maml", {"meta_batch": 4})
    search, verdict = (group_of(study, role, "maml", params, 0) for role in ("search", "verdict"))
    assert search != verdict and search.signature == verdict.signature


def test_branches_of_one_algorithm_share_no_group_and_a_program_where_they_train_the_same() -> None:
    study = states.study(**NAMED)
    params = complete("maml", {"meta_batch": 4, "order": "first"})
    first, second, wide = (group_of(study, "search", name, params, 0) for name in study.branches)
    assert first != second and first.signature == second.signature
    assert study.signatures[wide.signature].model["widths"] == [24]
    assert study.signatures[first.signature].model["widths"] == [16, 16]
