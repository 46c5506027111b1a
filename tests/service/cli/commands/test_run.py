"""`metaopt run` where the shell stands in folders with any name: all it makes is in its own."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.specs import TINY

ROOT = Path(__file__).parents[4]
SPEC = {**TINY, "budget": {"trials": 1, "meta_iterations": 4}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [("feature%2Flr", "what?x=1#y"), ("{0} %(x)s", "-é'\";&$HOME\n`", ":memory:")]
)
def test_a_run_writes_into_its_data_directory_alone(tmp_path: Path, names: list[str]) -> None:
    where = tmp_path.joinpath(*names)
    where.mkdir(parents=True)
    deep = tmp_path / ("t" * 120)  # too long a name for a socket
    deep.mkdir()
    spec, result, data = where / "-s p%2Fec.json", where / "result.json", where / "da ta%20"
    spec.write_text(json.dumps(SPEC))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "run", "--json", result.name, "--", spec.name],
        env={
            **inherited,
            "METAOPT_DATA_DIRECTORY": data.name,
            "METAOPT_SLOTS": "1",
            "TMPDIR": str(deep),
            "METAOPT_COMPILE": "never",
            "PYTHONPATH": str(ROOT),
        },
        cwd=where,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(result.read_text())["study"]["status"] == "completed"
    with sqlite3.connect(data / "metaopt.db") as database:
        assert database.execute("SELECT status FROM mo_studies").fetchall() == [("completed",)]
    database.close()
    made = {path for path in tmp_path.rglob("*") if path.is_file() and data not in path.parents}
    assert made == {spec, result}


@pytest.mark.slow
def test_a_run_takes_a_path_to_data_and_judges_on_them(tmp_path: Path) -> None:
    rows = [f"day {i % 12},{i % 7},{i % 7 * (i % 12)}" for i in range(144)]
    (tmp_path / "days.csv").write_text("\n".join(["task,hours,target", *rows]))
    tasks = {"kind": "dataset", "dataset": "./days.csv", "k_shot": 3, "q_query": 5}
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "tasks": {**tasks, "metric": "nmse"}}))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    command = [sys.executable, "-m", "service.cli", "run", "spec.json", "--json", "result.json"]
    command += ["--report", "report.html"]
    done = subprocess.run(
        command,
        env={
            **inherited,
            "METAOPT_SLOTS": "1",
            "METAOPT_COMPILE": "never",
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "packed days.csv as data set days" in done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "Hardest for the winner" in page and "day " in page
    document = json.loads((tmp_path / "result.json").read_text())
    stored = document["study"]["spec"]["tasks"]
    assert stored["dataset"].startswith("sha256:") and stored["split"] == "random:0"
    assert stored["facts"]["groups"] == {"train": 8, "validation": 2, "test": 2}
    assert document["result"]["metric"] == "nmse"
    assert document["result"]["finalists"][0]["sealed"]["score"] > 0
    trivial = document["result"]["trivial"]
    assert {one["name"] for one in trivial["predictors"]} == {"support_mean", "ridge"}
    assert trivial["answer"] in done.stdout or "not shown to be" in done.stdout
