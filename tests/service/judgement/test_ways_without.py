"""What meta-learning was worth, from scores."""

from dataclasses import replace

import pytest

from service.judgement.verdict import Beside, SearchTrial, study_result
from service.wire.views.result import StudyResult
from tests.fakes.specs import PARAMS as ALL
from tests.fakes.specs import small_spec
from tests.service.judgement.test_trivial import DIFFICULTY, run

PARAMS = ALL["maml"]
FOUND = SearchTrial(0, "maml", "completed", PARAMS, 2.0, 1.0, 9, 1.5, 2.5)


def judged(*names: str, gap: float = 0.5, status: str = "completed") -> StudyResult:
    """A winner beside ways whose losses are higher by a gap, on the same tasks."""
    worse = [loss + gap + 0.01 * (i % 3) for i, loss in enumerate(DIFFICULTY)]
    training = replace(run(worse), source_trial_number=None, status=status)
    trained = [name for name in names if name in ("default", "pretrain", "scratch")]
    return study_result(
        small_spec(verdict={"compare": list(names)}),
        [FOUND],
        [run(DIFFICULTY)] * 2,
        beside=[
            Beside(n, "maml" if n == "default" else n, PARAMS, [training] * 2) for n in trained
        ],
        counts={},
        trivial={"ridge": [2 * loss for loss in DIFFICULTY], "support_mean": DIFFICULTY},
        wall_seconds=1.0,
    )


def test_each_way_has_a_row_in_the_order_of_the_spec() -> None:
    result = judged("ridge", "default", "scratch", "support_mean", "pretrain")
    rows = result.without_meta_learning
    assert [row.name for row in rows] == ["ridge", "scratch", "support_mean", "pretrain"]
    assert [row.trained for row in rows] == [False, True, False, True]
    assert [row.standing for row in rows] == ["better", "better", "not_told_apart", "better"]
    assert rows[1].difference is not None
    assert rows[1].difference.value == pytest.approx(-0.51, abs=0.005)
    assert rows[1].difference.low < -0.51 < rows[1].difference.high < 0.0
    assert rows[1].device_seconds == 2.0
    assert result.comparison is not None and result.comparison.compared_with == "default"
    assert [each.compared_with for each in result.comparisons] == ["scratch", "pretrain"]


def test_a_way_may_be_better_than_meta_learning() -> None:
    (row,) = judged("pretrain", gap=-0.5).without_meta_learning
    assert row.standing == "worse" and row.difference is not None and row.difference.low > 0.0


def test_a_way_that_cannot_be_trained_has_no_score() -> None:
    (row,) = judged("scratch", status="diverged").without_meta_learning
    assert (row.sealed, row.difference, row.standing) == (None, None, None)


def test_ways_do_not_change_what_the_defaults_are_told() -> None:
    alone, among = judged("default"), judged("default", "scratch", "ridge")
    assert alone.comparison == among.comparison and alone.finalists == among.finalists
    assert alone.without_meta_learning == alone.comparisons == []
