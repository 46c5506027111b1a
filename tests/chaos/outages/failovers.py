"""Failovers: the primary is killed with its host, and its synchronous standby takes its place."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from service.db.engine import open_engine
from tests.chaos.outages.outages import PATIENCE, Fault, Outages, Promise
from tests.chaos.storm.storm import spec_of
from tests.fakes.pairs import Pair, pair

TRIALS = 10


@contextmanager
def failovers(
    directory: Path, count: int, *, patience: float = PATIENCE, seed: int = 0
) -> Iterator[Outages]:
    """Yield a run through so many failovers; there is a new standby before each.

    Args:
        directory: Empty.
    """
    with ExitStack() as stack:
        two = stack.enter_context(pair())
        engine = open_engine(two.url)
        stack.callback(engine.dispose)
        faults = [_failover(two, is_first=number == 0) for number in range(count)]

        def spec(number: int) -> dict[str, Any]:
            return spec_of(number, TRIALS, seed)

        yield Outages(
            engine, two.url, directory, spec, faults, Promise(), patience=patience, seed=seed
        )


def _failover(two: Pair, *, is_first: bool) -> Fault:
    if is_first:
        return Fault("failover", two.fail_over)
    return Fault("failover", two.fail_over, before=two.follow)
