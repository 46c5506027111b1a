"""The benchmark without training runs whole studies, and says what a trial costs."""

import pytest

from benchmarks import in_process, pairs


def test_a_played_study_ends_and_is_measured_at_each_length(tmp_path):
    moments = in_process.run(
        in_process.spec(40, "random", "median", branches=2), [20, 40], tmp_path
    )
    assert [moment.trials for moment in moments] == [0, 10, 20, 40, 40]
    assert [moment.cpu for moment in moments] == sorted(moment.cpu for moment in moments)
    found = in_process.figures(moments, [20, 40])
    spent = 1e3 * (moments[3].cpu - moments[2].cpu)
    assert found["ms_per_trial"][40] == pytest.approx(spent / 20)
    assert 0 < found["ms_per_trial"][20]


def test_a_line_of_the_table_says_how_much_dearer_the_last_trials_are():
    figures = {"sampler": "tpe", "rule": "asha", "branches": 1, "bytes_per_trial": 2000.0}
    line = pairs.line({**figures, "ms_per_trial": {"1000": 2.0, "10000": 2.5}}, [1000, 10_000])
    assert line.split() == ["tpe", "asha", "1", "2.00", "2.50", "1.25×", "2,000"]
