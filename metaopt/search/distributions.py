"""Distributions: a space's dimensions as Optuna knows them."""

import logging

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from metaopt.search.space import Choice, Dimension, Float, Int

# Optuna announces every study on stderr otherwise; its warnings still pass.  Whoever makes a study
# needs distributions, so that this is said once.
logging.getLogger("optuna").setLevel(logging.WARNING)


def distribution(dimension: Dimension) -> BaseDistribution:
    """`dimension` in Optuna's words."""
    match dimension:
        case Float(low, high, log):
            return FloatDistribution(float(low), float(high), log=log)
        case Int(low, high, log):
            return IntDistribution(int(low), int(high), log=log)
        case Choice(choices):
            return CategoricalDistribution(tuple(choices))
