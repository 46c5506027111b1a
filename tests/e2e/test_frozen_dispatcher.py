"""A real dispatcher that stops somewhere: the one that stands by finishes its study."""

import os
import random
import signal
import threading
import time

import pytest
from sqlalchemy import Engine

from service.db.dispatcher import look
from service.db.engine import reading
from tests.e2e.conftest import Start
from tests.e2e.test_kills import assert_nothing_lost_or_doubled, kinds, status
from tests.fakes.processes import DispatcherProcess, runs
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

SOON = 30.0  # half of it where nothing else runs
SMALL = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never"}

pytestmark = pytest.mark.slow


def epoch(engine: Engine) -> int:
    with reading(engine) as session:
        seen = look(session)
    return seen.epoch if seen else 0


def stood_by(dispatcher: DispatcherProcess) -> int:
    """Return how often one has stood by, of all that log there."""
    return dispatcher.log().count("dispatcher_standing_by")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_frozen_dispatcher_is_replaced_and_changes_nothing_once_it_wakes(
    engine: Engine, start: Start
) -> None:
    freeze_again_and_again(engine, start, 1)


@pytest.mark.night
def test_dispatchers_frozen_at_any_moment_are_replaced(engine: Engine, start: Start) -> None:
    freeze_again_and_again(engine, start, 12)


def freeze_again_and_again(engine: Engine, start: Start, freezes: int) -> None:
    moment = random.Random(30)
    study_id = submit(engine, small_spec())
    live = start(**SMALL)
    wait_until(lambda: len(kinds(engine, study_id)) > 2, 60, what="a study that runs")
    for _ in range(freezes):
        before, so_far = epoch(engine), stood_by(live)
        stands_by = start(**SMALL)
        wait_until(lambda p=live, n=so_far: stood_by(p) > n, 60, what="one that stands by")
        threading.Event().wait(moment.random())  # wherever it is then, inside a transaction or not
        os.kill(live.pid, signal.SIGSTOP)
        frozen_at = time.monotonic()
        wait_until(lambda e=before: epoch(engine) > e, SOON, what="a takeover")
        assert time.monotonic() - frozen_at < SOON
        so_far = stood_by(live)
        if runs(live.pid):
            os.kill(live.pid, signal.SIGCONT)
        wait_until(
            lambda p=live, n=so_far: not runs(p.pid) or stood_by(p) > n, 20, what="its step down"
        )
        live.kill()
        live = stands_by
    wait_until(lambda: status(engine, study_id) == "completed", 120, what="the study")
    assert_nothing_lost_or_doubled(engine, study_id)
