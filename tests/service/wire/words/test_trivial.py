"""How a verdict beside trivial predictors is said."""

from typing import Any

import pytest

from service.wire.views.result import StudyResult
from service.wire.words.trivial import trivial_lines, trivial_sentences
from tests.fakes.rows import result, trivial


def said(answer: str, **standings: str) -> StudyResult:
    document: dict[str, Any] = result(5)
    return StudyResult.model_validate({**document, "trivial": trivial(answer, **standings)})


@pytest.mark.parametrize(
    ("answer", "ridge", "words"),
    [
        ("better", "better", "better than every trivial predictor"),
        ("open", "not_told_apart", "not shown to be better than ridge regression on the support"),
        ("useless", "not_told_apart", "useless: ridge regression on the support set is as good"),
        ("useless", "worse", "useless: ridge regression on the support set is better"),
    ],
)
def test_the_answer_comes_first_then_each_predictor(answer: str, ridge: str, words: str) -> None:
    first, one, other = trivial_lines(said(answer, ridge=ridge, support_mean="better"))
    assert first.startswith(f"beside trivial predictors: {words}")
    standing = {"not_told_apart": "cannot be told apart"}.get(ridge, ridge)
    assert one == (
        "ridge regression on the support set: sealed 4; best minus this -3.35 [-3.5, -3.2]: "
        + standing
    )
    assert other.startswith("the mean of the support set: sealed 4; ")


def test_a_paragraph_says_the_same_in_sentences() -> None:
    (sentence,) = trivial_sentences(said("useless", support_mean="not_told_apart"))
    assert sentence == (
        "Useless: the mean of the support set is as good. On the same tasks: the mean of the "
        "support set: sealed 4; best minus this -3.35 [-3.5, -3.2]: cannot be told apart."
    )


def test_a_verdict_from_before_says_nothing_and_an_unknown_predictor_has_its_name() -> None:
    old = StudyResult.model_validate(result(5))
    assert trivial_lines(old) == trivial_sentences(old) == []
    assert (
        "useless: my own is as good" in trivial_lines(said("useless", my_own="not_told_apart"))[0]
    )
