"""The simulation that says whether the verdict is honest."""

import json

import pytest

from benchmarks import verdict


def test_a_short_run_writes_the_figures_and_the_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verdict, "SETTINGS", {"default": {}})
    verdict.main(["--studies", "3", "--families", "0", "--results", str(tmp_path)])
    found = json.loads((tmp_path / "verdict.json").read_text())
    assert found["default"]["finalists"] <= 3
    assert 0 <= found["default"]["finalists_covered"] <= 1
    assert (tmp_path / "verdict.txt").read_text() == capsys.readouterr().out


def test_a_simulated_study_is_the_same_each_time():
    assert verdict.simulate(2) == verdict.simulate(2)


@pytest.mark.parametrize("name", ["sinusoid", "omniglot"])
def test_a_setting_is_judged_in_the_direction_of_its_score(name: str):
    found = verdict.simulate(3, table=name)
    assert found["winner_truly_worse_than_default"] == 0
    assert found["difference_half_width"] > 0


def test_settings_may_run_side_by_side(monkeypatch):
    monkeypatch.setattr(verdict, "SETTINGS", {"equal": {"apart": 0.0}, "default": {}})
    assert verdict.simulate_all(2, jobs=2) == verdict.simulate_all(2, jobs=1)


@pytest.mark.slow
@pytest.mark.parametrize("studies", [200, pytest.param(2000, marks=pytest.mark.night)])
def test_the_verdict_is_honest(studies: int):
    found = verdict.simulate(studies)
    assert 0.94 <= found["finalists_covered"] <= 0.995
    assert found["winner_covered"] >= 0.93
    error, stderr = found["search_best_optimism_error"], found["search_best_optimism_error_stderr"]
    assert abs(error) <= 3 * stderr
    assert found["search_best_optimism_told"] > 0
    assert found["worse_than_default_than_told"] <= 0.05
