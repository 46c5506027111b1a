"""How the best finalist stands to trivial predictors, in words."""

from service.wire.views.result import StudyResult, TrivialPredictor, TrivialReference
from service.wire.words import numbers

NAMES = {
    "support_mean": "the mean of the support set",
    "ridge": "ridge regression on the support set",
    "class_frequencies": "guessing by the class frequencies of the support set",
    "nearest_mean": "the nearest class mean of the support set",
}
STANDINGS = {"better": "better", "not_told_apart": "cannot be told apart", "worse": "worse"}


def name_of(predictor: str) -> str:
    """A predictor as people call it."""
    return NAMES.get(predictor, predictor.replace("_", " "))


def conclusion(reference: TrivialReference) -> str:
    """What it means for the winner, without a full stop."""
    if reference.answer == "better":
        return "better than every trivial predictor"
    named = next(each for each in reference.predictors if each.standing != "better")
    if reference.answer == "open":
        return f"not shown to be better than {name_of(named.name)}"
    as_good = "better" if named.standing == "worse" else "as good"
    return f"useless: {name_of(named.name)} is {as_good}"


def beside(predictor: TrivialPredictor, metric: str) -> str:
    """A predictor's score, and the difference of the best finalist to it."""
    gap = predictor.difference
    return (
        f"{name_of(predictor.name)}: sealed {numbers.score(predictor.sealed.value, metric)}; best "
        f"minus this {numbers.difference(gap.value, metric)} "
        f"{numbers.interval(gap.low, gap.high, metric)}: {STANDINGS[predictor.standing]}"
    )


def trivial_lines(result: StudyResult) -> list[str]:
    """What it means, then each predictor; nothing where none was scored."""
    reference = result.trivial
    if reference is None:
        return []
    predictors = [beside(each, result.metric) for each in reference.predictors]
    return [f"beside trivial predictors: {conclusion(reference)}", *predictors]


def trivial_sentences(result: StudyResult) -> list[str]:
    """The same as a paragraph has it."""
    reference = result.trivial
    if reference is None:
        return []
    said = conclusion(reference)
    listed = ". ".join(_begun(beside(each, result.metric)) for each in reference.predictors)
    return [f"{_begun(said)}. On the same tasks: {listed[:1].lower()}{listed[1:]}."]


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
