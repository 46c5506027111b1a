"""What a branch trains is said where its name does not say it."""

from service.wire.words.branches import beyond_name, trained_by, with_trained
from tests.fakes.specs import NAMED, SMALL, small_spec


def test_a_name_that_says_all_is_left_alone() -> None:
    spec = small_spec()
    assert [trained_by(spec, branch["algorithm"]) for branch in SMALL["branches"]] == ["", ""]
    assert with_trained("maml", "") == "maml"


def test_another_name_is_said_with_its_algorithm_and_a_model_of_its_own() -> None:
    spec = small_spec(**NAMED)
    assert trained_by(spec, "second") == "maml"
    assert trained_by(spec, "wide") == "maml, mlp widths=[24]"
    assert with_trained("second", trained_by(spec, "second")) == "second (maml)"
    assert beyond_name("maml", "maml", {"kind": "linear"}) == "linear"
