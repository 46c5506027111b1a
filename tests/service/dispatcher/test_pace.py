"""How long a worker may be silent: ten times what is expected, and a floor."""

from dataclasses import replace

from service.dispatcher.pace import KEPT, Pace
from service.executors.base import SegmentOrder, SegmentReport

ORDER = SegmentOrder({}, "s", [], [], 10, [], {}, None)
EVALUATING = replace(ORDER, evaluate=["a"])
FLOOR = 60.0


def report(train: float, evaluate: float = 0.0, other: float = 0.0) -> SegmentReport:
    return SegmentReport([], train + evaluate + other, train, evaluate, 1, "CPU")


def test_what_nobody_has_timed_is_for_the_worker_to_say() -> None:
    assert not Pace().knows(ORDER)
    assert Pace().patience(ORDER, FLOOR) == 60
    trained = Pace().after(report(5.0), 10, evaluated=False)
    assert trained.knows(ORDER) and trained.patience(ORDER, FLOOR) == 60 + 10 * 5
    assert not trained.knows(EVALUATING)  # how long that takes is not known
    judged = trained.after(report(5.0, evaluate=1.0), 10, evaluated=True)
    assert judged.knows(EVALUATING) and judged.knows(replace(EVALUATING, iterations=0))


def test_a_slow_group_has_its_time_also_while_its_first_evaluation_is_not_known() -> None:
    slow = Pace().after(report(1000.0), 10, evaluated=False)
    assert slow.patience(EVALUATING, FLOOR) == slow.patience(ORDER, FLOOR) == 60 + 10 * 1000


def test_a_step_that_takes_two_minutes_is_waited_for_as_soon_as_it_is_known() -> None:
    pace = Pace().after(report(120.0), 1, evaluated=False)
    assert pace.patience(replace(ORDER, iterations=1), FLOOR) > 1200


def test_the_slowest_of_the_latest_segments_counts_with_all_its_parts() -> None:
    pace = Pace()
    for train in (100.0, 1.0, 3.0, 2.0, 1.0, 1.0):
        pace = pace.after(report(train, evaluate=4.0, other=2.0), 10, evaluated=True)
    assert len(pace.iterations) == KEPT
    assert round(pace.patience(EVALUATING, FLOOR)) == 60 + 10 * (3 + 4 + 2)
    assert round(pace.patience(replace(EVALUATING, iterations=0), FLOOR)) == 60 + 10 * (4 + 2)


def test_a_segment_that_waited_for_its_program_says_nothing_of_training() -> None:
    assert not Pace().after(report(0.0, other=5.0), 0, evaluated=False).knows(ORDER)
