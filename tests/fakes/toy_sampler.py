"""A sampler of somebody else, as one declaration: halfway from the best point to an end."""

from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.space import Choice, Float, Int


class Halving:
    """Suggests points halfway from the best one, at first the middle, to one end or the other."""

    def __init__(self, problem: Problem) -> None:
        self._ranges: dict[str, Float | Int] = {
            name: d for name, d in problem.space.items() if not isinstance(d, Choice)
        }
        self._points: dict[int, Params] = {}
        self._losses: dict[int, float] = {}

    def suggest(self, index: int) -> Params:
        return {name: self._value(name, d, index) for name, d in self._ranges.items()}

    def begin(self, index: int, params: Params) -> None:
        self._points[index] = params

    def tell(self, index: int, end: End) -> None:
        if end.loss is not None:
            self._losses[index] = end.loss

    def _value(self, name: str, dimension: Float | Int, index: int) -> float | int:
        far = dimension.high if index % 2 else dimension.low
        best = min(self._losses, key=lambda trial: self._losses[trial], default=None)
        near = (dimension.low + dimension.high) / 2 if best is None else self._points[best][name]
        middle = (float(near) + far) / 2
        return int(middle) if isinstance(dimension, Int) else middle


def check(problem: Problem) -> str | None:
    choices = [name for name, d in problem.space.items() if isinstance(d, Choice)]
    if not choices:
        return None
    return (
        f"sampler toy searches ranges only, {choices[0]} (branch {problem.branch}) has choices: "
        "give it one value or a range, or take sampler tpe"
    )


TOY = SamplerKind("toy", Halving, adaptive=True, check=check)
