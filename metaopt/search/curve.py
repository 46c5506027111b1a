"""The curve of a search: its losses in the order of its asks, and the least of the first so many.

                      3 trials, least 0.2
              ┌───────────────┴──────────────┐
         2, least 0.4                    1, least 0.2
      ┌───────┴───────┐              ┌───────┴───────┐
    0.4            no loss         0.2            (no trial)

A node of the tree says how many trials of its part there are, what they cost together, and the
least of their losses.  So a trial that comes, changes or goes costs a way to the root, and so does
a question.
"""

import math
from array import array
from collections.abc import Sequence


class LossCurve:
    """Losses by ask; a trial may have none, as after divergence.

    Args:
        losses: Of the first asks.

    Example:
        >>> curve = LossCurve([0.4, None, 0.2])
        >>> len(curve), curve.least(), curve.least_of_first(2)
        (3, 0.2, 0.4)
    """

    def __init__(self, losses: Sequence[float | None] = ()) -> None:
        self._asks = 1  # that the tree has leaves for
        self._trials, self._least = array("l", [0, 0]), array("d", [math.inf, math.inf])
        self._costs = array("d", [0.0, 0.0])
        for ask, loss in enumerate(losses):
            self.put(ask, loss)

    def __len__(self) -> int:
        return self._trials[1]

    @property
    def cost(self) -> float:
        """What all trials cost together."""
        return self._costs[1]

    def put(self, ask: int, loss: float | None, cost: float = 0.0) -> None:
        """Have the trial of an ask, with this loss, and what it has cost."""
        while ask >= self._asks:
            self._grow()
        self._set(ask, 1, math.inf if loss is None else loss, cost)

    def drop(self, ask: int) -> None:
        """Have no trial of an ask."""
        if ask < self._asks:
            self._set(ask, 0, math.inf, 0.0)

    def least(self) -> float | None:
        """The least loss, if there is any."""
        return _known(self._least[1])

    def least_of_first(self, count: int) -> float | None:
        """The least loss of the first `count` trials, fewer than there are; if there is any."""
        node, least = 1, math.inf
        while node < self._asks:
            node *= 2
            if self._trials[node] <= count:
                count -= self._trials[node]
                least = min(least, self._least[node])
                node += 1
        return _known(least)

    def least_within(self, cost: float) -> float | None:
        """The least loss of the first trials that cost no more than that together, if any."""
        node, least = 1, math.inf
        if self._costs[1] <= cost:
            return self.least()
        while node < self._asks:
            node *= 2
            if self._costs[node] <= cost:
                cost -= self._costs[node]
                least = min(least, self._least[node])
                node += 1
        return _known(least)

    def _set(self, ask: int, trials: int, least: float, cost: float) -> None:
        node = self._asks + ask
        self._trials[node], self._least[node], self._costs[node] = trials, least, cost
        while node > 1:
            node //= 2
            left, right = 2 * node, 2 * node + 1
            self._trials[node] = self._trials[left] + self._trials[right]
            self._least[node] = min(self._least[left], self._least[right])
            self._costs[node] = self._costs[left] + self._costs[right]

    def _grow(self) -> None:
        """Make room for twice as many asks: what was the root is the left half of a new one."""
        trials, least, costs = array("l", [0]), array("d", [math.inf]), array("d", [0.0])
        trials.append(self._trials[1])
        least.append(self._least[1])
        costs.append(self._costs[1])
        width = 1
        while width <= self._asks:
            trials.extend([*self._trials[width : 2 * width], *[0] * width])
            least.extend([*self._least[width : 2 * width], *[math.inf] * width])
            costs.extend([*self._costs[width : 2 * width], *[0.0] * width])
            width *= 2
        self._asks, self._trials, self._least = 2 * self._asks, trials, least
        self._costs = costs


def _known(loss: float) -> float | None:
    return loss if loss < math.inf else None
