import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metaopt.tasks.dataset.scaling import chunks, scaling_of

OFFSETS = (0, 3, 3, 7, 12)

FLOATS = arrays.arrays(
    np.float32,
    (12, 2),
    elements=st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False),
)


@given(FLOATS)
def test_moments_are_those_of_the_chosen_groups_in_float64(x: np.ndarray) -> None:
    scaling = scaling_of(x, OFFSETS, (0, 1, 3))
    chosen = [*range(3), *range(7, 12)]
    for column in range(2):
        values = [float(x[i, column]) for i in chosen]
        mean = statistics.fmean(values)
        deviation = statistics.pstdev(values)
        assert math.isclose(
            scaling.mean[column], mean, rel_tol=1e-12, abs_tol=1e-12 * max(map(abs, values))
        )
        if min(values) == max(values):
            assert scaling.mean[column] == values[0] and scaling.deviation[column] == 1.0
        else:
            assert math.isclose(scaling.deviation[column], deviation, rel_tol=1e-6)


def test_a_small_spread_far_from_zero_is_not_lost() -> None:
    x = np.array([[16_777_215.0], [16_777_214.0]] * 1000, dtype=np.float32)
    scaling = scaling_of(x, (0, 2000), (0,))
    assert (scaling.mean[0], scaling.deviation[0]) == (16_777_214.5, 0.5)
    assert np.array_equal(np.unique(scaling.apply(x)), [-1.0, 1.0])


def test_images_have_moments_by_channel_over_all_pixels() -> None:
    x = np.random.default_rng(1).integers(0, 256, (12, 3, 5, 4), dtype=np.uint8)
    scaling = scaling_of(x, OFFSETS, (2,))
    part = x[3:7].astype(np.float64)
    assert scaling.mean == pytest.approx(part.mean((0, 2, 3)), rel=1e-14)
    assert scaling.deviation == pytest.approx(part.std((0, 2, 3)), rel=1e-14)
    scaled = scaling.apply(part)
    assert np.allclose(scaled.mean((0, 2, 3)), 0) and np.allclose(scaled.std((0, 2, 3)), 1)


def test_what_is_constant_in_meta_training_stays_finite_elsewhere() -> None:
    x = np.array([[0.1], [0.1], [0.1], [7.1]], dtype=np.float32)
    scaling = scaling_of(x, (0, 3, 4), (0,))
    assert scaling.apply(x)[:, 0] == pytest.approx([0, 0, 0, 7.0])


def test_a_group_larger_than_is_widened_at_once_has_the_same_moments() -> None:
    x = np.random.default_rng(1).integers(0, 256, (700, 2, 70, 60), dtype=np.uint8)
    scaling = scaling_of(x, (0, 100, 700), (1,))
    assert sum(part.stop - part.start for part in chunks(x, 100, 700)) == 600
    assert len(list(chunks(x, 100, 700))) == 2
    assert scaling.mean == pytest.approx(x[100:].mean((0, 2, 3)), rel=1e-12)
    assert scaling.deviation == pytest.approx(x[100:].std((0, 2, 3)), rel=1e-12)
