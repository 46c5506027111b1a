"""`metaopt report` and `metaopt export` against a real server."""

import csv
import io
import os
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from service.db.engine import transaction
from tests.fakes.rows import add_study
from tests.fakes.seen import STUDY, TRIALS, add_seen_study, complete
from tests.service.cli.conftest import Command


@pytest.fixture
def seen(api: Engine) -> str:
    with transaction(api) as session:
        complete(session, add_seen_study(session))
    return STUDY


def test_a_report_is_a_page_next_to_you_and_says_so(
    metaopt: Command, api: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(api) as session:
        add_study(session, name="my study / 2")
    monkeypatch.chdir(tmp_path)
    said = metaopt("report", STUDY)
    assert (said.code, said.out) == (0, "")
    assert said.err == "wrote my-study-2-report.html\n"
    page = (tmp_path / "my-study-2-report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "The study is running" in page


def test_both_forms_go_where_they_are_told(metaopt: Command, seen: str, tmp_path: Path) -> None:
    page, text = tmp_path / "r.html", tmp_path / "r.md"
    said = metaopt("report", seen, "--html", str(page), "--markdown", str(text))
    assert said.code == 0
    assert said.err.splitlines() == [f"wrote {page}", f"wrote {text}"]
    assert "The best configuration is trial 5" in text.read_text(encoding="utf-8")


def test_markdown_can_go_to_stdout_alone(
    metaopt: Command, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = metaopt("report", seen, "--markdown", "-")
    assert said.err == ""
    assert said.out.startswith("# ") and "## Cost" in said.out
    assert list(tmp_path.glob("*.html")) == []


def test_a_file_that_cannot_be_written_is_named(metaopt: Command, seen: str) -> None:
    for command in (("report", seen, "--html"), ("export", seen, "--out")):
        said = metaopt(*command, "/nowhere/r")
        assert said.code == 2
        assert "/nowhere/r cannot be written: No such file or directory" in said.err


def test_an_unknown_study_is_a_usage_error_and_leaves_no_file(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    out = tmp_path / "trials.csv"
    assert metaopt("report", "f" * 32).code == 2
    assert metaopt("export", "f" * 32, "--out", str(out)).code == 2
    assert list(tmp_path.glob("trials*")) == []


def test_an_export_goes_to_the_file_that_is_named(
    metaopt: Command, seen: str, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    said = metaopt("export", seen, "--what", "scores", "--format", "parquet", "--out", str(out))
    assert (said.code, said.err) == (0, f"wrote {out}\n")
    assert pq.read_table(out).column_names == ["trial_number", "meta_iteration", "task", "score"]


def test_what_stands_where_an_export_goes_stays_what_it_is(
    metaopt: Command, seen: str, tmp_path: Path
) -> None:
    table = metaopt("export", seen).out
    pipe, link, real = (tmp_path / name for name in ("pipe", "link", "real.csv"))
    os.mkfifo(pipe)
    real.write_text("old")
    link.symlink_to(real.name)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert metaopt("export", seen, "--out", str(pipe)).code == 0
    reader.join(10)
    assert metaopt("export", seen, "--out", str(link)).code == 0
    assert pipe.is_fifo() and link.is_symlink()
    assert [text.split() for text in (*got, real.read_text())] == [table.split()] * 2
    assert list(tmp_path.glob("*.part")) == []


def test_two_outputs_to_one_file_are_refused(metaopt: Command, seen: str, tmp_path: Path) -> None:
    page = str(tmp_path / "page")
    said = metaopt("report", seen, "--html", page, "--markdown", page)
    assert said.code == 2 and f"--html and --markdown both write to {page}" in said.err
    assert list(tmp_path.glob("page")) == []


def test_csv_on_stdout_is_the_table_and_nothing_else(metaopt: Command, seen: str) -> None:
    said = metaopt("export", seen)
    assert (said.code, said.err) == (0, "")
    assert len(list(csv.DictReader(io.StringIO(said.out, newline="")))) == TRIALS + 5


@pytest.mark.parametrize("option", [("--format", "xlsx"), ("--what", "events")])
def test_what_cannot_be_exported_is_said_without_a_server(
    metaopt: Command, option: tuple[str, str]
) -> None:
    said = metaopt("export", STUDY, *option)
    assert said.code == 2
    assert option[1] in said.err
