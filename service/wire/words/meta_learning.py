"""What meta-learning was worth, in words: the best finalist beside ways without it."""

from service.wire.views.result import StudyResult, WayWithout
from service.wire.words import numbers
from service.wire.words.finalists import Table
from service.wire.words.trivial import STANDINGS, name_of

TITLE = "What meta-learning was worth"
CAPTION = (
    "The best finalist beside ways that do not meta-learn, on the same sealed tasks: trained "
    "afresh as often, or trivial predictors. Differences are paired by task, with 95 % intervals."
)
HEADER = ("without meta-learning", "sealed", "best minus this", "so the best is", "trained for")
TRAINED = {
    "pretrain": "pretraining on all classes, fine-tuned",
    "pretrain_cosine": "pretraining with cosines, fine-tuned",
    "scratch": "training from scratch",
}
UNTRAINED = "not trained"
BROKEN = "no fresh training reached its end"


def way(row: WayWithout) -> str:
    """A way without meta-learning as people call it, and its name in the spec."""
    said = TRAINED.get(row.name) if row.trained else name_of(row.name)
    return row.name if said is None else f"{said} ({row.name})"


def worth_table(result: StudyResult | None) -> Table | None:
    """A row for each way; None where the spec names none."""
    if result is None or not result.without_meta_learning:
        return None
    return Table(HEADER, [_cells(row, result.metric) for row in result.without_meta_learning])


def _cells(row: WayWithout, metric: str) -> list[str]:
    spent = numbers.seconds(row.device_seconds) if row.trained else UNTRAINED
    sealed = BROKEN
    if row.sealed is not None:
        of = row.sealed
        sealed = numbers.score_with_interval(of.value, of.low, of.high, metric)
    return [way(row), sealed, _worth(row, metric), _standing(row), spent]


def _worth(row: WayWithout, metric: str) -> str:
    if row.difference is None:
        return "-"
    gap = row.difference
    limits = numbers.interval(gap.low, gap.high, metric)
    return f"{numbers.difference(gap.value, metric)} {limits}"


def _standing(row: WayWithout) -> str:
    return "-" if row.standing is None else STANDINGS[row.standing]


def worth_sentences(result: StudyResult) -> list[str]:
    """The same as a paragraph has it; nothing where the spec names no such way."""
    said = [_said(row, result.metric) for row in result.without_meta_learning]
    return [f"{TITLE}, best minus each way without it: {'; '.join(said)}."] if said else []


def _said(row: WayWithout, metric: str) -> str:
    if row.difference is None:
        return f"{row.name} has no sealed score"
    return f"{row.name} {_worth(row, metric)}, {_standing(row)}"
