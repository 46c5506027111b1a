"""The search of a branch, as its log left it."""

import pytest

from metaopt.errors import InvalidSearch
from metaopt.search.branches import LogEntry
from service.planning.branch_search import branch_search
from tests.fakes.specs import small_spec


def test_a_search_goes_on_where_its_log_ends() -> None:
    spec = small_spec()
    whole = branch_search(spec, spec.branches[0], [])
    first, second = whole.ask(0), whole.ask(2)
    log = [LogEntry(kind="ask", trial_number=0, params=first)]
    again = branch_search(spec, spec.branches[0], log)
    assert again.asks == 1 and again.ask(2) == second


def test_branches_of_one_study_and_studies_of_other_seeds_have_other_points() -> None:
    spec, other = small_spec(), small_spec(seed=4)
    first = branch_search(spec, spec.branches[0], []).ask(0)
    assert first != branch_search(other, other.branches[0], []).ask(0)
    assert set(first) != set(branch_search(spec, spec.branches[1], []).ask(0))


def test_a_log_of_another_space_is_refused() -> None:
    spec = small_spec()
    log = [LogEntry(kind="ask", trial_number=0, params={"epsilon": 0.1})]
    with pytest.raises(InvalidSearch):
        branch_search(spec, spec.branches[0], log)
