"""Commands about studies against a real server; rows stand in for the dispatcher's work."""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, select

from service.db.dispatcher import acquire
from service.db.engine import reading, transaction
from service.db.states import StudyStatus
from service.db.tables import Study
from tests.fakes.rows import (
    NOON,
    add_report,
    add_segment,
    add_study,
    add_trial,
    end_trial,
    finish_study,
)
from tests.fakes.specs import SPEC
from tests.service.cli.conftest import Command
from tests.waiting import wait_until

STUDY = "a" * 32


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return str(path)


@pytest.fixture
def completed(api: Engine) -> str:
    with transaction(api) as session:
        study = add_study(session)
        trial = add_trial(session, 0)
        add_report(session, trial, 90, 0.5)
        end_trial(session, trial, "completed")
        end_trial(session, add_trial(session, 1), "diverged", cause="try a smaller rate")
        finish_study(session, study, 0, 1)
    return STUDY


def test_submit_prints_the_id_and_nothing_else(metaopt: Command, api: Engine, spec: str) -> None:
    said = metaopt("submit", spec)
    assert (said.code, said.err) == (0, "")
    with reading(api) as session:
        assert said.out == f"{session.scalars(select(Study.study_id)).one()}\n"


def test_submit_under_one_key_makes_one_study(metaopt: Command, api: Engine, spec: str) -> None:
    ids = [metaopt("submit", spec, "--idempotency-key", "nightly").out for _ in range(2)]
    assert ids[0] == ids[1]
    assert metaopt("studies").out.count("sinusoid") == 1


def test_a_file_that_cannot_be_written_is_said_before_anything_is_submitted(
    metaopt: Command, api: Engine, spec: str
) -> None:
    said = metaopt("submit", spec, "--json", "/nowhere/study.json")
    assert said.code == 2 and "/nowhere/study.json cannot be written" in said.err
    with reading(api) as session:
        assert session.scalars(select(Study.study_id)).all() == []


def test_a_spec_that_breaks_rules_names_each_field(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "budget": {"trials": 0}, "colour": "blue"}))
    said = metaopt("submit", str(path))
    assert (said.code, said.out) == (2, "")
    assert "budget.trials: must be greater than or equal to 1, got 0" in said.err
    assert "colour: is not a known field" in said.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed: .nan", "seed: must be finite"),
        ("- 1", "must hold a mapping"),
        ("a: [", "spec: "),
    ],
)
def test_a_file_that_is_no_spec_is_refused_without_a_server(
    metaopt: Command, tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    said = metaopt("submit", str(path))
    assert said.code == 2
    assert sentence in said.err


def test_a_missing_file_is_named(metaopt: Command) -> None:
    said = metaopt("submit", "nowhere.yaml")
    assert (said.code, said.err) == (2, "nowhere.yaml cannot be read: No such file or directory\n")


def test_a_timeout_without_waiting_is_refused(metaopt: Command, spec: str) -> None:
    assert metaopt("submit", spec, "--timeout", "5").code == 2


def test_waiting_prints_progress_on_stderr_and_the_verdict_on_stdout(
    metaopt: Command, completed: str, tmp_path: Path
) -> None:
    said = metaopt("watch", completed, "--json", str(tmp_path / "verdict.json"))
    assert said.code == 0
    assert "study completed" in said.err and "study completed" not in said.out
    header, best, second = said.out.splitlines()[1:4]
    assert header.split()[:4] == ["rank", "branch", "trial", "parameters"]
    assert "0.65" in best and "[0.5, 0.9]" in best and "best" in best
    assert second.split()[:3] == ["2", "maml", "1"]
    document = json.loads((tmp_path / "verdict.json").read_text())
    assert document["schema_version"] == 1
    assert document["result"]["finalists"][0]["sealed"]["score"] == 0.65
    assert document["study"]["study_id"] == completed


def test_a_wait_that_is_too_long_ends_with_4_and_the_id(
    metaopt: Command, api: Engine, spec: str
) -> None:
    said = metaopt("submit", spec, "--wait", "--timeout", "0.2")
    assert (said.code, said.out) == (4, "")
    with reading(api) as session:
        study = session.scalars(select(Study)).one()
        assert study.status == StudyStatus.QUEUED
        assert f"metaopt watch {study.study_id}" in said.err


def test_a_study_that_is_cancelled_while_watched_ends_with_3(
    metaopt: Command, api: Engine, spec: str
) -> None:
    study_id = metaopt("submit", spec).out.strip()
    codes: list[int] = []
    watcher = threading.Thread(target=lambda: codes.append(metaopt("watch", study_id).code))
    watcher.start()
    with transaction(api) as session:
        session.get_one(Study, study_id).status = StudyStatus.CANCELLED
    wait_until(lambda: not watcher.is_alive(), 20, what="the watcher's end")
    assert codes == [3]


def test_a_failed_study_says_why(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        add_study(session, status="failed", error="no finalist could be trained")
    said = metaopt("watch", STUDY)
    assert said.code == 3
    assert "no finalist could be trained" in said.err


def test_show_prints_the_verdict_the_trials_and_what_the_spec_says(
    metaopt: Command, api: Engine, completed: str
) -> None:
    with transaction(api) as session:
        add_segment(session, completed)
    said = metaopt("show", completed)
    assert said.code == 0
    name, study_id, status, verdict, progress, took, busy = said.out.splitlines()[:7]
    assert (name, study_id) == ("name: sinusoid", f"study_id: {completed}")
    assert status == "status: completed"
    assert verdict.startswith("verdict: 0.65 [0.5, 0.9] on sealed tasks, trial 0 (maml): inner_lr")
    assert progress.startswith("progress: 2 of 8 trials (1 completed, 1 diverged)")
    assert took.startswith("time: submitted 2026-01-02 ") and ", took 2 h 00 min, ended " in took
    assert busy == "devices busy: 80.0 %"
    assert "transductive" not in said.out
    assert "    transductive: true" in metaopt("show", completed, "--full").out
    assert "not searched in maml: outer_lr=0.001" in said.out
    rows = said.out[said.out.index("\ntrial  branch") :].splitlines()
    assert rows[2].split()[:5] == ["0", "maml", "search", "completed", "0.5"]
    assert "(try a smaller rate)" in rows[3]
    assert "Verdict of sinusoid (mse" in said.out
    assert "16.0 s of devices (busy 96.2 %), 20.0 s on the clock" in said.out


def test_show_cuts_many_trials_and_says_how_to_see_all(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        add_study(session)
        for number in range(23):
            add_trial(session, number)
    said = metaopt("show", "last").out
    assert "(3 trials before these: --full shows all, --json F has them)" in said
    assert [line.split()[0] for line in said.splitlines() if " search  running " in line] == [
        str(number) for number in range(3, 23)
    ]
    assert metaopt("show", "last", "--full").out.count(" search  running ") == 23


def test_show_of_a_study_under_way_says_what_is_best_so_far(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        acquire(session, "test", lambda _: True)
        add_study(session)
        trial = add_trial(session, 0)
        add_report(session, trial, 90, 0.5)
        end_trial(session, trial, "completed")
    lines = metaopt("show", STUDY).out.splitlines()
    assert lines[3].startswith("best so far: 0.5, trial 0 (maml): inner_lr=")
    assert "begun" in lines[5] and lines[5].endswith(" ago")


def test_a_study_is_meant_by_last_name_and_first_digits(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        for digit in "bc":
            add_study(session, digit * 32, name="twin")
        add_study(session, STUDY, name="a/b sweep", created_at=NOON + timedelta(hours=1))
    for reference in ("last", "a/b sweep", "aaaa"):
        assert f"study_id: {STUDY}" in metaopt("show", reference).out, reference
    for command in ("show", "cancel", "export", "report", "extend", "watch"):
        said = metaopt(command, "twin", *(["--trials", "9"] if command == "extend" else []))
        assert said.code == 2 and "2 studies are named 'twin'" in said.err, command
        assert "cccccccccccc  running, submitted 2026-01-02 12:00:00 UTC" in said.err
    assert metaopt("cancel", "bbbb").out == f"{'b' * 32} cancelled\n"
    assert "did you mean 'twin'?" in metaopt("show", "twim").err


def test_show_counts_and_lists_what_was_trained_again(
    metaopt: Command, api: Engine, completed: str
) -> None:
    with transaction(api) as session:
        add_trial(session, 9, "completed", role="replica", source_trial_number=0, score=0.55)
    said = metaopt("show", completed)
    assert "trained again: 1 completed" in said.out
    assert any(line.split()[:3] == ["9", "maml", "replica"] for line in said.out.splitlines())
    document = json.loads(metaopt("show", completed, "--json", "-").out)
    assert document["study"]["replica_trials"]["completed"] == 1
    assert document["study"]["spent"]["trials"] == 1 + sum(document["study"]["trials"].values())


def test_show_says_what_the_slots_did(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        add_study(session)
        add_segment(session)
    said = metaopt("show", "last", "--timeline").out
    assert "cpu:0" in said and "evaluation" in said
    document = json.loads(metaopt("show", "last", "--timeline", "--json", "-").out)
    assert document["slots"][0]["seconds"]["evaluation"] == 0.125


def test_show_as_json_goes_to_stdout_alone(metaopt: Command, completed: str) -> None:
    document = json.loads(metaopt("show", completed, "--json", "-").out)
    assert [trial["trial_number"] for trial in document["trials"]] == [0, 1]
    assert document["study"]["spec"]["evaluation"]["transductive"] is True


def test_studies_lists_a_line_for_each(metaopt: Command, completed: str) -> None:
    header, line = metaopt("studies").out.splitlines()
    assert header.split()[:3] == ["study_id", "name", "status"]
    assert line.split()[:3] == [completed[:8], "sinusoid", "completed"]
    assert metaopt("studies", "--status", "queued").out.count("\n") == 1


def test_steering_prints_the_new_status(metaopt: Command, api: Engine, spec: str) -> None:
    study_id = metaopt("submit", spec).out.strip()
    assert metaopt("pause", study_id).out == f"{study_id} paused\n"
    assert metaopt("resume", study_id).out == f"{study_id} queued\n"
    assert metaopt("cancel", study_id).out == f"{study_id} cancelled\n"
    said = metaopt("resume", study_id)
    assert (said.code, said.out) == (2, "")
    assert "cancelled" in said.err


def test_a_result_before_its_time_is_4_and_after_a_failure_3(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        add_study(session)
        add_study(session, "b" * 32, status="failed", error="worker lost")
    assert metaopt("result", STUDY).code == 4
    assert metaopt("result", "b" * 32).code == 3
    assert metaopt("result", "c" * 32).code == 2


def test_a_branch_with_nothing_to_search_is_said_wherever_the_study_is_shown(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    reptile = {"algorithm": "reptile", "space": {}}
    path.write_text(yaml.safe_dump({**SPEC, "branches": [SPEC["branches"][0], reptile]}))
    warning = (
        "warning: branch reptile has nothing to search: its 4 trials train one configuration "
        "with 4 seeds"
    )
    assert warning in metaopt("preview", str(path)).out
    said = metaopt("submit", str(path))
    assert (said.code, said.err.count("warning")) == (0, 1) and said.err.startswith(warning)
    study_id = said.out.strip()
    assert warning in metaopt("show", study_id).out
    document = json.loads(metaopt("show", study_id, "--json", "-").out)
    assert document["study"]["spec"]["branches"][1]["space"] == {}
    page = metaopt("report", study_id, "--markdown", "-").out
    assert "Warning: branch reptile has nothing to search" in page


def test_a_branch_without_a_space_is_searched_and_stored_with_its_ranges(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "branches": [{"algorithm": "reptile"}]}))
    said = metaopt("submit", str(path), "--set", "branches.reptile.space.inner_lr=0.05")
    assert (said.code, said.err) == (0, "")
    with reading(api) as session:
        (stored,) = session.scalars(select(Study.spec)).one()["branches"]
    assert stored["space"]["inner_lr"] == 0.05
    assert stored["space"]["epsilon"] == {"low": 0.03, "high": 1.0, "log": True}
    assert list(stored["space"]) == ["inner_lr", "inner_steps", "epsilon"]
