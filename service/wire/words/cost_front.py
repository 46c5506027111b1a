"""The table of score against cost, in words: the same wherever a verdict is laid out."""

from service.wire.views.cost_front import CostFront, CostStanding
from service.wire.words import numbers
from service.wire.words.finalists import Table

STANDING: dict[CostStanding, str] = {
    "front": "on the front",
    "open": "cannot be told from one that costs no more",
    "beaten": "beaten by one that costs no more",
}


def cost_table(front: CostFront, metric: str) -> Table:
    """A row for each point, the cheapest first.

    Args:
        metric: Of the score.
    """
    rows = [
        [
            point.name,
            point.branch,
            numbers.number(point.cost),
            numbers.score_with_interval(point.score, point.low, point.high, metric),
            STANDING[point.standing],
        ]
        for point in front.points
    ]
    return Table(("configuration", "branch", front.metric, "sealed", ""), rows)
