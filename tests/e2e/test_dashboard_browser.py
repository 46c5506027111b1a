"""Our page and Optuna Dashboard in a real browser, on studies that a real dispatcher runs."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Route
from sqlalchemy import URL

from service.database_url import sqlite_url
from tests.fakes.specs import NAMED, WATCHED
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

SERVE = """
import sys, uvicorn
from service.app import create_app
from service.settings import Settings
uvicorn.run(create_app(Settings()), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""
FIGURED = {**WATCHED["verdict"], "compare": "paper:maml-sinusoid"}
ENDLESS = {"budget": {"trials": 4, "meta_iterations": 10_000_000}, "name": "endless sinusoid"}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, make_tables: Callable[[URL], None]
) -> Iterator[httpx2.Client]:
    """Return a client of a server with a dispatcher, each in a process of its own."""
    data = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "METAOPT_DATA_DIRECTORY": str(data),
        "METAOPT_SLOTS": "2",  # one for each branch: an endless trial gives up no slot
        "METAOPT_SEGMENT_SECONDS": "0.5",
        "METAOPT_COMPILE": "never",  # an endless study is worth it, and nobody looks
        "CUDA_VISIBLE_DEVICES": "99",  # which is nowhere: the page says so
    }
    make_tables(sqlite_url(data / "metaopt.db"))
    commands = ["-c", SERVE, str(port)], ["-m", "service.daemon"]
    environment = {**os.environ, **settings}
    with open(data / "log", "wb") as log:
        processes = [
            subprocess.Popen([sys.executable, *command], env=environment, stderr=log)
            for command in commands
        ]
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until(lambda: is_up(client), 90, what=f"the server; its log is {data / 'log'}")
            yield client
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def is_up(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def page(chromium: Any, server: httpx2.Client, tmp_path: Path) -> Iterator[Any]:
    """Return a page on which nothing may fail; what it showed last is kept as a picture."""
    page = chromium.new_page(
        base_url=str(server.base_url), viewport={"width": 1280, "height": 1600}
    )
    page.set_default_timeout(120_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("console", lambda said: complain(complaints, said))
    page.on("requestfailed", lambda request: complain_of_request(complaints, request))
    page.on("response", lambda answer: complain_of_answer(complaints, answer))
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    page.close()
    assert complaints == []


def complain(complaints: list[str], said: Any) -> None:
    if said.type in ("error", "warning"):
        complaints.append(f"console: {said.text}")


def complain_of_request(complaints: list[str], request: Any) -> None:
    left_early = request.failure == "net::ERR_ABORTED"  # a page that was left, a closed stream
    if not left_early:
        complaints.append(f"{request.method} {request.url}: {request.failure}")


def complain_of_answer(complaints: list[str], answer: Any) -> None:
    if answer.status >= 400:
        complaints.append(f"{answer.status} {answer.url}")


def submit(server: httpx2.Client, **changes: Any) -> str:
    answer = server.post("/api/v1/studies", json={**WATCHED, **changes})
    assert answer.status_code == 202, answer.text
    study_id: str = answer.json()["study_id"]
    return study_id


@pytest.fixture
def endless(server: httpx2.Client) -> Iterator[str]:
    """Return a study that runs until it is cancelled, with scores of every trial."""
    study_id = submit(server, **ENDLESS)
    trials = f"/api/v1/studies/{study_id}/trials"
    wait_until(
        lambda: (
            [t["meta_iteration"] >= 60 for t in server.get(trials).json()["items"]] == [True] * 4
        ),
        timeout=300,
        what="four trials past their second rung",
    )
    yield study_id
    server.post(f"/api/v1/studies/{study_id}:cancel")


def test_optuna_dashboard_shows_a_running_study_its_trials_and_their_curves(endless, page, server):
    def mirrored() -> bool:
        # The first request loads the dashboard, which takes seconds beside other work.
        studies = server.get("/api/studies", timeout=60).json()["study_summaries"]
        return any(endless[:8] in study["study_name"] for study in studies)

    wait_until(mirrored, what="the mirror")
    page.goto("/dashboard")
    page.get_by_text(f"endless sinusoid · maml · {endless[:8]}").first.click()
    curve = page.locator("#graph-intermediate-values .scatterlayer .trace")
    curve.nth(1).wait_for(state="attached")
    assert curve.count() == 2
    page.goto(f"{page.url}/trials")
    page.get_by_text("2 Trials").wait_for()
    assert page.get_by_text("Running").count() >= 2
    page.get_by_text("Intermediate Values").first.wait_for()


def test_our_page_says_which_slots_train_and_what_does_not_work(page, server):
    checks = server.get("/readyz").json()
    assert "device 99 does not work" in checks["devices"]
    page.goto("/")
    told = page.locator("#readiness")
    told.get_by_text(checks["slots"]).wait_for()
    told.get_by_text(checks["devices"]).wait_for()


def test_our_page_finds_a_running_study_and_pauses_resumes_and_cancels_it(endless, page):
    page.goto("/")
    card = page.locator("a.study", has_text="endless sinusoid").first
    assert "running" in card.inner_text()
    card.click()
    curves = page.locator("#learning_curves")
    curves.locator(".point").nth(7).wait_for(state="attached")  # four trials, two rungs
    assert curves.locator(".fills path").count() == 2  # one for the best of each branch
    adaptation = page.locator("#adaptation .scatterlayer .js-line")
    adaptation.nth(1).wait_for(state="attached")
    assert adaptation.count() == 2
    assert page.locator("#trials tbody tr").count() == 4
    assert page.locator("#live").inner_text() == "live"
    plot = curves.locator(".js-plotly-plot").element_handle()
    page.locator("#trials tbody tr .range").first.wait_for()

    status = page.locator(".head .pill")
    for button, wanted in [("Pause", "paused"), ("Resume", "running"), ("Cancel", "cancelled")]:
        page.get_by_role("button", name=button).click()
        status.filter(has_text=wanted).wait_for()
    assert plot.evaluate("plot => plot.isConnected")  # refreshes draw in it, and do not replace it
    assert page.get_by_role("button", name="Pause").count() == 0


def test_figures_that_could_not_be_loaded_are_drawn_at_a_later_refresh(endless, chromium, server):
    page = chromium.new_page(base_url=str(server.base_url))
    requests: list[str] = []
    failures: list[Any] = []
    page.on("pageerror", lambda error: failures.append(error))
    page.on("request", lambda request: requests.append(request.url))
    page.route("**/ui/plotly.js", lambda route: route.abort(), times=1)
    page.goto(f"/#/studies/{endless}")
    page.get_by_text("The figures could not be loaded.").wait_for()
    page.emulate_media(color_scheme="dark")  # nothing is drawn that it could change
    page.get_by_role("img", name="Learning curves").locator(".point").first.wait_for()
    page.emulate_media(color_scheme="light")
    assert sum(url.endswith("/ui/plotly.js") for url in requests) == 2
    assert failures == []
    page.close()


def test_our_page_runs_a_schedule_by_hand_and_draws_its_chart(page, server):
    whole = {"name": "by-hand", "cron": "30 2 1 1 *", "time_zone": "Europe/Berlin"}
    new = {**whole, "spec": {**WATCHED, "name": "scheduled"}}
    assert server.post("/api/v1/schedules", json=new).status_code == 201
    page.goto("/")
    page.get_by_role("link", name="Schedules").click()
    card = page.locator("a.study", has_text="by-hand")
    assert "has not run yet" in card.inner_text()
    assert "-01-01 02:30 Europe/Berlin" in card.inner_text()
    assert card.locator("time").get_attribute("title").endswith("-01-01 01:30 UTC")
    card.click()
    page.get_by_text("No study of this schedule is completed yet.").wait_for()
    for button, other in [("Pause", "Resume"), ("Resume", "Pause")]:
        page.get_by_role("button", name=button).click()
        page.get_by_role("button", name=other).wait_for()
    page.get_by_role("button", name="Run now").click()
    run = page.locator("#runs tbody tr").filter(has_text="hand")
    assert run.locator("time").inner_text().endswith(" Europe/Berlin")
    point = page.locator("#control .point")
    point.wait_for(timeout=240_000)  # the dispatcher has submitted and run it
    assert point.count() == 1
    page.locator("#runs a").click()
    page.get_by_role("heading", name="scheduled 20").wait_for()


def test_our_page_follows_a_study_to_its_verdict(page, server):
    study_id = submit(server)
    page.goto(f"/#/studies/{study_id}")
    page.get_by_role("heading", name="sinusoid in a browser").wait_for()
    verdict = page.locator("#verdict")
    verdict.wait_for(timeout=240_000)  # nobody reloads: it comes by itself
    assert "judged on 40 sealed tasks" in verdict.inner_text()
    assert verdict.locator("tbody tr").count() == 2
    verdict.locator(".point").nth(3).wait_for(state="attached")  # of each its search's and sealed
    assert verdict.locator(".point").count() == 4
    assert verdict.locator('.point[style*="fill: none"]').count() == 2  # the search's are hollow
    assert page.locator(".head .pill").inner_text() == "completed"
    result = server.get(f"/api/v1/studies/{study_id}/result").json()
    best = result["finalists"][0]
    assert (
        f"{best['trial_number']} · {best['branch']}" in verdict.locator(".big").first.inner_text()
    )
    assert f"{best['sealed']['score']:.4g}" in verdict.locator(".big").nth(1).inner_text()
    said = {"better": "better", "open": "not shown", "useless": "useless"}[
        result["trivial"]["answer"]
    ]
    assert verdict.locator("#beside-trivial").inner_text() == said
    assert "the mean of the support set: sealed" in verdict.inner_text()

    page.get_by_role("link", name="Report").click()
    page.locator("body[data-drawn]").wait_for()  # under its policy, too
    assert "The best configuration is trial" in page.locator("#answer").inner_text()
    page.go_back()

    page.get_by_role("link", name="Optuna: maml").click()
    page.get_by_text(f"sinusoid in a browser · maml · {study_id[:8]}").first.wait_for()


def test_optuna_dashboard_shows_the_figures_and_the_note_of_an_ended_study(page, server, tmp_path):
    study_id = submit(server, name="figures in a browser", verdict=FIGURED)

    def mirrored() -> bool:
        studies = server.get("/api/studies").json()["study_summaries"]
        own = [one for one in studies if study_id[:8] in one["study_name"]]
        return len(own) == 2 and all(
            any(attribute["key"] == "mirrored" for attribute in one["user_attrs"]) for one in own
        )

    wait_until(mirrored, timeout=90, what="the verdict in the mirror")
    page.goto("/dashboard")
    page.get_by_text(f"figures in a browser · maml · {study_id[:8]}").first.click()
    for name in ("learning-curves", "verdict", "slices", "adaptation", "stability", "cost"):
        figure = page.locator(f'[id="user-defined-plot:metaopt-{name}"]')
        figure.locator(".main-svg").first.wait_for()
        assert figure.locator(".scatterlayer .trace, .barlayer .trace").count() >= 1
    curves = page.locator('[id="user-defined-plot:metaopt-learning-curves"]')
    assert curves.locator(".gtitle").text_content() == "Learning curves"
    assert curves.locator(".shapelayer path").count() == 3  # the rungs
    names = curves.locator(".legendtext").all_text_contents()
    assert names and all(name.startswith("maml") for name in names)
    page.screenshot(path=tmp_path / "figures.png", full_page=True)
    page.goto(f"{page.url}/note")
    page.get_by_text("The best configuration is trial").first.wait_for()
    page.get_by_text("Compared with paper:maml-sinusoid (maml)").first.wait_for()
    assert page.get_by_role("columnheader", name="steps at test").count() == 1


def test_a_study_that_does_not_exist_is_said_to_be_missing(chromium, server):
    page = chromium.new_page(base_url=str(server.base_url))
    page.goto(f"/#/studies/{'0' * 32}")
    heading = page.get_by_role("heading", name="No such study")
    heading.wait_for()
    assert heading.count() == 1
    page.close()


def test_branches_of_one_algorithm_go_by_name(page, server):
    short = {"budget": {"trials": 3, "meta_iterations": 60}, "pruning": {"kind": "none"}}
    answer = server.post("/api/v1/studies", json={**NAMED, **short, "verdict": {"finalists": 1}})
    assert answer.status_code == 202, answer.text
    late = ["wide", "second"]

    def show_one_more(route: Route) -> None:
        """The mirror makes one branch after the other, and each look finds one more of them."""
        found = route.fetch().json()
        shown = [
            one
            for one in found["study_summaries"]
            if not any(
                attribute["key"] == "branch" and attribute["value"].strip('"') in late
                for attribute in one["user_attrs"]
            )
        ]
        if len(shown) < len(found["study_summaries"]):
            late.pop()
        route.fulfill(json={**found, "study_summaries": shown})

    page.route("**/api/studies", show_one_more)
    page.goto(f"/#/studies/{answer.json()['study_id']}")
    page.locator(".facts").get_by_text("second: maml", exact=True).wait_for()
    page.locator(".facts").get_by_text("wide: maml, mlp widths=[24]").wait_for()
    assert page.locator(".bests .key").all_inner_texts() == ["first", "second", "wide"]
    page.locator("tr.trial").nth(2).wait_for()
    for number, name in enumerate(["first", "second", "wide"]):
        row = page.locator(f'tr.trial[data-trial="{number}"]')
        assert row.locator(f".key.branch-{number}").inner_text() == name
    for name in ("first", "second", "wide"):
        page.get_by_role("link", name=f"Optuna: {name}").wait_for()
    assert not late
