"""What meta-learning was worth, in words, wherever a verdict is laid out."""

from typing import Any

from service.wire.views.result import StudyResult
from service.wire.words.judgement import verdict_sentences
from service.wire.words.meta_learning import worth_sentences, worth_table
from tests.fakes.rows import result
from tests.service.report.pages.test_sentences import BASE, DEFAULTS

ESTIMATE = {"value": 0.95, "stderr": 0.1, "low": 0.8, "high": 1.1}
GAP = {"value": -0.3, "stderr": 0.05, "low": -0.4, "high": -0.2}


def way(name: str, **changes: Any) -> dict[str, Any]:
    given = {"sealed": ESTIMATE, "difference": GAP, "standing": "better", "device_seconds": 8.0}
    return {"name": name, "trained": True, **given, **changes}


def verdict(*rows: dict[str, Any]) -> StudyResult:
    scratch = {**DEFAULTS, "compared_with": "scratch", "branch": "scratch"}
    found = {"comparison": DEFAULTS, "comparisons": [scratch], "without_meta_learning": list(rows)}
    return StudyResult.model_validate({**result(5, 4), **found})


WAYS = (
    way("scratch"),
    way("ridge", trained=False, standing="not_told_apart"),
    way("nets.big", sealed=None, difference=None, standing=None),
)


def test_a_row_has_both_intervals_and_what_they_mean() -> None:
    table = worth_table(verdict(*WAYS))
    assert table is not None
    assert table.rows == [
        ["training from scratch (scratch)", "0.95 [0.8, 1.1]", "-0.3 [-0.4, -0.2]", "better",
         "8.0 s"],
        ["ridge regression on the support set (ridge)", "0.95 [0.8, 1.1]", "-0.3 [-0.4, -0.2]",
         "cannot be told apart", "not trained"],
        ["nets.big", "no fresh training reached its end", "-", "-", "8.0 s"],
    ]  # fmt: skip
    assert worth_table(verdict()) is None and worth_table(None) is None


def test_a_sentence_says_it_once_and_tuning_has_its_own() -> None:
    found = verdict(*WAYS)
    (said,) = worth_sentences(found)
    assert said == (
        "What meta-learning was worth, best minus each way without it: scratch -0.3 [-0.4, -0.2], "
        "better; ridge -0.3 [-0.4, -0.2], cannot be told apart; nets.big has no sealed score."
    )
    sentences = verdict_sentences(BASE, found)
    assert sentences.count(said) == 1
    assert sum(sentence.startswith("Compared with") for sentence in sentences) == 1
    assert worth_sentences(verdict()) == []
