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
    jumps = [9, 0, 1, 5, 6, 6, 3, 40, 0]
    assert [tuple(sequence.suggest(n).values()) for n in jumps] == [points(3, 41)[n] for n in jumps]


def test_choices_take_turns():
    sequence = Qmc({"order": Choice(("first", "second"))}, 1)
    drawn = [sequence.suggest(index)["order"] for index in range(16)]
    assert drawn.count("first") == 8


def test_points_far_out_cost_a_step_each():
    sequence, passed = Qmc(SPACE, 1), 0
    engine = sequence._engine
    skip = engine.fast_forward

    def counted(n):
        nonlocal passed
        passed += n
        return skip(n)

    engine.fast_forward = counted
    assert len({tuple(sequence.suggest(n).values()) for n in range(10_000, 10_050)}) == 50
    assert passed == 10_000
