"""Simulated dispatchers: whatever goes wrong, nothing is lost, doubled or stuck; seeds repeat."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.simulation import run
from tests.chaos.simulation.run import Simulator

SEEDS = 500
PARTS = 4  # side by side
RED = ()
"""Seeds that once were red, whatever mended them."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="metaopt-", dir=memory if memory.is_dir() else None))
    simulator = Simulator(folder)
    yield simulator
    simulator.close()
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_seed_loses_doubles_or_leaves_anything(simulator: Simulator, part: int) -> None:
    red = {}
    for seed in [*range(part, SEEDS, PARTS), *RED[part::PARTS]]:
        outcome = simulator.run(seed)
        if outcome.violations:
            red[seed] = outcome.violations
    assert red == {}


def test_a_seed_gives_the_same_run_again(simulator: Simulator) -> None:
    seeds = range(12)
    first = [simulator.run(seed) for seed in seeds]
    assert [simulator.run(seed) for seed in reversed(seeds)] == first[::-1]
    assert len({tuple(outcome.told) for outcome in first}) > 8
    assert sum(outcome.lives for outcome in first) > len(seeds)


def test_a_dispatcher_that_forgets_to_write_is_found_out(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulation can fail: without the fence, one who was replaced writes on."""
    from service.dispatcher.leadership import takeover
    from service.dispatcher.store import ledger

    monkeypatch.setattr(ledger, "fence", lambda session, epoch: None)
    monkeypatch.setattr(takeover, "fence", lambda session, epoch: None)
    found = [one for seed in range(40) for one in simulator.run(seed).violations]
    assert found
    assert run.MOST_LIVES > 10
