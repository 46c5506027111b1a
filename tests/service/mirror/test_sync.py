"""The mirror, on SQLite and on Postgres."""

import gc
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from optuna_dashboard import get_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from sqlalchemy import Engine, event, select, text

from service.db.dispatcher import EpochLost, acquire
from service.db.engine import open_engine, reading, transaction
from service.db.events import append_event
from service.db.optuna import mirrored as queries
from service.db.optuna.storage import open_storage
from service.db.reports import find_importances
from service.db.schema import migrate
from service.db.tables import Study, Trial
from service.mirror import figures, sync
from service.mirror.sync import MOST_TOGETHER, Mirror, run_mirror
from service.operations.report import read_rows
from service.report import data
from service.report.data import study_report
from service.wire.views.result import ConfigurationCost
from tests.fakes.rows import NOON, add_report, add_study, add_trial, end_trial, finish_study, result
from tests.fakes.specs import PARAMS, SPEC
from tests.waiting import wait_until

MAML = "sinusoid · maml · aaaaaaaa"
REPTILE = "sinusoid · reptile · aaaaaaaa"
FAR_TABLES = (
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trials",
    "study_user_attributes",
    "study_system_attributes",
    "study_directions",
    "studies",
)


@pytest.fixture
def mirror(engine: Engine, database_url: str) -> Iterator[Mirror]:
    mirror = Mirror(database_url)
    yield mirror
    mirror.close()


@pytest.fixture
def far(engine: Engine, database_url: str):
    """Return a function that loads a mirrored branch as any user of Optuna would."""
    storage = open_storage(database_url)
    yield lambda name: optuna.load_study(study_name=name, storage=storage)
    storage.remove_session()
    storage.engine.dispose()


def whole_study(engine: Engine) -> None:
    """Write a study that has ended, with every kind of trial."""
    with transaction(engine) as session:
        study = add_study(session)
        for number, (branch, scores, status, changes) in enumerate(
            [
                ("maml", {10: 3.0, 30: 2.0, 90: 1.0}, "completed", {"device_seconds": 4.25}),
                ("reptile", {10: 9.0}, "pruned", {}),
                ("maml", {10: 5.0}, "diverged", {"cause": "loss is NaN", "diverged_at": 17}),
                ("reptile", {}, "failed", {"cause": "worker lost 3 times"}),
                ("maml", {}, "cancelled", {"started_at": None}),
            ]
        ):
            trial = add_trial(session, number, branch=branch)
            for meta_iteration, score in scores.items():
                add_report(session, trial, meta_iteration, score)
            end_trial(session, trial, status, **changes)
        add_trial(session, 5, "completed", role="verdict", score=1.2, source_trial_number=0)
        finish_study(session, study, 0)


def content(storage_study: optuna.Study) -> list[tuple]:
    return [
        (t.number, t.state, t.values, t.params, t.intermediate_values, t.user_attrs)
        for t in storage_study.trials
    ]


def test_a_running_trial_shows_its_scores_as_they_arrive_and_then_its_end(engine, mirror, far):
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0).trial_id
        add_trial(session, 1, "queued")
    mirror.sync()
    (trial,) = far(MAML).trials
    assert (trial.state, trial.intermediate_values) == (TrialState.RUNNING, {})
    assert trial.params == {"inner_lr": 0.01, "inner_steps": 2, "order": "second"}
    assert trial.user_attrs["trial_number"] == 0

    for meta_iteration, score in [(10, 4.0), (30, 2.5)]:
        with transaction(engine) as session:
            add_report(session, session.get(Trial, trial_id), meta_iteration, score)
        mirror.sync()
    (trial,) = far(MAML).trials
    assert (trial.state, trial.intermediate_values) == (TrialState.RUNNING, {10: 4.0, 30: 2.5})

    with transaction(engine) as session:
        add_report(session, session.get(Trial, trial_id), 90, 1.5)
        end_trial(session, session.get(Trial, trial_id), "completed", device_seconds=3.0)
    mirror.sync()
    (trial,) = far(MAML).trials
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 1.5)
    assert trial.intermediate_values == {10: 4.0, 30: 2.5, 90: 1.5}
    assert trial.user_attrs["status"] == "completed"
    assert trial.user_attrs["device_seconds"] == 3.0
    assert far(REPTILE).trials == []


def test_every_end_of_a_trial_is_told_in_optunas_words(engine, mirror, far):
    whole_study(engine)
    mirror.sync()
    maml, reptile = far(MAML), far(REPTILE)
    assert maml.metric_names == ["mse"] and maml.direction.name == "MINIMIZE"
    assert [t.state.name for t in maml.trials] == ["COMPLETE", "FAIL", "FAIL"]
    assert [t.user_attrs["status"] for t in maml.trials] == ["completed", "diverged", "cancelled"]
    assert [t.user_attrs["trial_number"] for t in maml.trials] == [0, 2, 4]
    assert maml.trials[1].user_attrs["cause"] == "loss is NaN"
    assert maml.trials[1].user_attrs["diverged_at"] == 17
    assert (maml.best_value, maml.best_trial.number) == (1.0, 0)
    assert [t.state.name for t in reptile.trials] == ["PRUNED", "FAIL"]
    assert reptile.trials[0].value == 9.0
    assert (maml.trials[0].datetime_complete - maml.trials[0].datetime_start).seconds == 3600


def goals_study(engine: Engine, **goals: Any) -> None:
    """Write a study with goals: a cheap trial, a dear one, one pruned, one diverged."""
    with transaction(engine) as session:
        add_study(session, spec={**SPEC, **goals})
        running = add_trial(session, 0)
        add_report(session, running, 10, 4.0)
        for number, (score, cost, status) in enumerate(
            [(2.0, 5.0, "completed"), (1.0, 50.0, "completed"), (3.0, 50.0, "pruned")], start=1
        ):
            trial = add_trial(session, number)
            add_report(session, trial, 10, score)
            end_trial(session, trial, status, metrics={"adaptation_examples": cost})
        end_trial(session, add_trial(session, 4), "diverged", cause="loss is NaN")


def test_several_objectives_have_names_directions_and_values(engine, mirror, far):
    goals_study(engine, objectives=["score", "adaptation_examples"])
    mirror.sync()
    study = far(MAML)
    assert study.metric_names == ["mse", "adaptation_examples"]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert [t.state.name for t in study.trials] == "RUNNING COMPLETE COMPLETE PRUNED FAIL".split()
    assert [t.values for t in study.trials] == [None, [2.0, 5.0], [1.0, 50.0], None, None]
    assert study.trials[3].intermediate_values == {10: 3.0}
    assert sorted(t.number for t in study.best_trials) == [1, 2]
    with transaction(engine) as session:
        running = session.scalars(select(Trial).where(Trial.trial_number == 0)).one()
        end_trial(session, running, "completed", metrics={"adaptation_examples": 1.0})
    mirror.sync()
    assert far(MAML).trials[0].values == [4.0, 1.0]
    assert far(MAML).trials[0].user_attrs["adaptation_examples"] == 1.0


def test_constraints_are_told_as_what_exceeds_their_bounds(engine, mirror, far):
    goals_study(engine, constraints={"adaptation_examples": 10, "diverged_share": 0.5})
    mirror.sync()
    study = far(MAML)
    found = [list(trial.constraints.values()) for trial in study.trials]
    assert found == [[], [-5.0, 0.0], [40.0, 0.0], [40.0, 0.0], []]
    assert [trial.value for trial in study.trials[1:4]] == [2.0, 1.0, 3.0]
    assert study.best_trial.number == 1  # the best score breaks a bound
    with transaction(engine) as session:
        running = session.scalars(select(Trial).where(Trial.trial_number == 0)).one()
        end_trial(session, running, "completed", metrics={"adaptation_examples": 11.0})
    mirror.sync()
    assert list(far(MAML).trials[0].constraints.values()) == [1.0, 0.0]


def test_a_study_carries_its_origin_its_fixed_values_and_its_verdict(engine, mirror, far):
    whole_study(engine)
    mirror.sync()
    study = far(MAML)
    assert study.user_attrs["study_id"] == "a" * 32
    assert study.user_attrs["status"] == "completed"
    assert study.user_attrs["fixed: meta_batch"] == 25
    assert study.user_attrs["link"] == f"/#/studies/{'a' * 32}"
    note = get_note(study)
    assert "`0123456789ab…`" in note
    assert f"[report](/api/v1/studies/{'a' * 32}/report.html)" in note
    assert "The best configuration is trial 0 (maml)" in note
    assert "optimistic by 0.15" in note
    row = "| 1 | 0 | maml | 0.5 [0.4, 0.6] | 0.65 [0.5, 0.9] | +0.15 | – | – | 12.0 | best |"
    assert row in note
    attributes = study.trials[0].user_attrs
    assert (attributes["sealed_score"], attributes["sealed_low"]) == (0.65, 0.5)
    assert "sealed_score" not in study.trials[1].user_attrs


def test_a_finalist_that_never_trained_again_has_no_sealed_score(engine, mirror, far):
    with transaction(engine) as session:
        study = add_study(session)
        add_trial(session, 0, "completed", score=1.0)
        verdict = result(0)
        verdict["finalists"][0] |= {"sealed": None, "optimism": None}
        finish_study(session, study)
        study.result = verdict
    mirror.sync()
    (trial,) = far(MAML).trials
    assert trial.user_attrs["rank"] == 1 and "sealed_score" not in trial.user_attrs
    row = "| 1 | 0 | maml | 0.5 [0.4, 0.6] | – | – | – | – | 12.0 | best |"
    assert row in get_note(far(MAML))


def test_the_note_tells_all_that_the_verdict_found_out(engine, mirror, far):
    def estimate(value: float, low: float, high: float) -> dict[str, float]:
        return {"value": value, "stderr": 0.05, "low": low, "high": high}

    with transaction(engine) as session:
        study = add_study(session, sealed_looks=6)
        add_trial(session, 0, "completed", score=1.0)
        finish_study(session, study, 0, 1)
        best, second = study.result["finalists"]
        best |= {"optimism_interval": estimate(0.15, 0.05, 0.25)}
        curve = {"search_curve": [3.0, 0.6, 0.4], "own": 1, "chosen": 2}
        best["steps"] = {**curve, "sealed_at_own": 0.65, "sealed_at_chosen": 0.45}
        second |= {"to_best": estimate(0.1, -0.05, 0.25)}
        comparison = {
            "compared_with": "paper:maml-sinusoid",
            "branch": "maml",
            "params": best["params"],
            "sealed": best["sealed"],
            "difference": estimate(-0.25, -0.4, -0.1),
            "cost": dict.fromkeys(ConfigurationCost.model_fields, 0),
            "runs": [],
        }
        study.result = {**study.result, "comparison": comparison}
    mirror.sync()
    note = get_note(far(MAML))
    assert "| +0.15 [0.05, 0.25] | – | 2 (own 1) | 12.0 | best |" in note
    assert "| +0.1 [-0.05, 0.25] | – | 12.0 | yes |" in note
    assert "Compared with paper:maml-sinusoid (maml) with inner\\_lr=0.01" in note
    assert "best minus this -0.25 \\[-0.4, -0.1\\]: better" in note
    assert "best after 2 inner steps on meta-validation" in note
    assert "scored on the sealed tasks: 6" in note


def figures_of(study: optuna.Study) -> dict[str, Any]:
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {name: json.loads(text) for name, text in get_plotly_graph_objects(attributes).items()}


def test_an_ended_study_has_the_figures_of_its_report_once_for_each_branch(engine, mirror, far):
    whole_study(engine)
    mirror.sync()
    maml, reptile = figures_of(far(MAML)), figures_of(far(REPTILE))
    assert {"metaopt-learning-curves", "metaopt-slices", "metaopt-verdict"} <= set(maml)
    assert "metaopt-stability" in maml and "metaopt-stability" not in reptile
    curves = maml["metaopt-learning-curves"]
    assert {trace["name"].split(":")[0] for trace in curves["data"] if "name" in trace} == {"maml"}
    assert [rung["x0"] for rung in curves["layout"]["shapes"]] == [10, 30, 90]
    assert curves["layout"]["title"]["text"] == "<b>Learning curves</b>"
    assert {trace["name"] for trace in maml["metaopt-verdict"]["data"]} == {"search", "sealed"}

    with engine.begin() as connection:  # killed before it could say that it was done
        connection.execute(text("DELETE FROM study_user_attributes WHERE key = 'mirrored'"))
    again = Mirror(engine.url.render_as_string(hide_password=False))
    again.sync()
    again.close()
    assert figures_of(far(MAML)) == maml


def test_importances_of_an_ended_study_are_kept_for_its_reports(engine, mirror, monkeypatch):
    with transaction(engine) as session:
        study = add_study(session)
        for number in range(20):
            params = PARAMS["maml"] | {"inner_lr": 0.01 * (number + 1), "outer_lr": 1e-3 + 1e-5}
            trial = add_trial(session, number, params=params)
            add_report(session, trial, 90, 1.0 + number)
            end_trial(session, trial, "completed")
    mirror.sync()
    assert kept_importances(engine) is None  # it goes on
    with transaction(engine) as session:
        finish_study(session, session.get_one(Study, study.study_id), 0)
    with reading(engine) as session:
        computed = study_report(read_rows(session, study.study_id), now=NOON)
    mirror.sync()
    assert [branch["branch"] for branch in kept_importances(engine)] == ["maml", "reptile"]
    monkeypatch.setattr(data, "branch_importances", None)  # a later report computes nothing
    with reading(engine) as session:
        report = study_report(read_rows(session, study.study_id), now=NOON)
    assert report == computed
    assert report.importances[0].parameters


def kept_importances(engine: Engine) -> list[dict[str, Any]] | None:
    with reading(engine) as session:
        return find_importances(session, "a" * 32)


def test_a_study_that_goes_on_has_no_figures_yet(engine, mirror, far):
    with transaction(engine) as session:
        add_study(session)
        add_report(session, add_trial(session, 0), 10, 4.0)
    mirror.sync()
    assert figures_of(far(MAML)) == {}


def test_a_figure_too_large_for_the_dashboard_is_named_in_the_note(
    engine, mirror, far, monkeypatch
):
    monkeypatch.setattr(figures, "MOST_CHARACTERS", 1500)
    whole_study(engine)
    mirror.sync()
    assert "metaopt-learning-curves" not in figures_of(far(MAML))
    assert "Too large for this page, see the [report]" in get_note(far(MAML))
    assert "Learning curves" in get_note(far(MAML))


def test_a_deleted_mirror_comes_back_as_it_was(engine, mirror, far):
    whole_study(engine)
    mirror.sync()
    before = content(far(MAML)), content(far(REPTILE)), far(MAML).user_attrs, get_note(far(MAML))
    with engine.begin() as connection:
        for table in FAR_TABLES:
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    mirror.sync()
    after = content(far(MAML)), content(far(REPTILE)), far(MAML).user_attrs, get_note(far(MAML))
    assert after == before


def test_one_branch_deleted_in_the_dashboard_comes_back(engine, mirror, far):
    whole_study(engine)
    mirror.sync()
    optuna.delete_study(study_name=REPTILE, storage=far(MAML)._storage)
    mirror.sync()
    assert len(far(REPTILE).trials) == 2


def test_a_new_process_goes_on_where_the_last_one_stopped(engine, mirror, far, database_url):
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0).trial_id
        add_report(session, session.get(Trial, trial_id), 10, 4.0)
    mirror.sync()
    with transaction(engine) as session:
        add_report(session, session.get(Trial, trial_id), 30, 3.0)
        add_trial(session, 1)
    second = Mirror(database_url)
    second.sync()
    second.sync()
    second.close()
    assert [t.intermediate_values for t in far(MAML).trials] == [{10: 4.0, 30: 3.0}, {}]


def test_a_branch_whose_creation_was_cut_short_is_taken_up(engine, mirror, far):
    whole_study(engine)
    storage = mirror._storage
    storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], MAML)
    mirror.sync()
    assert len(far(MAML).trials) == 3


def test_studies_that_look_alike_do_not_share_a_mirror(engine, mirror, far):
    with transaction(engine) as session:
        for study_id in ("a" * 32, "a" * 31 + "b"):
            add_study(session, study_id)
            add_trial(session, 0, study_id=study_id, trial_id=study_id)
    mirror.sync()
    assert far(MAML).user_attrs["study_id"] == "a" * 32
    assert far(f"sinusoid · maml · {'a' * 31}b").user_attrs["study_id"] == "a" * 31 + "b"


def read_by(mirror) -> list[int]:
    """Sync; return the numbers of the trials that were read for it."""
    read: list[int] = []

    def note(trial, _context):
        read.append(trial.trial_number)

    event.listen(Trial, "load", note)
    mirror.sync()
    event.remove(Trial, "load", note)
    return read


def test_trials_that_have_ended_are_not_read_again(engine, mirror):
    with transaction(engine) as session:
        add_study(session)
        for number in range(6):
            add_trial(session, number, "completed", score=1.0)
        running = add_trial(session, 6).trial_id
    mirror.sync()
    with transaction(engine) as session:
        end_trial(session, session.get(Trial, running), "completed", score=0.5)
        add_trial(session, 8)
    read = read_by(mirror)
    assert read == [6, 8]


def test_while_one_waits_at_a_rung_those_after_it_are_not_read_again(
    engine, mirror, far, monkeypatch
):
    monkeypatch.setattr(queries, "LATE_EVENTS", 0)
    with transaction(engine) as session:
        add_study(session)
        waits = add_trial(session, 0, "queued", started_at=NOON)
        add_report(session, waits, 10, 4.0)
        for number in range(1, 6):
            add_trial(session, number, "completed", score=1.0)
    mirror.sync()
    with transaction(engine) as session:
        add_trial(session, 6)
    read = read_by(mirror)
    assert read == [6]
    with transaction(engine) as session:
        study = session.get_one(Study, "a" * 32)
        for number in (0, 6):
            end_trial(session, session.get_one(Trial, f"{'a' * 8}{number:024d}"), "completed")
        finish_study(session, study, 1)
    mirror.sync()
    assert [t.state for t in far(MAML).trials].count(TrialState.COMPLETE) == 6


def test_a_branch_that_begins_late_is_mirrored_from_its_start(engine, mirror, far):
    with transaction(engine) as session:
        add_study(session)
        for number in (0, 2, 4):
            add_trial(session, number, "completed", score=1.0)
    mirror.sync()
    with transaction(engine) as session:
        add_trial(session, 1, "completed", branch="reptile", score=3.0)
    mirror.sync()
    assert [t.value for t in far(REPTILE).trials] == [3.0]


def test_of_more_trials_than_a_query_takes_all_are_looked_at(engine, mirror, far, monkeypatch):
    monkeypatch.setattr(queries, "MOST_NUMBERS", 3)
    with transaction(engine) as session:
        add_study(session)
    mirror.sync()
    asked: list[str] = []
    event.listen(mirror._engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for first, named in ((0, True), (3, False)):  # late events are looked at again
        with transaction(engine) as session:
            for number in range(first, first + 3):
                add_trial(session, number, "completed", score=1.0)
        asked.clear()
        mirror.sync()
        assert any("trial_number IN (" in query for query in asked) == named
        assert len(far(MAML).trials) == first + 3


def test_many_trials_take_few_transactions(engine, mirror, far):
    with transaction(engine) as session:
        add_study(session)
        for number in range(MOST_TOGETHER + 1):
            add_report(session, add_trial(session, number), 10, 1.0)
    begun: list[object] = []
    event.listen(mirror._engine, "commit", begun.append)
    mirror.sync()
    branches = 2
    assert len(begun) == 2 + 2 * branches  # of its trials; of each branch, which is begun and told
    assert len(far(MAML).trials) == MOST_TOGETHER + 1


def test_notes_and_figures_of_a_study_are_written_together(engine, mirror, far):
    whole_study(engine)
    times: Counter[str] = Counter()

    def count(_connection, _cursor, statement, *_):
        times.update(["writes"] * statement.startswith("INSERT INTO study_system_attributes"))

    for side in (mirror._engine, mirror._storage.engine):
        event.listen(side, "before_cursor_execute", count)
    mirror.sync()
    for name in (MAML, REPTILE):
        pieces = mirror._storage.get_study_system_attrs(far(name)._study_id)
        assert get_plotly_graph_objects(pieces)
    assert times["writes"] <= 2 * 3  # of each branch: when it is made, when it ends, its figures


def test_many_studies_are_read_a_few_at_a_time(engine, mirror, far, monkeypatch):
    monkeypatch.setattr(sync, "MOST_STUDIES", 2)
    together: list[int] = []
    read = queries.read_studies
    monkeypatch.setattr(
        queries,
        "read_studies",
        lambda session, ids: together.append(len(ids)) or read(session, ids),
    )
    with transaction(engine) as session:
        for letter in "abcde":
            study = add_study(session, letter * 32, name=letter)
            add_trial(session, 0, study_id=study.study_id, trial_id=letter * 32)
    mirror.sync()
    assert together == [2, 2, 1]
    assert all(far(f"{letter} · maml · {letter * 8}").trials for letter in "abcde")


def test_a_study_is_mirrored_once_it_has_begun(engine, mirror, far):
    with transaction(engine) as session:
        for number in range(20):
            add_study(session, f"{number:032x}", status="queued", started_at=None)
    mirror.sync()
    assert mirror._copies == {}
    with transaction(engine) as session:
        study = session.get_one(Study, f"{7:032x}")
        study.status, study.started_at = "running", NOON
        append_event(session, study.study_id, "study_running", {}, now=NOON)
    mirror.sync()
    assert {study_id for study_id, _ in mirror._copies} == {f"{7:032x}"}


def test_nothing_new_costs_one_query(engine, mirror, far):
    whole_study(engine)
    mirror.sync()
    queries: list[str] = []
    for watched in (mirror._engine, mirror._storage.engine):
        event.listen(watched, "before_cursor_execute", lambda *args: queries.append(args[2]))
    mirror.sync()
    assert [query for query in queries if not query.startswith("BEGIN")] == queries[-1:]


def held(mirror: Mirror) -> Counter[str]:
    """How many objects there are of each type, and entries in the mirror's own containers."""
    gc.collect()
    found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    # A connection of sqlite3 drops those of its cursors that are gone with every 200th.
    del found["weakref.ReferenceType"]
    found["entries"] = sum(len(one) for one in vars(mirror).values() if isinstance(one, dict))
    return found


def test_nothing_is_held_of_studies_that_were_copied_to_their_end(engine, mirror, monkeypatch):
    monkeypatch.setattr(queries, "LATE_EVENTS", 10)  # studies with one of these are looked at

    def mirror_studies(first: int, many: int) -> None:
        for number in range(first, first + many):
            study_id = f"{number:032x}"
            with transaction(engine) as session:
                study = add_study(session, study_id)
                trial = add_trial(session, 0, study_id=study_id, trial_id=study_id)
            mirror.sync()
            with transaction(engine) as session:
                end_trial(session, session.get_one(Trial, trial.trial_id), "completed", score=1.0)
                finish_study(session, session.get_one(Study, study.study_id), 0)
            mirror.sync()

    mirror_studies(0, 3)
    counts = [held(mirror)]
    for first in (3, 7):
        mirror_studies(first, 4)
        counts.append(held(mirror))
    # What is made once, as a statement's text, makes one window grow; what is held, each.
    more = (counts[1] - counts[0]) & (counts[2] - counts[1])
    assert {one: number for one, number in more.items() if number >= 4} == {}


def test_a_late_event_of_a_study_that_is_done_changes_nothing(engine, mirror, far, monkeypatch):
    monkeypatch.setattr(queries, "LATE_EVENTS", 1)
    whole_study(engine)
    mirror.sync()
    with transaction(engine) as session:
        add_trial(session, 0, study_id=add_study(session, "b" * 32).study_id, trial_id="b" * 32)
    mirror.sync()  # it has seen no event of the first one, which it forgets
    before = get_note(far(MAML)), content(far(MAML))
    with transaction(engine) as session:
        append_event(session, "a" * 32, "segments_cleared", {}, now=NOON)
    writes: list[str] = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            writes.append(statement)

    event.listen(mirror._engine, "before_cursor_execute", note)
    event.listen(mirror._storage.engine, "before_cursor_execute", note)
    mirror.sync()
    assert writes == []
    assert (get_note(far(MAML)), content(far(MAML))) == before


def test_a_study_that_cannot_be_mirrored_does_not_hold_up_the_others(engine, mirror, far):
    with transaction(engine) as session:
        add_study(session, "b" * 32, spec={"branches": [{"algorithm": "maml"}]}, name="odd")
    whole_study(engine)
    with pytest.raises(ValueError, match="StudySpec"):
        mirror.sync()
    assert len(far(MAML).trials) == 3
    with transaction(engine) as session:
        study = session.get(Study, "b" * 32)
        study.spec = session.get(Study, "a" * 32).spec
    mirror.sync()
    assert far("odd · maml · bbbbbbbb").trials == []


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_trials_in_flight_when_their_study_ends_are_followed_to_their_end(
    engine, mirror, far, status
):
    with transaction(engine) as session:
        add_study(session)
        flying = add_trial(session, 0).trial_id
        add_trial(session, 1, branch="reptile")
    mirror.sync()
    with transaction(engine) as session:
        study = session.get(Study, "a" * 32)
        study.status = status
        end_trial(session, session.get(Trial, f"aaaaaaaa{1:024d}"), "cancelled")
    mirror.sync()
    assert far(MAML).user_attrs["status"] == status
    assert [t.state.name for t in far(REPTILE).trials] == ["FAIL"]
    assert "mirrored" not in far(MAML).user_attrs | far(REPTILE).user_attrs

    with transaction(engine) as session:
        add_report(session, session.get(Trial, flying), 90, 1.5)
        end_trial(session, session.get(Trial, flying), "completed")
    mirror.sync()
    (trial,) = far(MAML).trials
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 1.5)
    assert far(MAML).user_attrs["mirrored"] == far(REPTILE).user_attrs["mirrored"]
    assert far(MAML).user_attrs["mirrored"] == f"{status}, figures"


def test_a_strangers_trial_in_a_mirrored_study_is_passed_over(engine, mirror, far, database_url):
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0).trial_id
    mirror.sync()
    far(MAML).ask()
    far(MAML).enqueue_trial({"inner_lr": 0.5})
    with transaction(engine) as session:
        end_trial(session, session.get(Trial, trial_id), "completed", score=1.5)
    mirror.sync()
    second = Mirror(database_url)
    second.sync()
    second.close()
    assert [t.state.name for t in far(MAML).trials] == ["COMPLETE", "RUNNING", "WAITING"]


def test_of_two_trials_with_the_same_number_the_first_is_followed(
    engine, mirror, far, database_url
):
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0).trial_id
    mirror.sync()
    far(MAML).ask().set_user_attr("trial_number", 0)
    with transaction(engine) as session:
        end_trial(session, session.get(Trial, trial_id), "completed", score=1.5)
    second = Mirror(database_url)
    second.sync()
    second.close()
    assert [t.state.name for t in far(MAML).trials] == ["COMPLETE", "RUNNING"]


def test_a_mirror_whose_epoch_is_over_writes_nothing_and_ends(engine, far, database_url):
    with transaction(engine) as session:
        old = acquire(session, "old", lambda _: False)
    mirror = Mirror(database_url, epoch=old)
    with transaction(engine) as session:
        add_study(session)
    mirror.sync()
    with transaction(engine) as session:
        new = acquire(session, "new", lambda _: True)
        add_trial(session, 0)
    with pytest.raises(EpochLost):
        mirror.sync()
    mirror.close()
    assert far(MAML).trials == []

    never = threading.Event()
    run_mirror(database_url, old, never, never)  # returns, though nobody stops it
    follower = Mirror(database_url, epoch=new)
    follower.sync()
    follower.close()
    assert len(far(MAML).trials) == 1


def test_the_loop_outlives_a_database_that_is_not_ready(sqlite_url):
    stop, cut = threading.Event(), threading.Event()
    thread = threading.Thread(target=run_mirror, args=(sqlite_url, 1, stop, cut))
    thread.start()
    migrate.upgrade(sqlite_url)
    storage = open_storage(sqlite_url)
    engine = open_engine(sqlite_url)
    whole_study(engine)
    try:
        wait_until(lambda: len(storage.get_all_studies()) == 2, what="the mirror")
    finally:
        cut.set()
        stop.set()
        thread.join(timeout=10)
        storage.remove_session()
        storage.engine.dispose()
        engine.dispose()
    assert not thread.is_alive()
