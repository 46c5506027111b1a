"""The benchmark of initial weights: every seed at every point, and the best of them."""

from dataclasses import replace

from benchmarks.initialization import EXPERIMENTS, best, mean, scores


def test_every_seed_is_scored_at_every_point() -> None:
    whole = EXPERIMENTS["sinusoid"]
    small = whole._replace(
        meta_iterations=2, inner=(0.01,), outer=(1e-3, 3e-3), bank=replace(whole.bank, tasks=3)
    )
    found = scores(small, "torch", 2, compiled=False)
    assert list(found) == [(0.01, 1e-3), (0.01, 3e-3)]
    assert all(len(values) == 2 and values[0] != values[1] for values in found.values())


def test_the_best_point_follows_the_direction() -> None:
    by_point = {(0.1, 1.0): [1.0, 3.0], (0.2, 1.0): [1.0, 2.0]}
    assert best(by_point, "lower") == (0.2, 1.0) and best(by_point, "higher") == (0.1, 1.0)
    assert mean([1.0, 3.0]) == "2.000 ± 1.000"
