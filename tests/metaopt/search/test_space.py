"""Search spaces."""

import math

import pytest

from metaopt.errors import InvalidSearch
from metaopt.search.space import Choice, Float, Int, size


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(1.0, 1.0), "low must be below high, got 1.0 and 1.0"),
        (lambda: Float(0.0, math.inf), "bounds must be finite, got 0.0 and inf"),
        (lambda: Float(0.0, 1.0, log=True), "low must be > 0 where log is true, got 0.0"),
        (lambda: Int(0, 3, log=True), "low must be > 0 where log is true, got 0"),
        (lambda: Int(1, 2.5), "bounds of whole numbers must be whole, got 2.5"),
        (lambda: Choice(()), "choices must list at least one value"),
        (lambda: Choice(("a", "a")), "choices must differ"),
        (lambda: Choice((1.0, math.nan)), "choices must be finite, got nan"),
    ],
)
def test_an_impossible_dimension_is_refused_with_the_rule_it_broke(make, message):
    with pytest.raises(InvalidSearch, match=message.replace("(", r"\(")):
        make()


def test_a_space_has_as_many_points_as_its_dimensions_multiply_to():
    few = {"steps": Int(1, 5), "order": Choice(("first", "second"))}
    assert size({}) == 1
    assert size(few) == 10
    assert size({**few, "rate": Float(0.1, 1.0)}) == math.inf
