"""Halfway from the best point, at first the middle, to one end or the other."""

from metaopt.search.samplers.kind import SamplerKind
from metaopt.search.space import Choice, Int


class Halving:
    def __init__(self, problem):
        self._ranges, self._points, self._losses = dict(problem.space), {}, {}

    def suggest(self, index):
        return {name: self._value(name, d, index) for name, d in self._ranges.items()}

    def begin(self, index, params):
        self._points[index] = params

    def tell(self, index, end):
        if end.loss is not None:
            self._losses[index] = end.loss

    def _value(self, name, dimension, index):
        far = dimension.high if index % 2 else dimension.low
        best = min(self._losses, key=self._losses.get, default=None)
        near = (dimension.low + dimension.high) / 2 if best is None else self._points[best][name]
        middle = (near + far) / 2
        return int(middle) if isinstance(dimension, Int) else middle


def _check(problem):
    choices = [name for name, d in problem.space.items() if isinstance(d, Choice)]
    if choices:
        return f"sampler halving searches ranges only, {choices[0]} has choices: take sampler tpe"


KIND = SamplerKind("halving", Halving, adaptive=True, check=_check)
