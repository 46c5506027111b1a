"""How a class of modules is called: where the shapes go, and which options it takes.

Net(input_shape, outputs, hidden=64)      shapes by name, an option hidden
Net(shape, classes, hidden=64)            the first two that it demands are the shapes
Net(hidden=64)                            no shapes
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, NamedTuple

SHAPES = ("input_shape", "outputs")
_IN_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Constructor(NamedTuple):
    """What the signature of a class says.

    Args:
        in_place: Whether its first two arguments are input shape and outputs.
        by_name: Which of `SHAPES` it takes by name.
        options: Its other parameters.
        takes_any: Whether it takes options of any name.
    """

    in_place: bool
    by_name: tuple[str, ...]
    options: tuple[Parameter, ...]
    takes_any: bool

    def call(
        self,
        source: Callable[..., Any],
        input_shape: tuple[int, ...],
        outputs: int,
        options: Mapping[str, Any],
    ) -> Any:
        """What `source` makes for tasks of these shapes."""
        if self.in_place:
            return source(input_shape, outputs, **options)
        shapes = dict(zip(SHAPES, (input_shape, outputs), strict=True))
        return source(**{name: shapes[name] for name in self.by_name}, **options)


def constructor_of(source: Callable[..., Any]) -> Constructor:
    """How `source` is called.

    Raises:
        ValueError: it has no signature.
    """
    every = list(signature(source).parameters.values())
    by_name = tuple(n for n in SHAPES if any(p.name == n and p.kind in _BY_NAME for p in every))
    first = [p for p in every if p.kind in _IN_PLACE][:2]
    # Both are demanded, and neither stands where the other should.
    shapes = len(first) == 2 and all(p.default is Parameter.empty for p in first)
    swapped = shapes and (first[0].name == SHAPES[1] or first[1].name == SHAPES[0])
    in_place = len(by_name) < 2 and shapes and not swapped
    if in_place:
        by_name = ()
    taken = {p.name for p in first} if in_place else set(by_name)
    return Constructor(
        in_place,
        by_name,
        tuple(
            p
            for p in every
            if p.name not in taken
            and p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        ),
        any(p.kind is Parameter.VAR_KEYWORD for p in every),
    )
