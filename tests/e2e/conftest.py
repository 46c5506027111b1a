"""Dispatchers and a browser for tests from end to end."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.invariants.check import Seen, check
from service.invariants.violation import Violation
from tests.fakes.processes import DispatcherProcess, runs
from tests.waiting import wait_until

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Start = Callable[..., DispatcherProcess]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Yield a headless Chromium of this machine."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser on this machine: looked for {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def start(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Yield what starts a dispatcher on the test's database, with settings by name.

    What they leave in the tables and on the disk has to keep every invariant.
    """
    started: list[DispatcherProcess] = []
    data = tmp_path / "data"

    def begin(**settings: str) -> DispatcherProcess:
        started.append(DispatcherProcess(database_url, data, **settings))
        return started[-1]

    def violated() -> list[Violation]:
        # Where the test has killed the last one, what ran waits for the next.
        lives = any(runs(process.pid) for process in started)
        found = check(engine, Seen(data)).violations
        return [one for one in found if lives or one.rule != "stray"]

    yield begin
    try:
        wait_until(lambda: not violated(), 20, what=f"what keeps the invariants: {violated()}")
    finally:
        for process in started:
            process.close()
