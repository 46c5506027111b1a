"""Quasi-random points."""

from metaopt.search.samplers.qmc import Qmc
from metaopt.search.space import Choice, Float

SPACE = {"x": Float(0, 1), "y": Float(0, 1)}


def points(seed, count):
    sequence = Qmc(SPACE, seed)
    return [tuple(sequence.suggest(index).values()) for index in range(count)]


def test_the_first_points_fill_every_box_of_a_net():
    # 16 points of a Sobol sequence: one in each box of 1/4 x 1/4, also after scrambling.
    for seed in range(5):
        boxes = {(int(4 * x), int(4 * y)) for x, y in points(seed, 16)}
        assert len(boxes) == 16


def test_a_point_depends_on_seed_and_index_alone():
    sequence = Qmc(SPACE, 3)
    assert tuple(sequence.suggest(9).values()) == points(3, 10)[9]
    assert sequence.suggest(2) == sequence.suggest(2) != Qmc(SPACE, 4).suggest(2)


def test_choices_take_turns():
    sequence = Qmc({"order": Choice(("first", "second"))}, 1)
    drawn = [sequence.suggest(index)["order"] for index in range(16)]
    assert drawn.count("first") == 8


def test_the_ten_thousandth_point_is_not_dear():
    sequence = Qmc(SPACE, 1)
    assert len({tuple(sequence.suggest(n).values()) for n in range(10_000, 10_050)}) == 50
