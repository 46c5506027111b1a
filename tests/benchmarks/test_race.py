"""The simulation of races: it knows who is truly best, and what the rule is for."""

import numpy as np
import pytest

from benchmarks import race
from metaopt.search.pruning.rule import stop_if


def test_the_rule_withstands_what_the_plain_test_does_not() -> None:
    found = race.simulate("LN(.1) v 2 % × 30", "main", 40)
    assert found["equal: race wrong"] <= 0.05
    assert found["equal: t wrong"] > 0.5


@pytest.mark.parametrize("name", race.TRAININGS)
def test_on_real_scores_the_best_goes_on_and_others_do_not(name: str) -> None:
    found = race.simulate(name, "main", 8)
    assert found["spread: race wrong"] <= 0.125
    assert found["spread: race stopped"] > 0.05


def test_what_is_stopped_saves_what_is_left_of_its_budget() -> None:
    losses = np.array([[[1.0, 1.0], [3.0, 3.0], [2.0, 2.0]]] * 2)
    drawn = race.Race(losses, losses.mean(-1), [0.25, 0.5])
    others = race.run(drawn, lambda _, number: stop_if(number > 0), "mean")
    assert others == (0.0, 1.0, pytest.approx(0.5))
    assert race.run(drawn, lambda _, number: stop_if(number == 0), "mean").wrong == 1.0


def test_the_page_has_a_row_for_each_family() -> None:
    found = race.simulate("normal", "main", 4)
    page = race.text({"normal": {"main": found}}, 4)
    assert "24 trials, 2 rungs, 100 tasks" in page and "\nnormal " in page
