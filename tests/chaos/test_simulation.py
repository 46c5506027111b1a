"""Simulated dispatchers: whatever goes wrong, nothing is lost, doubled or stuck; seeds repeat."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from service.db.dispatcher import StepDone, fence
from service.dispatcher import retries, slots
from service.dispatcher.retries import RetryDecision, decide_retry
from service.dispatcher.store import ledger, steps
from tests.chaos.simulation.run import Simulator
from tests.chaos.simulation.seeds import simulator as simulators

SEEDS = 500
PARTS = 4  # side by side
MUTANT_SEEDS = 60  # at most: the first few already find it out


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with simulators() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_seed_loses_doubles_or_leaves_anything(simulator: Simulator, part: int) -> None:
    red = {}
    for seed in range(part, SEEDS, PARTS):
        outcome = simulator.run(seed)
        if outcome.violations:
            red[seed] = outcome.violations
    assert red == {}


def test_a_seed_gives_the_same_run_again(simulator: Simulator) -> None:
    first = [simulator.run(seed) for seed in range(4)]
    assert [simulator.run(seed) for seed in reversed(range(4))] == first[::-1]
    assert len({tuple(outcome.told) for outcome in first}) == 4


def test_a_dispatcher_whose_writes_are_not_fenced_is_found_out(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "fence", lambda session, epoch, step: None)
    assert any(simulator.run(seed).violations for seed in range(MUTANT_SEEDS))


def test_a_dispatcher_that_tells_samplers_nothing_is_found_out(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_told", lambda study, tells: [])
    assert any(simulator.run(seed).violations for seed in range(MUTANT_SEEDS))


def test_a_step_that_is_done_again_after_its_commit_is_found_out(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fence_alone(session: Session, epoch: int, step: int) -> None:
        with suppress(StepDone):
            fence(session, epoch, step)

    monkeypatch.setattr(steps, "fence", fence_alone)
    assert any(simulator.run(seed).violations for seed in range(MUTANT_SEEDS))


def test_a_dispatcher_that_charges_nobody_for_losses_is_found_out(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncharged(*given: Any, **more: Any) -> RetryDecision:
        return replace(decide_retry(*given, **more), attempts=0)

    monkeypatch.setattr(retries, "MOST_ATTEMPTS", 10**6)
    monkeypatch.setattr(slots, "decide_retry", uncharged)
    assert any(simulator.run(seed).violations for seed in range(MUTANT_SEEDS))
