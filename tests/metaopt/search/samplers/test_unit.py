"""The unit interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.search.samplers.unit import from_unit, to_unit
from metaopt.search.space import Choice, Float, Int, contains

DIMENSIONS = [
    Float(-1.0, 3.0),
    Float(1e-5, 1.0, log=True),
    Int(1, 5),
    Int(4, 32, log=True),
    Choice(("sgd", "adam", 3)),
]


@pytest.mark.parametrize("dimension", DIMENSIONS)
@given(u=st.floats(0, 1))
def test_every_value_lies_in_its_dimension(dimension, u):
    assert contains(dimension, from_unit(dimension, u))


@pytest.mark.parametrize("dimension", DIMENSIONS[:4])
@given(u=st.floats(0, 1))
def test_a_value_comes_back_from_its_place(dimension, u):
    value = from_unit(dimension, u)
    assert from_unit(dimension, to_unit(dimension, value)) == pytest.approx(value, rel=1e-12)
    assert 0 <= to_unit(dimension, value) <= 1 or isinstance(dimension, Float)


def test_equal_lengths_are_equally_likely():
    places = [(k + 0.5) / 300 for k in range(300)]
    for dimension in (Int(1, 3), Choice((1, 2, 3))):
        drawn = [from_unit(dimension, u) for u in places]
        assert [drawn.count(n) for n in (1, 2, 3)] == [100, 100, 100]
    assert from_unit(Float(1e-4, 1.0, log=True), 0.5) == pytest.approx(1e-2)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        (Float(0, 1), 1.5),
        (Float(0, 1), "0.5"),
        (Float(0, 1), True),
        (Float(0, 1), None),
        (Int(1, 5), 2.5),
        (Int(1, 5), 6),
        (Choice(("a", "b")), "c"),
    ],
)
def test_what_is_outside_is_not_contained(dimension, value):
    assert not contains(dimension, value)
