"""Asking in the background: samplers are asked, and slow ones look for points off the loop.

    ask ──▶ new trials                          the sampler answers at once
     └────▶ nothing yet ──found──▶ new trials   it looks for them in a thread

A Gaussian process takes up to a second for a point.  Meanwhile the loop goes on with every other
slot and study, and takes the points at its next turn.  What they depend on is fixed when the
search for them begins, and so are their places in the log: before the tells that came since.  So
the log alone gives the same points again; if the dispatcher dies meanwhile, its successor asks for
them anew, knowing those tells.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

from service.dispatcher.search.ask import ask, new_trial, warm_points_left
from service.dispatcher.state import BranchState, Looking, NewTrial, StudyState

THREADS = 2  # one slow sampler must not keep another waiting for its whole batch


class Asker:
    """Asks samplers for trials; belongs to one dispatcher's loop.

    Args:
        wake: Called, from another thread, whenever points have been found.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """Prepare the threads; none runs before a slow sampler is asked."""
        self._wake = wake
        self._closed = Flag()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="asker")

    def ask(self, study: StudyState, branch: BranchState, count: int) -> list[NewTrial]:
        """New trials, about `count`; none while their points are being looked for.

        Raises:
            ValueError: a grid is at its end.
        """
        if branch.looking is not None:
            return self._found(study, branch, branch.looking)
        warm = warm_points_left(study, branch)
        if warm:  # nothing to look for
            return ask(study, branch, min(count, len(warm)))
        slow = branch.search.slow_asks(count)
        if not slow:
            return ask(study, branch, count)
        future = self._threads.submit(branch.search.later(slow), self._closed.is_set)
        branch.looking = Looking(future, [branch.next_sequence() for _ in range(slow)])
        future.add_done_callback(lambda _: self._wake())
        return []

    def close(self) -> None:
        """Stop looking; what has been found is forgotten."""
        self._closed.set()
        self._threads.shutdown(cancel_futures=True)

    def _found(self, study: StudyState, branch: BranchState, looking: Looking) -> list[NewTrial]:
        if not looking.future.done():
            return []
        branch.looking = None
        points = zip(looking.future.result(), looking.sequences, strict=True)
        return [new_trial(study, branch, point, sequence) for point, sequence in points]
