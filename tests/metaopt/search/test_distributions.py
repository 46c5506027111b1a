"""Dimensions in Optuna's words."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from metaopt.search.distributions import distribution
from metaopt.search.space import Choice, Float, Int


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        (Float(0.0, 1.0), FloatDistribution(0.0, 1.0)),
        (Float(1e-3, 1, log=True), FloatDistribution(1e-3, 1.0, log=True)),
        (Int(1, 5), IntDistribution(1, 5)),
        (Int(4, 32, log=True), IntDistribution(4, 32, log=True)),
        (Choice(("sgd", "adam")), CategoricalDistribution(("sgd", "adam"))),
        (Choice((1, 2.5)), CategoricalDistribution((1, 2.5))),
    ],
)
def test_a_dimension_becomes_the_distribution_that_says_the_same(dimension, expected):
    assert distribution(dimension) == expected
