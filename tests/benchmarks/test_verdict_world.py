"""Tables of real scores: what simulations draw from."""

import numpy as np

from benchmarks.verdict_world import read_edge_table


def test_the_edge_table_has_reptile_explode_on_about_one_task_of_a_thousand_and_maml_never() -> (
    None
):
    table = read_edge_table()
    configurations, _, rungs, tasks = table.scores.shape
    assert (configurations, rungs, tasks) == (len(table.algorithm), len(table.rungs), 1000)
    assert np.isfinite(table.scores).all() and table.scores.max() <= 1e6
    exploded = (table.scores > 1e5).mean((1, 2, 3))
    assert (exploded[table.algorithm == "maml"] == 0).all()
    assert (exploded[table.algorithm == "reptile"] < 0.003).all()
    assert exploded[table.algorithm == "reptile"].mean() > 5e-4
