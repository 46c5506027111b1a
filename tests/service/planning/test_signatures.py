import pytest

from service.planning.signatures import searches_structure, step_caps, task_bank, trial_signature
from service.wire.spec.space import Branch
from tests.fakes.specs import small_spec


@pytest.mark.parametrize(
    ("space", "caps"),
    [
        ({}, (1, 2)),  # curve_steps is 2
        ({"inner_steps": {"low": 1, "high": 5}}, (5, 5)),
        ({"inner_steps": 3, "test_steps": {"low": 1, "high": 10}}, (3, 10)),
        ({"inner_steps": {"choices": [1, 4]}, "test_steps": {"choices": [0, 3]}}, (4, 4)),
        ({"inner_steps": 4, "test_steps": 1}, (4, 2)),
    ],
)
def test_caps_hold_every_trial_of_the_space(
    space: dict[str, object], caps: tuple[int, int]
) -> None:
    branch = Branch.model_validate({"algorithm": "maml", "space": space})
    assert step_caps(small_spec(), branch) == caps


def test_trials_that_differ_in_rates_share_a_signature_and_others_do_not() -> None:
    spec = small_spec()
    branch = spec.branches[0]
    one = trial_signature(spec, branch, {**branch.fixed(), "inner_lr": 0.1})
    two = trial_signature(spec, branch, {**branch.fixed(), "inner_lr": 0.2})
    other = trial_signature(spec, branch, {**branch.fixed(), "order": "first"})
    assert one == two != other


@pytest.mark.parametrize(
    ("params", "cap"),
    [
        ({"inner_steps": 1}, 1),
        ({"inner_steps": 4}, 5),
        ({"inner_steps": 6}, 7),
        ({"inner_steps": 1, "order": "first"}, 7),
    ],
    ids=["its own", "the next bucket", "never above the space", "loops end with their lanes"],
)
def test_a_second_order_trial_pays_for_its_bucket_of_steps_only(params, cap) -> None:
    branch = Branch.model_validate(
        {"algorithm": "maml", "space": {"inner_steps": {"low": 1, "high": 7}}}
    )
    chosen = {**branch.fixed(), "inner_lr": 0.1, "inner_steps": 1, **params}
    assert trial_signature(small_spec(), branch, chosen).step_cap == cap
    assert searches_structure(branch)


def test_structure_is_searched_where_a_structural_parameter_is() -> None:
    branch = Branch.model_validate({"algorithm": "maml", "space": {"meta_batch": "default"}})
    assert searches_structure(branch)
    assert not searches_structure(small_spec().branches[0])


def test_the_sealed_bank_shares_nothing_with_the_search() -> None:
    spec = small_spec()
    search, sealed = task_bank(spec, "validation", 2), task_bank(spec, "sealed", 2)
    assert (search.split, sealed.split) == ("validation", "test")
    assert search.seed != sealed.seed
    assert (search.k_shot, search.tasks, sealed.tasks) == (5, 20, 20)
