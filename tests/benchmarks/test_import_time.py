"""What commands load, counted."""

import os

from benchmarks import import_time
from benchmarks.import_time import ROOT, Cost


def test_help_and_what_asks_a_server_load_a_part_of_what_a_server_does() -> None:
    commands = [("--help",), ("studies", "--help"), ("serve", "--help")]
    costs = import_time.measured([ROOT], commands, os.environ, 1)
    (help_,), (asking,), (serving,) = (costs[command] for command in commands)
    assert 3 * help_.modules < serving.modules
    assert 3 * asking.modules < 2 * serving.modules
    assert min(cost.seconds for cost in (help_, asking, serving)) > 0


def test_the_page_sets_another_checkout_beside_ours() -> None:
    page = import_time.text({("studies",): [Cost(0.5, 400), Cost(1.5, 1200)]}, 0.25)
    assert page.splitlines()[2].split() == ["studies", "0.50", "400", "1.50", "1200", "3.0"]
    assert "other processes used 25% of the cores" in page
