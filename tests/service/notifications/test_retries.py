"""Retries: which answers end a delivery, and how long the pauses are."""

from datetime import timedelta

import pytest

from service.notifications.retries import (
    MOST_ATTEMPTS,
    PAUSES_SECONDS,
    Outcome,
    pause_seconds,
    step_after,
)
from tests.fakes.rows import NOON

ID = "d" * 32


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_two_hundreds_are_delivered(code: int) -> None:
    assert step_after(Outcome(code), ID, 8, NOON) == ("delivered", None, None)


@pytest.mark.parametrize("code", [300, 301, 302, 303, 304, 307, 308, 410])
def test_redirects_and_gone_fail_at_once(code: int) -> None:
    step = step_after(Outcome(code), ID, 1, NOON)
    assert (step.status, step.next_attempt_at) == ("failed", None)
    assert str(code) in (step.error or "")


@pytest.mark.parametrize("code", [400, 401, 404, 408, 429, 500, 502, 503, None])
def test_anything_else_is_tried_again_until_the_last_attempt(code: int | None) -> None:
    outcome = Outcome(code, None if code else "no connection: Connection refused")
    for attempts in range(1, MOST_ATTEMPTS):
        step = step_after(outcome, ID, attempts, NOON)
        assert step.status == "pending"
        assert step.next_attempt_at == NOON + timedelta(seconds=pause_seconds(ID, attempts))
    last = step_after(outcome, ID, MOST_ATTEMPTS, NOON)
    assert (last.status, last.next_attempt_at) == ("failed", None)
    assert "given up after 8 attempts" in (last.error or "")


def test_a_refused_address_fails_at_once() -> None:
    step = step_after(Outcome(None, "refused: a rule", is_final=True), ID, 1, NOON)
    assert step == ("failed", None, "refused: a rule")


def test_pauses_grow_and_differ_between_deliveries_but_not_between_calls() -> None:
    for attempts, pause in enumerate(PAUSES_SECONDS, start=1):
        found = {pause_seconds(f"{n:032x}", attempts) for n in range(200)}
        assert len(found) == 200
        assert pause <= min(found) < 1.02 * pause < 1.18 * pause < max(found) <= 1.2 * pause
    assert pause_seconds(ID, 3) == pause_seconds(ID, 3)
    assert list(PAUSES_SECONDS) == sorted(PAUSES_SECONDS)
