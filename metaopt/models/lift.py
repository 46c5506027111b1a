"""The record of somebody's `torch.nn.Module`: a kind of model as those of the registry."""

from copy import deepcopy
from functools import cache

import torch

from metaopt.errors import InvalidModel, in_words
from metaopt.messages import shown
from metaopt.models.kind import ModelKind, adapt_option
from metaopt.models.lifted import Lifted
from metaopt.models.modules import AnyModule, Build, builder, seeded
from metaopt.models.proof import prove
from metaopt.options import Options


def lift(module: AnyModule, *, adapt: str = "all") -> ModelKind:
    """A kind of model whose lanes are computed by a module's forward pass.

    `train` and `Population` lift a module that is given as their model by themselves; this is for
    who wants to choose what inner steps move.  Its first use for tasks of a shape proves it
    (`metaopt.models.proof`).

    Args:
        module: A class of modules, called as `MyNet(input_shape, outputs)` if its signature takes
            these and else as `MyNet()`; or a function of the two.  Every trial's initial weights
            are what it draws by torch's generator, started from the trial's key.  Or a module,
            with whose weights every trial begins.
        adapt: Which parameters inner steps move: "all"; "head", those of the last layer that has
            any; "body", all but these; or a pattern of their names, as "blocks.3.*".  The outer
            step moves all.

    Returns:
        Its record, named after the class or the function.

    Raises:
        InvalidModel: it is none, or cannot be copied; `adapt` is no text.

    Example:
        >>> kind = lift(torch.nn.Linear(3, 2), adapt="all")
        >>> kind.make(kind.complete({}), (3,), 2).shapes
        {'weight': (2, 3), 'bias': (2,)}
    """
    if not callable(module):
        raise InvalidModel(f"lift takes a module, its class or a function, got {shown(module)}")
    name = getattr(module, "__name__", None) or type(module).__name__
    source = _copy(module) if isinstance(module, torch.nn.Module) else module

    @cache
    def made(input_shape: tuple[int, ...], outputs: int, adapt: str) -> Lifted:
        return proved(name, builder(source, input_shape, outputs), input_shape, outputs, adapt)

    def make(options: Options, input_shape: tuple[int, ...], outputs: int) -> Lifted:
        return made(tuple(input_shape), outputs, options["adapt"])

    return ModelKind(
        name=name,
        doc="A module of your own.",
        options=(adapt_option(adapt),),
        make=make,
        batch_statistics=True,  # for all that is known without building one
    )


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    try:
        return deepcopy(module)
    except Exception as error:
        raise InvalidModel(
            f"{type(module).__name__} cannot be copied, give its class instead: {in_words(error)}"
        ) from error


def proved(
    name: str, build: Build, input_shape: tuple[int, ...], outputs: int, adapt: str
) -> Lifted:
    """The module that `build` makes as a model, compared with a plain loop.

    Raises:
        InvalidModel: `build` makes no module, it fits the tasks' shapes not, or cannot be lifted.
    """
    try:
        made = seeded(build, 0)
    except Exception as error:  # of somebody's constructor
        raise InvalidModel(
            f"model {name} cannot be made for inputs of shape {input_shape} and {outputs} outputs: "
            f"{in_words(error)}"
        ) from error
    if not isinstance(made, torch.nn.Module):
        raise InvalidModel(f"{name} must return a torch.nn.Module, got {shown(made)}")
    model = Lifted(name, build, input_shape, outputs, adapt=adapt)
    prove(model)
    return model
