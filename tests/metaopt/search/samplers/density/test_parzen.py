"""Parzen estimators: the density, held to Optuna's in float64, and samples of it."""

import numpy as np
import pytest
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

from metaopt.search.distributions import distribution
from metaopt.search.samplers.density.parzen import Coordinates, Parzen
from metaopt.search.samplers.unit import uniform
from metaopt.search.space import Choice, Float, Int

SPACE = {
    "inner_lr": Float(1e-4, 1.0, log=True),
    "shift": Float(-3.0, 7.0),
    "steps": Int(1, 10_000),
    "width": Int(1, 100_000, log=True),
    "order": Choice(("first", "second", "mixed")),
}
OURS = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)


def coordinates(space, points):
    own = Coordinates(space)
    return np.array([own.of(point) for point in points]).reshape(len(points), len(space))


def optunas(space, points, at):
    """Optuna's log density at points, in the space's own units."""
    known = {name: distribution(dimension) for name, dimension in space.items()}

    def internal(some):
        columns = {n: [d.to_internal_repr(p[n]) for p in some] for n, d in known.items()}
        return {name: np.array(column, dtype=float) for name, column in columns.items()}

    return _ParzenEstimator(internal(points), known, OURS).log_pdf(internal(at))


def units(space):
    """The logarithm of how much longer ranges of real numbers are than [0, 1]."""
    real = [d for d in space.values() if isinstance(d, Float)]
    return sum(np.log(np.log(d.high / d.low) if d.log else d.high - d.low) for d in real)


@pytest.mark.parametrize("trials", [0, 1, 2, 5, 24, 25, 26, 80, 400])
def test_the_density_is_that_of_optuna(trials):
    drawn = [uniform(SPACE, seed) for seed in range(trials)]
    # Equal whole numbers have no order in Optuna, and so no certain widths: one of them is kept.
    by_steps = {point["steps"]: point for point in drawn}.values()
    points = list({point["width"]: point for point in by_steps}.values())
    assert len(points) >= 0.6 * trials
    at = [uniform(SPACE, seed) for seed in range(10_000, 10_024)]
    ours = Parzen(Coordinates(SPACE), coordinates(SPACE, points)).log_density(
        coordinates(SPACE, at)
    )
    expected = optunas(SPACE, points, at) + units(SPACE)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8)


def test_a_density_has_a_mass_of_one():
    space = {"steps": Int(1, 12), "order": Choice(("first", "second"))}
    points = [uniform(space, seed) for seed in range(30)]
    every = [{"steps": s, "order": o} for s in range(1, 13) for o in ("first", "second")]
    density = Parzen(Coordinates(space), coordinates(space, points))
    assert np.exp(density.log_density(coordinates(space, every))).sum() == pytest.approx(1, 1e-12)


def test_samples_lie_where_the_density_does():
    space = {"inner_lr": Float(1e-4, 1.0, log=True), "order": Choice(("first", "second"))}
    points = [{"inner_lr": 0.01, "order": "second"}] * 40
    own = Coordinates(space)
    density = Parzen(own, coordinates(space, points))
    drawn = [own.point(row) for row in density.sample(500, np.random.default_rng(1))]
    near = [p for p in drawn if 0.005 < p["inner_lr"] < 0.02 and p["order"] == "second"]
    assert len(near) > 400
    assert all(1e-4 <= p["inner_lr"] <= 1.0 for p in drawn)


def test_points_keep_their_values_and_types():
    own = Coordinates(SPACE)
    for seed in range(50):
        point = uniform(SPACE, seed)
        again = own.point(own.of(point))
        assert {name: type(value) for name, value in again.items()} == {
            name: type(value) for name, value in point.items()
        }
        for name, value in point.items():
            assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)
