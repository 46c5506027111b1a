"""What those of MAML's relatives that move a part of a model, or an input, have in common."""

import pytest

from tests.metaopt.algorithms import inner_loops

MOVING_A_PART = pytest.mark.parametrize("algorithm", ["boil", "cavia"])
IMAGES = {"tasks": inner_loops.OMNIGLOT, "model": inner_loops.CONV4}


@pytest.mark.parametrize(
    ("algorithm", "inner_lr", "steps"),
    [("anil", 0.1, 3), ("boil", 0.05, 3), ("cavia", 1.0, 1), ("maml_plus_plus", 0.05, 2)],
)
def test_a_short_training_halves_the_error_after_inner_steps(algorithm, inner_lr, steps):
    before, after = inner_loops.curves_before_and_after(
        algorithm, inner_lr=inner_lr, inner_steps=steps
    )
    assert after[steps] < 0.5 * before[steps]
    assert after[steps] < 0.7 * after[0]


@MOVING_A_PART
def test_lanes_are_trials_alone(algorithm):
    inner_loops.assert_lanes_are_trials_alone(algorithm, meta_batch=3)


@MOVING_A_PART
def test_the_file_answers_like_the_study(algorithm, tmp_path):
    path = tmp_path / "w.safetensors"
    inner_loops.assert_the_file_answers_like_the_study(algorithm, path, meta_batch=2)
    inner_loops.assert_the_file_answers_like_the_study(
        algorithm, path, transductive=False, meta_batch=2, **IMAGES
    )


@pytest.mark.slow
@pytest.mark.night
@MOVING_A_PART
def test_a_compiled_program_trains_like_the_plain_one(algorithm, programs):
    inner_loops.assert_compiled_is_plain(algorithm, programs, meta_batch=2)


@pytest.mark.slow
@pytest.mark.night
@MOVING_A_PART
def test_a_compiled_program_of_convolutions_trains_like_the_plain_one(algorithm, programs):
    inner_loops.assert_compiled_is_plain(algorithm, programs, steps=(1, 2), meta_batch=1, **IMAGES)
