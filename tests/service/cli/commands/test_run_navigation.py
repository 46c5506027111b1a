"""A study of policies by real processes: from the spec to verdict, report and winner."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch

from metaopt.winner import read_winner

ROOT = Path(__file__).parents[4]
SPEC = {
    "name": "policies",
    "tasks": {"kind": "navigation", "horizon": 5, "k_shot": 5, "q_query": 5},
    "model": {"kind": "mlp", "widths": [8]},
    "branches": [
        {"algorithm": "maml", "space": {"inner_lr": 0.05, "outer_lr": {"low": 1e-3, "high": 1e-2},
                                        "meta_batch": 2, "inner_steps": 1}},
        {"algorithm": "reptile", "space": {"inner_lr": 0.05, "epsilon": {"low": 0.3, "high": 1},
                                           "meta_batch": 2, "inner_steps": 2}},
    ],
    "search": {"sampler": "random"},
    "pruning": {"kind": "none", "rungs": [4]},
    "budget": {"trials": 2, "meta_iterations": 8},
    "evaluation": {"tasks": 10, "curve_steps": 2},
    "verdict": {"finalists": 2, "seeds": 2, "tasks": 10, "compare": "none"},
}  # fmt: skip


@pytest.mark.slow
def test_a_study_of_policies_ends_with_a_verdict_a_report_and_a_winner(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    command = [sys.executable, "-m", "service.cli", "run", "spec.json", "--json", "result.json"]
    command += ["--report", "report.html"]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    own = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never", "METAOPT_DATA_DIRECTORY": "data"}
    done = subprocess.run(
        command,
        env={**inherited, **own, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["study"]["status"] == "completed"
    result = document["result"]
    assert (result["metric"], result["maximize"], result["trivial"]) == ("return", True, None)
    scores = [one["sealed"]["score"] for one in result["finalists"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True) and max(scores) < 0
    page = (tmp_path / "report.html").read_text()
    assert "goal (" in page and "return (more is better)" in page
    with closing(sqlite3.connect(tmp_path / "data" / "metaopt.db")) as database:
        kept = "SELECT content FROM mo_weights WHERE sha256 = ?"
        ((content,),) = database.execute(kept, (result["weights_sha256"],)).fetchall()
    policy = read_winner(bytes(content))
    adapted = policy.adapt(torch.randn(5, 5, 2), [[0.3, -0.2]] * 5)
    assert adapted.predict([[0.0, 0.0]]).shape == (1, 2)
