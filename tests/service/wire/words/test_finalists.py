"""The table of finalists: the same cells, joined or side by side."""

from typing import Any

import pytest

from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult
from service.wire.words.finalists import COLUMNS, joined, side_by_side
from tests.fakes.rows import SPEC, result

ESTIMATE = {"value": 0.15, "stderr": 0.05, "low": 0.05, "high": 0.25}
SCORES = {"rank": "rank", "sealed": "sealed", "optimism": "optimism", "to_best": "minus best"}


@pytest.fixture
def spec() -> StudySpec:
    return StudySpec.model_validate(SPEC)


@pytest.fixture
def verdict() -> StudyResult:
    """The first of two finalists knows its optimism, the second could not be trained again."""
    document: dict[str, Any] = result(5, 4)
    best, second = document["finalists"]
    best |= {"optimism_interval": ESTIMATE}
    second |= {"sealed": None, "optimism": None, "to_best": ESTIMATE, "search_rank": 1}
    second["runs"] = [{"trial_number": 9, "status": "diverged", "score": None, "cause": "nan"}]
    return StudyResult.model_validate(document)


def test_intervals_stand_behind_their_texts(spec: StudySpec, verdict: StudyResult) -> None:
    table = joined(spec, verdict, SCORES, absent="–")
    assert table.header == ("rank", "sealed", "optimism", "minus best")
    assert table.rows == [
        ["1", "0.65 [0.5, 0.9]", "+0.15 [0.05, 0.25]", "–"],
        ["2", "–", "–", "+0.15 [0.05, 0.25]"],
    ]


def test_intervals_stand_in_columns_of_their_own(spec: StudySpec, verdict: StudyResult) -> None:
    table = side_by_side(spec, verdict, SCORES, absent="-")
    assert table.header == ("rank", "sealed", "95 %", "optimism", "95 %", "minus best", "95 %")
    assert table.rows == [
        ["1", "0.65", "[0.5, 0.9]", "+0.15", "[0.05, 0.25]", "-", "-"],
        ["2", "-", "-", "-", "-", "+0.15", "[0.05, 0.25]"],
    ]


def test_every_column_has_a_cell_for_every_finalist(spec: StudySpec, verdict: StudyResult) -> None:
    table = joined(spec, verdict, {name: name for name in COLUMNS}, absent="–")
    best, second = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert best["tied"] == "best" and best["parameters"].startswith("inner_lr=")
    assert (best["broken_runs"], second["broken_runs"]) == ("–", "seed 1 diverged")
    assert (best["search_rank"], second["search_rank"]) == ("–", "1")
    assert best["optimism_in_points"] == "+0.15"


def test_a_finalist_of_which_nothing_was_searched_has_no_parameters(
    spec: StudySpec, verdict: StudyResult
) -> None:
    fixed = [branch.model_copy(update={"space": {}}) for branch in spec.branches]
    table = joined(
        spec.model_copy(update={"branches": fixed}), verdict, {"parameters": ""}, absent="–"
    )
    assert table.rows == [["–"], ["–"]]
