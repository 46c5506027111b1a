"""Lines to PostgreSQL that are cut, stall, or are half-open, again and again."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from service.db.engine import open_engine
from tests.chaos.outages.outages import PATIENCE, Fault, Outages, Promise
from tests.chaos.storm.storm import spec_of
from tests.fakes.clusters import Cluster
from tests.fakes.proxy import Proxy, Way

TRIALS = 10
STALL_SECONDS, HALF_OPEN_SECONDS = 5.0, 3.0
WAYS: tuple[Way, ...] = ("up", "down", "both")


@contextmanager
def outages_of_lines(
    cluster: Cluster, directory: Path, kinds: list[str], *, patience: float = PATIENCE,
    seed: int = 0,
) -> Iterator[Outages]:  # fmt: skip
    """Yield a run whose line to the database fails in turn.

    Args:
        kinds: Names of `faults`.
    """
    proxy = Proxy(cluster.url)
    with ExitStack() as stack:
        stack.callback(proxy.close)
        engine = open_engine(cluster.url)
        stack.callback(engine.dispose)

        def spec(number: int) -> dict[str, Any]:
            return spec_of(number, TRIALS, seed)

        known = faults(proxy, seed)
        run = Outages(
            engine, proxy.url, directory, spec, [known[kind] for kind in kinds],
            Promise(), patience=patience, seed=seed,
        )  # fmt: skip
        run.counted = lambda: {"cuts": proxy.cuts}
        yield run


def faults(proxy: Proxy, seed: int) -> dict[str, Fault]:
    """Everything that can befall a line, by its name.

    Args:
        seed: Of when it is cut.
    """
    half_open = {
        f"half-open {way}": Fault(
            f"half-open {way}", partial(proxy.swallow, way), proxy.mend, HALF_OPEN_SECONDS
        )
        for way in WAYS
    }
    return {
        "cut": Fault("cut", proxy.cut),
        "cut at random": Fault("cut at random", keep=_at_random(proxy, seed), seconds=5.0),
        "refused": Fault("refused", proxy.refuse, proxy.mend, HALF_OPEN_SECONDS),
        "stalled": Fault("stalled", proxy.stall, proxy.mend, STALL_SECONDS),
        **half_open,
    }


def _at_random(proxy: Proxy, seed: int, *, each_step: float = 0.3) -> Callable[[], object]:
    chance = random.Random(seed)
    return lambda: chance.random() < each_step and proxy.cut()


def in_turn(count: int, seed: int) -> list[str]:
    """So many faults, of which most are many cuts, and some each other kind."""
    chance = random.Random(seed)
    others = ["cut", "stalled", "refused", *(f"half-open {way}" for way in WAYS)]
    return [
        chance.choice(others) if number % 4 == 3 else "cut at random" for number in range(count)
    ]
