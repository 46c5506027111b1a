import json
import platform
import tempfile
from pathlib import Path

import pytest

from benchmarks.end_to_end import __main__ as end_to_end
from benchmarks.end_to_end.ours import spec as our_spec
from benchmarks.end_to_end.peer import absent, scaled
from benchmarks.end_to_end.search import Search
from benchmarks.peers import PEERS
from benchmarks.suite.process import Refused, interpreter
from service.wire.spec.refusals import parse_spec


@pytest.mark.slow
def test_a_quick_run_writes_both_times_and_says_what_is_scaled(tmp_path, capsys):
    reason = absent(interpreter(PEERS, peer=True))
    if reason:
        pytest.skip(reason)
    end_to_end.main(["--quick", "--results", str(tmp_path)])
    written = (tmp_path / "end_to_end.json").read_text()
    results = json.loads(written)
    assert set(results) == {"about", "inner_steps_1"}
    figures = results["inner_steps_1"]
    ours, peer = figures["ours"], figures["peer"]
    assert figures["ratio"] == peer["seconds"] / ours["seconds"] > 0
    assert (figures["trials"], figures["meta_iterations"]) == (4, 10)
    assert ours["search_trials"] == {"completed": 4}
    assert ours["verdict_lanes"] == 6
    assert 0 < ours["busy_share"] <= 1
    assert ours["compiled_share"] == 0  # 40 meta-iterations are not worth compiling for
    low, high = ours["best_sealed_interval"]
    assert 0 < low < ours["best_sealed_score"] < high
    assert peer["scaled"] is True
    assert (peer["measured_trials"], peer["measured_meta_iterations"]) == (2, 2)
    for key in (
        "measured_seconds", "fixed_seconds_per_trial", "ms_per_meta_iteration",
        "best_validation_score",
    ):  # fmt: skip
        assert peer[key] > 0
    assert set(peer["versions"]) == {"higher", "torch", "optuna"}

    text = (tmp_path / "end_to_end.txt").read_text()
    assert capsys.readouterr().out == text
    assert "SCALED, not measured whole: 2 trials × 2 meta-iterations" in text
    for private in (str(Path.cwd()), tempfile.gettempdir(), platform.node()):
        assert private not in text + written


def test_only_the_training_loop_is_scaled():
    part = Search(trials=64, meta_iterations=61, inner_steps=1, processes=2)
    whole = Search(trials=64, meta_iterations=2001, inner_steps=1, processes=2)
    run = {"seconds": 10.0, "loop_seconds": 6.0}
    assert scaled(run, whole, part) == 4.0 + 6.0 * 2000 / 60
    assert scaled(run, part, part) == run["seconds"]


def test_a_part_of_the_trials_counts_for_all_of_them():
    part = Search(trials=2, meta_iterations=11, inner_steps=1, processes=2)
    whole = Search(trials=64, meta_iterations=11, inner_steps=1, processes=2)
    assert scaled({"seconds": 3.0, "loop_seconds": 1.0}, whole, part) == 96.0


def test_the_study_searches_two_rates_and_prunes_nothing():
    spec = parse_spec(our_spec(Search(64, 2000, inner_steps=5, processes=2)))
    (branch,) = spec.branches
    assert set(branch.distributions()) == {"inner_lr", "outer_lr"}
    fixed = branch.fixed()
    assert (fixed["order"], fixed["meta_batch"], fixed["inner_steps"]) == ("second", 25, 5)
    assert spec.rungs() == [2000]
    assert (spec.budget.trials, spec.evaluation.tasks) == (64, 100)


def test_nothing_is_measured_without_the_peer(tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho \"No module named 'higher'\" >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(Refused, match="No module named 'higher'.*make bench-peers"):
        end_to_end.main(["--quick", "--peers", str(tmp_path)])


@pytest.mark.parametrize("wrong", ["--peer-meta-iterations=1", "--meta-iterations=1", "--trials=0"])
def test_what_cannot_be_measured_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        end_to_end.main([wrong])
    assert "must be >=" in capsys.readouterr().err
