"""The automatic choice: which sampler serves which ask.

    quasi-random points       until `startup_trials` of the branch have ended
    the Gaussian process      then, for the first 40 asks, where every dimension is a range, there
                              is one objective, and no trial was stopped or paused before its end
    TPE                       otherwise

All of them learn from all trials, whoever suggested them.
"""

from collections.abc import Mapping

from metaopt.search.samplers import gp, qmc, tpe
from metaopt.search.samplers.gp import Gp
from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.kind import Problem, Sampler, SamplerKind
from metaopt.search.samplers.qmc import Qmc
from metaopt.search.space import Choice, Dimension

# An ask of the process costs what it has seen, squared to cubed, and its lead over TPE, where it
# has one, is in the first dozens of trials.  Choices have no distance that its kernel could use.
# Where pruning leaves few trials complete, it models a low rung and crowds what is best there.  On
# tables of real trainings TPE, which ranks trials by how far they came, needs less: docs/search.md.
GP_TRIALS = 40


class Auto:
    """Suggests by the sampler that suits what is known so far.

    Args:
        space: What is searched.
        start, gp, tpe: The samplers.
        several: Whether there are several objectives, which the process does not know.
    """

    def __init__(
        self,
        space: Mapping[str, Dimension],
        *,
        start: Qmc,
        gp: Gp,
        tpe: Sampler,
        several: bool = False,
    ) -> None:
        """Begin without trials."""
        has_choices = any(isinstance(space[name], Choice) for name in space)
        self._suits_gp = not (has_choices or several)
        self._start, self._gp, self._tpe = start, gp, tpe
        self._all_whole = True
        self._asks = 0

    def suggest(self, index: int) -> Params:
        """What the sampler of this ask suggests."""
        return self._sampler(index).suggest(index)

    def slow_asks(self, index: int, count: int) -> int:
        """How many of the next `count` asks the Gaussian process serves."""
        return min(count, GP_TRIALS - index) if self._by_gp(index) else 0

    def copy(self) -> Gp:
        """A copy of the process, which serves the slow asks."""
        return self._gp.copy()

    def begin(self, index: int, params: Params) -> None:
        """Let both models know of the trial."""
        self._gp.begin(index, params)
        self._tpe.begin(index, params)
        self._asks = index + 1
        self._let_gp_forget()

    def tell(self, index: int, end: End) -> None:
        """Let both models know of its end."""
        self._all_whole &= end.outcome not in ("pruned", "paused")
        self._gp.tell(index, end)
        self._tpe.tell(index, end)
        self._let_gp_forget()

    def _let_gp_forget(self) -> None:
        """Once the process serves no ask any more, it need not know any trial."""
        if not (self._suits_gp and self._all_whole and self._asks < GP_TRIALS):
            self._gp.ask_no_more()

    def _sampler(self, index: int) -> Sampler:
        if not self._gp.ready():
            return self._start
        return self._gp if self._by_gp(index) else self._tpe

    def _by_gp(self, index: int) -> bool:
        suits = self._suits_gp and self._all_whole and index < GP_TRIALS
        return suits and self._gp.ready()


def make(problem: Problem) -> Auto:
    """All three, with the seeds that each has alone."""
    return Auto(
        problem.space,
        start=qmc.make(problem),
        gp=gp.make(problem),
        tpe=tpe.make(problem),
        several=problem.goals.several,
    )


KIND = SamplerKind(
    "auto", make, adaptive=True, options=("startup_trials",), several=True, slow=True
)
