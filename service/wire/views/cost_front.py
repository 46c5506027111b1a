"""What a verdict's configurations score beside what an adaptation with them costs."""

from typing import Literal

from service.wire.base import BranchAlgorithm
from service.wire.views.judged import ResultPart

CostStanding = Literal["front", "open", "beaten"]


class CostPoint(ResultPart):
    """A finalist, or what the finalists are compared with, which has no `trial_number`.

    `cost` is the mean over its fresh trainings, `score` with its interval the sealed one.
    `standing` is `front` where nothing that costs as little has a better score, and nothing that
    costs less as good a one; `beaten` where something that costs no more is better beyond the
    interval of their difference, paired by task; and `open` where that cannot be told.
    """

    name: str
    trial_number: int | None
    branch: str
    algorithm: BranchAlgorithm
    cost: float
    score: float
    low: float
    high: float
    standing: CostStanding


class CostFront(ResultPart):
    """The points, the cheapest first; `metric` is the cost (`verdict.cost`)."""

    metric: str
    points: list[CostPoint]
