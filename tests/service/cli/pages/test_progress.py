"""The live panel: what it says at each stage of a study."""

import io

import pytest
from rich.console import Console
from rich.live import Live
from sqlalchemy import Engine

from service.cli.connection import connect
from service.cli.pages.progress import LiveTeller, panel, telling
from service.cli.pages.standing import finished_trials, verdict_line
from service.db.dispatcher import acquire
from service.db.engine import transaction
from service.wire.views.studies import EventView, StudyView, WaitView
from tests.fakes.rows import add_report, add_study, add_trial, end_trial

STUDY = "a" * 32


@pytest.fixture
def study(api: Engine) -> StudyView:
    with transaction(api) as session:
        acquire(session, "test", lambda _: True)
        add_study(session)
        best = add_trial(session, 0)
        add_report(session, best, 30, 0.5)
        end_trial(session, best, "pruned")
        add_trial(session, 1, branch="reptile")
        add_trial(session, 8, role="verdict", source_trial_number=0)
    with connect() as client:
        return client.study(STUDY)


def drawn(study: StudyView, events: list[str]) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(panel(study, events))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_panel_shows_progress_the_best_and_the_last_events(study: StudyView) -> None:
    text = drawn(study, ["reptile trial 1 diverged"])
    assert "sinusoid" in text and "1/8 trials" in text
    assert "best 0.5 (trial 0 at rung 30)" in text and "inner_lr=0.01" in text
    assert "no score yet" in text
    assert "reptile trial 1 diverged" in text
    assert "verdict: 0/1 fresh trainings of the finalists" in text


def test_trials_of_the_verdict_are_counted_apart(study: StudyView) -> None:
    assert finished_trials(study) == (1, 8)
    assert verdict_line(study) == "verdict: 0/1 fresh trainings of the finalists"


def test_trainings_for_the_gates_are_counted_after_the_verdict_s(study: StudyView) -> None:
    gated = {**study.gate_trials, "completed": 2, "queued": 1}
    line = verdict_line(study.model_copy(update={"gate_trials": gated}))
    assert line == "gates: 2/3 trainings judged"


def test_replicas_count_as_trials_of_the_search(study: StudyView) -> None:
    again = {**study.replica_trials, "completed": 2, "running": 1}
    assert finished_trials(study.model_copy(update={"replica_trials": again})) == (3, 8)


def test_the_live_panel_keeps_the_last_events(study: StudyView) -> None:
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    with Live(console=console, auto_refresh=False) as live:
        teller = LiveTeller(live, study.metric)
        for number in range(20):
            teller.event(_reported(study, number))
        teller.state(study)
        live.refresh()
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "trial 19" in text and "trial 14:" in text and "trial 13:" not in text


def test_elsewhere_than_on_a_terminal_each_event_is_a_plain_line(
    study: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    with telling(study.metric, study.created_at) as teller:
        for number in range(3):
            teller.event(_reported(study, number))
        teller.state(study)
    assert said.getvalue().splitlines() == [
        f"    0.0 s  maml trial {number}: 0.5 after 10 meta-iterations" for number in range(3)
    ]


def test_a_plain_log_says_how_it_stands_once_a_minute(
    study: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, now = io.StringIO(), [1000.0]
    monkeypatch.setattr("sys.stderr", said)
    with telling(study.metric, study.created_at, lambda: now[0]) as teller:
        teller.event(_reported(study, 1))
        for _ in range(125):
            now[0] += 1.0
            teller.state(study.model_copy(update={"seconds_left": 200.0}))
    lines = said.getvalue().splitlines()
    assert [line.split(" s ")[0].strip() for line in lines] == ["0.0", "60.0", "120.0"]
    assert lines[1].endswith(
        "study running: 1/8 trials ended, 2 in training; best of maml 0.5 (trial 0); "
        "verdict: 0/1 fresh trainings of the finalists; about 3 min 20 s left"
    )


def test_a_plain_log_says_why_a_study_waits_when_that_changes(
    study: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)

    def queued(before: int) -> StudyView:
        wait = WaitView(
            reason="studies", before=before, behind=[], seconds=9.0, sentence=f"is {before} behind"
        )
        return study.model_copy(update={"waits": wait, "status": "queued"})

    with telling(study.metric, study.created_at, lambda: 0.0) as teller:
        for before in (2, 2, 1, 1):
            teller.state(queued(before))
        teller.state(study)
        teller.state(queued(1).model_copy(update={"status": "running"}))  # it stands still
    assert [line.split(" s  ")[1] for line in said.getvalue().splitlines()] == [
        "study is 2 behind",
        "study is 1 behind",
        "study is 1 behind",
    ]
    assert "it is 2 behind" in drawn(queued(2), [])


def test_names_of_others_are_shown_as_they_may_be(
    study: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    behind = "waits behind 1 study, \u202ea\x1b[2Jb (running): how long is not known yet"
    wait = WaitView(reason="studies", before=1, behind=[], seconds=None, sentence=behind)
    queued = study.model_copy(update={"waits": wait, "status": "queued"})
    with telling(study.metric, study.created_at, lambda: 0.0) as teller:
        teller.state(queued)
    for text in (said.getvalue(), drawn(queued, ["\u2066x"])):
        assert r"\u202ea\u001b[2Jb" in text
        assert not set("\u202e\x1b\u2066") & set(text)


def _reported(study: StudyView, number: int) -> EventView:
    return EventView(
        event_id=number,
        study_id=study.study_id,
        kind="trial_reported",
        data={"branch": "maml", "trial_number": number, "score": 0.5, "meta_iteration": 10},
        created_at=study.created_at,
    )
