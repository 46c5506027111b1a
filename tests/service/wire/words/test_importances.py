"""Importances in words: what is chance says so, and is behind what is not."""

from service.wire.views.report import BranchImportances
from service.wire.words.importances import answer, rows

TESTED = {
    "branch": "maml",
    "trials": 40,
    "resamples": 200,
    "permutations": 999,
    "parameters": [
        {"parameter": "a", "share": 0.4, "low": 0.2, "high": 0.6, "chance": 0.05,
         "more_than_chance": True},
        {"parameter": "b", "share": 0.3, "low": 0.1, "high": 0.5, "chance": 0.05,
         "more_than_chance": True},
        {"parameter": "c", "share": 0.01, "low": 0.0, "high": 0.04, "chance": 0.05,
         "more_than_chance": False},
    ],
    "pairs": [
        {"parameters": ["a", "b"], "share": 0.5, "low": 0.3, "high": 0.7, "chance": 0.1},
    ],
}  # fmt: skip


def test_pairs_stand_between_what_is_more_than_chance_and_what_is_not() -> None:
    listed = rows(BranchImportances.model_validate(TESTED))
    assert [row.label for row in listed] == ["a", "b", "a × b", "c"]
    assert answer(listed[2]) == "more than chance (up to 10.0 %)"
    assert answer(listed[3]) == "no more than chance (up to 5.0 %)"


def test_a_report_from_before_chance_was_tested_is_read_and_claims_nothing() -> None:
    old = {
        "branch": "maml",
        "trials": 40,
        "resamples": 100,
        "parameters": [{"parameter": "c", "share": 0.7, "low": 0.2, "high": 0.8}],
        "reason": None,
    }
    (row,) = rows(BranchImportances.model_validate(old))
    assert row.label == "c" and answer(row) == ""
