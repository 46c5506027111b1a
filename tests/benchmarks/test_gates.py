"""The simulation of gates: its answers have the truth that it was given."""

import pytest

from benchmarks import gates
from benchmarks.verdict_world import read_table


@pytest.mark.parametrize("name", gates.TABLES)
def test_gates_find_what_is_there(name: str) -> None:
    table = read_table(name)
    unit = gates.standard_error(table)
    far = gates.simulate(table, 12 * unit, 20, tasks=400, most_tasks=800)
    assert far["equal: no-worse pass"] == 1.0
    assert far["worse by DELTA: better fail"] == 1.0
    assert far["worse by DELTA: no-worse undecided"] > 0.5  # it is at the threshold itself


def test_the_page_has_a_row_for_each_answer() -> None:
    table = read_table("sinusoid")
    one = gates.simulate(table, 0.2, 3, tasks=20, most_tasks=20)
    page = gates.text({f"{name}, default": one for name in gates.TABLES}, 3)
    assert "equal: no-worse passes" in page and "omniglot, DELTA 0.2000" in page
