"""The asker."""

import threading

from service.dispatcher.search.background import Asker
from service.dispatcher.state import StudyState
from tests.fakes.specs import SMALL
from tests.fakes.states import study


def slow_study() -> StudyState:
    """Return a study whose next asks need a Gaussian process."""
    of = study(branches=SMALL["branches"][:1], search={"sampler": "gp", "startup_trials": 2})
    search = of.branches["maml"].search
    for number in range(2):
        search.ask(number)
        search.tell(number, "completed", 1.0 + number, 180)
    of.branches["maml"].sequence = 4
    return of


def test_a_quick_sampler_answers_at_once() -> None:
    of = study()
    asker = Asker(wake=lambda: None)
    new = asker.ask(of, of.branches["maml"], 3)
    assert [(one.ask_index, one.sequence) for one in new] == [(0, 0), (1, 1), (2, 2)]
    asker.close()


def test_a_slow_one_answers_once_it_has_found_points_at_places_taken_before() -> None:
    of, woken = slow_study(), threading.Event()
    branch = of.branches["maml"]
    asker = Asker(wake=woken.set)
    assert asker.ask(of, branch, 2) == []
    assert branch.next_sequence() == 6  # a tell meanwhile
    assert woken.wait(60)
    new = asker.ask(of, branch, 1)
    assert [(one.ask_index, one.sequence) for one in new] == [(2, 4), (3, 5)]
    assert branch.search.asks == 4 and branch.looking is None
    asker.close()


def test_closing_ends_the_looking() -> None:
    of = slow_study()
    branch = of.branches["maml"]
    asker = Asker(wake=lambda: None)
    asker.ask(of, branch, 50)
    asker.close()
    assert branch.looking is not None and branch.looking.future.done()
