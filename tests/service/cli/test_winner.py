"""What a study leaves: its winner in use, baselines by command, notifications on stdout."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sqlalchemy import Engine

from metaopt.errors import CorruptModel
from service.client.client import Client
from service.client.winner import load_winner
from service.db.engine import transaction
from tests.fakes.rows import add_baseline
from tests.fakes.specs import TINY
from tests.fakes.winners import zoo
from tests.service.cli.conftest import Command

SUPPORT = "-2.0,0.5\n-1.0,1.0\n0.5,-0.3\n2.0,0.1\n"


@pytest.mark.slow
def test_a_winner_is_downloaded_and_adapted(
    metaopt: Command, at_work: Engine, tmp_path: Path
) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(yaml.safe_dump(TINY))
    said = metaopt("submit", str(spec), "--wait", "--events")
    assert said.code == 0, said.err
    (told,) = [json.loads(line) for line in said.out.splitlines()]
    assert (told["event"], told["status"]) == ("study_completed", "completed")
    study_id = told["study_id"]

    folder = tmp_path / "winner"
    assert metaopt("download", study_id, "--to", str(folder)).out == f"{folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        "report.html", "study.json", "trials.csv", "winner.safetensors",
    ]  # fmt: skip
    found = json.loads((folder / "study.json").read_text())
    best = found["result"]["finalists"][0]
    by_id, by_folder = load_winner(study_id), load_winner(folder)
    with Client.from_environment() as client:
        by_client = load_winner(study_id, client)
        by_digits = load_winner(study_id[:8], client)
    for winner in (by_id, by_folder, by_client, by_digits):
        assert winner.card.params == best["params"]
        assert torch.equal(winner.weights["w0"], by_id.weights["w0"])

    support, query = tmp_path / "support.csv", tmp_path / "query.csv"
    support.write_text(SUPPORT, encoding="utf-8-sig")  # as Excel has it
    query.write_text("0.0\n1.5\n")
    printed = metaopt("adapt", study_id, "--support", str(support), "--query", str(query))
    assert printed.code == 0, printed.err
    rows = np.loadtxt(support, delimiter=",", encoding="utf-8-sig")
    wanted = by_id.adapt(rows[:, :1], rows[:, 1:]).predict([[0.0], [1.5]])
    assert [float(line) for line in printed.out.splitlines()] == pytest.approx(
        wanted[:, 0].tolist(), rel=1e-4
    )
    assert "adapted to 4 examples by 1 inner steps" in printed.err
    np.savez(tmp_path / "s.npz", x=rows[:, :1], y=rows[:, 1:])
    again = metaopt("adapt", str(folder), "--support", str(tmp_path / "s.npz"), "--steps", "3")
    assert len(again.out.splitlines()) == 4 and "by 3 inner steps" in again.err

    support.write_text("1.0\n2.0\n")
    bad = metaopt("adapt", str(folder), "--support", str(support))
    assert bad.code == 2 and "inputs and then 1 target(s)" in bad.err
    support.write_text("1.0,x\n")
    assert "must be a .csv file" in metaopt("adapt", str(folder), "--support", str(support)).err
    (folder / "winner.safetensors").write_bytes(b"nothing")
    bad = metaopt("adapt", str(folder), "--support", str(support))
    assert bad.code == 2 and "no model file" in bad.err
    with pytest.raises(CorruptModel, match="no model file at"):
        load_winner(tmp_path / "nowhere")

    made = metaopt("baseline", "promote", study_id, "--name", "main")
    assert made.code == 0 and made.out.startswith("main@1 promoted by hand")
    for name in ("main", "main@1"):
        assert torch.equal(load_winner(name).weights["w0"], by_id.weights["w0"])
    support.write_text(SUPPORT)
    rows_as_json = metaopt("adapt", "last", "--support", str(support), "--json", "-")
    assert len(json.loads(rows_as_json.out)["predictions"]) == 4
    same = metaopt("adapt", "main@1", "--support", str(support), "--query", str(query))
    assert (same.code, same.out) == (0, printed.out)
    for name, why in (("main@2", "no baseline main@2"), ("main@x", "and no baseline (main")):
        refused = metaopt("adapt", name, "--support", str(support))
        assert refused.code == 2 and why in refused.err, refused.err


def test_baselines_are_listed_shown_compared_and_rolled_back(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    with transaction(api) as session:
        add_baseline(session)
        add_baseline(session, device="another GPU", meta_iterations=40)
        add_baseline(session, "other")
    listed = metaopt("baseline", "list")
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        "baseline",
        "main@2",
        "other@1",
    ]
    assert "main@1" in metaopt("baseline", "list", "main").out
    shown = metaopt("baseline", "show", "main@1")
    assert "0.5 [0.4, 0.6], 2 trainings on 4 tasks" in shown.out and "inner_lr" in shown.out
    differs = metaopt("baseline", "diff", "main")
    assert "main@1" in differs.out and "another GPU" in differs.out and "40" in differs.out
    assert "inner_lr" not in differs.out
    back = metaopt("baseline", "rollback", "main", "--json", str(tmp_path / "b.json"))
    assert back.out == "main@3 version 1 again, after 2\n"
    assert json.loads((tmp_path / "b.json").read_text())["version"] == 3
    for arguments in (
        ("show", "none"),
        ("show", "main@9"),
        ("rollback", "other"),
        ("diff", "other"),
    ):
        refused = metaopt("baseline", *arguments)
        assert refused.code == 2 and refused.err, arguments
    assert "as main@3" in metaopt("baseline", "show", "main@x").err


def test_two_outputs_cannot_have_stdout(metaopt: Command, api: Engine, tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(yaml.safe_dump(TINY))
    said = metaopt("submit", str(spec), "--wait", "--events", "--json", "-")
    assert said.code == 2 and "both write to stdout" in said.err
    assert metaopt("submit", str(spec), "--events").err == "--events needs --wait\n"


ZOO_STUDY = {
    **TINY,
    "name": "animals",
    "tasks": {"kind": "dataset", "dataset": "zoo", "n_way": 2, "k_shot": 1, "q_query": 2},
    "budget": {"trials": 1, "meta_iterations": 20},
}


@pytest.mark.slow
def test_a_study_on_pictures_shows_what_is_hard_and_takes_pictures(
    metaopt: Command, at_work: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, spec = zoo(tmp_path / "zoo"), tmp_path / "zoo.yaml"
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "server"))
    assert metaopt("data", "add", str(folder), "--invert").code == 0
    spec.write_text(yaml.safe_dump(ZOO_STUDY))
    said = metaopt("submit", str(spec), "--wait", "--json", str(tmp_path / "study.json"))
    assert said.code == 0, said.err
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    assert metaopt("report", "last", "--html", str(page), "--json", str(data)).code == 0
    hardest = json.loads(data.read_text())["hardest"]
    assert hardest["judged"] == 20 and len(hardest["tasks"]) == 3
    scores = [task["score"] for task in hardest["tasks"]]
    assert scores == sorted(scores) and hardest["known"] == 3
    assert set(hardest["tasks"][0]["classified"]["classes"]) < {"cat", "fox", "ibis"}
    assert 'id="hardest"' in page.read_text() and "data:image/png" in page.read_text()
    number = hardest["tasks"][0]["number"]
    shown = metaopt("task", "last", str(number), "--json", "-")
    (drawn,) = json.loads(shown.out)
    names = [name.split(",")[0] for name in drawn["classes"]]
    assert names == hardest["tasks"][0]["classified"]["classes"]

    support = zoo(tmp_path / "support", each=1, splits=False, classes="cat dog")
    told = metaopt("adapt", "last", "--support", str(support), "--html", str(tmp_path / "p.html"))
    assert told.code == 0, told.err
    assert [line.split(",")[0] for line in told.out.splitlines()] == ["cat/0.png", "dog/0.png"]
    assert "Predictions of last" in (tmp_path / "p.html").read_text()
