"""Pace: how long segments of a group took lately, and so how long a worker may be silent.  Pure.

    10 × expected seconds + floor, and what its worker says of what nobody has timed yet

A worker gives signs of progress about once a second, but nothing can be heard of it while one
operation runs, in which somebody's code may hold the interpreter for minutes.  So the patience
follows from what whole segments took: busy is not dead.  Of a first segment its worker says stage
by stage how long it may be silent (`service.executors.progress`).
"""

from typing import NamedTuple

from service.executors.base import SegmentOrder, SegmentReport

HANG_SECONDS = 60.0
"""The floor, where no setting says another."""

TIMES = 10.0
KEPT = 5  # segments


class Pace(NamedTuple):
    """Seconds of the latest segments.

    Args:
        iterations: Of a meta-iteration of all lanes.
        evaluations: Of evaluations, in segments that had one.
        others: Of all else: admissions, programs, checkpoints.
    """

    iterations: tuple[float, ...] = ()
    evaluations: tuple[float, ...] = ()
    others: tuple[float, ...] = ()

    def after(self, report: SegmentReport, iterations: int, *, evaluated: bool) -> "Pace":
        """The pace once a segment is reported that was carried out to its end."""
        other = max(0.0, report.seconds - report.train_seconds - report.evaluate_seconds)
        found = self._replace(others=_latest(self.others, other))
        if iterations:
            seconds = report.train_seconds / iterations
            found = found._replace(iterations=_latest(self.iterations, seconds))
        if evaluated:
            found = found._replace(evaluations=_latest(self.evaluations, report.evaluate_seconds))
        return found

    def patience(self, order: SegmentOrder, floor: float) -> float:
        """For how many seconds the worker that carries out `order` may be silent.

        Args:
            order: What it is told to do.
            floor: Least seconds.
        """
        expected = order.iterations * max(self.iterations, default=0.0)
        expected += max(self.others, default=0.0)
        if order.evaluates:
            expected += max(self.evaluations, default=0.0)
        return floor + TIMES * expected

    def knows(self, order: SegmentOrder) -> bool:
        """Whether all that is ordered has been timed before."""
        trained = self.iterations or not order.iterations
        return bool(trained and (self.evaluations or not order.evaluates))


def _latest(seconds: tuple[float, ...], one: float) -> tuple[float, ...]:
    return (*seconds, one)[-KEPT:]
