"""The verdict in sentences."""

from typing import Any

import pytest

from service.report.pages.ci_summary import summary_page
from service.report.pages.sentences import headline
from service.wire.spec.study import StudySpec
from service.wire.views.report import StudyReport
from service.wire.views.result import StudyResult
from service.wire.words.judgement import verdict_sentences
from service.wire.words.verdict import compared
from tests.fakes.rows import result
from tests.fakes.specs import SPEC

BASE = StudySpec.model_validate(SPEC)
DEFAULTS = {
    "compared_with": "default",
    "branch": "maml",
    "params": {"inner_lr": 0.1, "inner_steps": 1, "order": "second"},
    "sealed": result(5)["finalists"][0]["sealed"] | {"score": 0.95},
    "difference": {"value": -0.3, "stderr": 0.05, "low": -0.4, "high": -0.2},
    "cost": {
        "search_device_seconds": 0.0, "fresh_device_seconds": 1.0,
        "search_meta_iterations": 0, "fresh_meta_iterations": 90,
    },
    "runs": [],
}  # fmt: skip
"""What the best of a verdict is compared with: worse than it."""


def verdict(*numbers: int, **changes: Any) -> list[str]:
    document = result(*numbers)
    document["finalists"][0] |= changes
    return verdict_sentences(BASE, StudyResult.model_validate(document))


def test_the_verdict_says_what_is_best_how_good_what_is_tied_and_how_much_was_luck() -> None:
    best, sealed, ties, optimism = verdict(5, 4, 7)
    assert best == (
        "The best configuration is trial 5 (maml): inner_lr=0.01 inner_steps=2 order=second."
    )
    assert "Trained afresh 2 times and judged on 400 sealed tasks" in sealed
    assert "mse 0.65, two-sided 95 % interval [0.5, 0.9] over tasks" in sealed
    assert ties == "Tied with it, as far as these tasks can tell: trial 4 (maml)."
    assert optimism == "The search itself had said 0.5: optimistic by 0.15."


def test_the_verdict_says_what_tuning_was_worth_in_the_words_of_the_command_line() -> None:
    study = StudyResult.model_validate({**result(5, 4), "comparison": DEFAULTS})
    assert study.comparison is not None
    assert "better" in compared(BASE, study, study.comparison)
    sentence = f"Compared with {compared(BASE, study, study.comparison)}."
    assert verdict_sentences(BASE, study).count(sentence) == 1


@pytest.mark.parametrize(("low", "said"), [(-0.1, ", which may be noise."), (0.05, " 0.15.")])
def test_an_optimism_whose_interval_includes_0_may_be_noise(low: float, said: str) -> None:
    spread = {"value": 0.15, "stderr": 0.1, "low": low, "high": 0.4}
    assert verdict(5, optimism_interval=spread)[-1].endswith(said)


def test_a_search_that_was_too_modest_was_pessimistic() -> None:
    assert verdict(5, optimism=-0.02)[-1].endswith("pessimistic by 0.02.")


def test_an_only_finalist_is_said_to_be_one() -> None:
    assert verdict(5)[2] == "It was the only finalist."


def test_finalists_that_could_not_be_trained_again_are_no_recommendation() -> None:
    (sentence,) = verdict(5, 4, sealed=None, optimism=None)
    assert sentence.startswith("No fresh training of any finalist reached its end")


def test_a_best_that_began_in_first_order_says_so() -> None:
    document = {**result(5), "first_order_until": 30}
    told = verdict_sentences(BASE, StudyResult.model_validate(document))
    assert told[1] == (
        "It has order second: first-order meta-gradients up to meta-iteration 30, second-order "
        "from there on; its fresh trainings did the same."
    )
    document["finalists"][0]["params"] = {**document["finalists"][0]["params"], "order": "first"}
    told = verdict_sentences(BASE, StudyResult.model_validate(document))
    assert not any("meta-gradients" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("state", "opening"),
    [
        ("running", "The study is running, so there is no verdict yet."),
        ("empty", "The study is queued, so there is no verdict yet."),
        ("failed", "The study failed: no finalist could be trained."),
    ],
)
def test_without_a_verdict_it_says_where_the_study_stands(
    state: str, opening: str, request: pytest.FixtureRequest
) -> None:
    told = headline(request.getfixturevalue(state))
    assert told.score is None
    assert told.sentences[0] == opening


def test_a_running_study_names_the_best_so_far_and_warns(running: StudyReport) -> None:
    text = " ".join(headline(running).sentences)
    assert "Best of maml so far: trial 5" in text and "it flatters" in text


def test_the_figure_is_the_sealed_score(completed: StudyReport) -> None:
    assert headline(completed)[:2] == ("0.65", "sealed mse [0.5, 0.9]")


@pytest.mark.parametrize("state", ["running", "completed"])
def test_warnings_about_the_study_come_last(state: str, request: pytest.FixtureRequest) -> None:
    report: StudyReport = request.getfixturevalue(state)
    assert not any("Warning" in sentence for sentence in headline(report).sentences)
    study = report.study.model_copy(update={"warnings": ["branch maml has nothing to search"]})
    warned = report.model_copy(update={"study": study})
    told = "Warning: branch maml has nothing to search."
    assert headline(warned).sentences == [*headline(report).sentences, told]
    assert told in summary_page(warned, None)


def test_a_best_that_was_kept_says_when_and_that_its_search_flatters() -> None:
    document = {**result(5), "keep": "best"}
    finalist = document["finalists"][0]
    finalist["search"] = {**finalist["search"], "kept_at": [40]}
    finalist["runs"] = [{**run, "kept_at": 60} for run in finalist["runs"]]
    told = verdict_sentences(BASE, StudyResult.model_validate(document))
    assert told[1].startswith("The model that counts is the best of each training's rungs")
    assert "best at meta-iteration 40 in the search, 60" in told[1]
    assert any("of the best of its rungs" in one for one in told if "The search itself" in one)
    plain = " ".join(verdict_sentences(BASE, StudyResult.model_validate(result(5))))
    assert "rungs" not in plain
