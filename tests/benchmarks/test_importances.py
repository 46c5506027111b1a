"""The simulation of importances: it counts what is named in studies whose truth is known."""

from benchmarks import importances


def test_an_effect_is_counted_where_it_is_and_an_idle_parameter_where_it_is_not() -> None:
    strong = importances.simulate(importances.Study("random", "one", 60, 6), 6)
    assert (strong.studies, strong.alone, strong.pair) == (6, 6, 0)
    pair = importances.simulate(importances.Study("random", "valley", 60, 4, pruned=True), 4)
    assert pair.pair == pair.alone == 4
    noise = importances.simulate(importances.Study("random", "noise", 20, 8), 8)
    assert noise.idle <= 2


def test_a_search_that_learns_is_counted_without_its_order_too() -> None:
    kind = importances.Study("tpe", "one", 24, 2)
    counts = importances.simulate(kind, 2)
    assert counts.unordered <= 2
    assert importances.line(kind, counts).startswith("tpe                 one            24")
