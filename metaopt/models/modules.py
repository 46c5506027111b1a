"""Somebody's `torch.nn.Module`: made from a key, called with other weights, watched as it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from fnmatch import filter as matching
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy

from metaopt.errors import InvalidModel
from metaopt.messages import shown
from metaopt.models.constructor import constructor_of

Build = Callable[[], Any]
"""Makes a module, drawing its initial weights from torch's generator."""

AnyModule = nn.Module | type[nn.Module] | Callable[[tuple[int, ...], int], nn.Module]
"""A module, its class, or a function (input_shape, outputs) that makes one."""


def is_module(model: object) -> bool:
    """Whether it is a module or a class of modules."""
    return isinstance(model, nn.Module) or (
        isinstance(model, type) and issubclass(model, nn.Module)
    )


def builder(
    source: Any,
    input_shape: tuple[int, ...],
    outputs: int,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Build:
    """How the module of `source` is made for tasks of these shapes.

    A module is copied with its weights.  A class is called with what its signature takes
    (`metaopt.models.constructor`).

    Args:
        options: Further arguments of a class.
    """
    if isinstance(source, nn.Module):
        return lambda: deepcopy(source)
    if not isinstance(source, type):
        return lambda: source(input_shape, outputs)
    constructor = constructor_of(source)
    return lambda: constructor.call(source, input_shape, outputs, deepcopy(dict(options)))


def seeded(build: Build, key: int) -> Any:
    """What `build` makes when torch's CPU generator starts from `key`; it is put back then."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(key)
        return build()


def fresh(build: Build, key: int, input_shape: tuple[int, ...]) -> nn.Module:
    """The module that `build` makes from `key`, on the CPU; lazy layers have found their sizes."""

    def whole() -> nn.Module:
        module: nn.Module = build()
        if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
            module(torch.zeros(2, *input_shape))
        return module.cpu()

    made: nn.Module = seeded(whole, key)
    return made


def call(module: nn.Module, tensors: Mapping[str, Tensor], x: Tensor) -> Any:
    """What `module` gives for inputs x (N, …) with these parameters and buffers."""
    return functional_call(module, dict(tensors), (x,))


@contextmanager
def differentiable_twice(recurrent: bool = False) -> Iterator[None]:
    """Let layers take the form that has second derivatives: fused ones have only first ones.

    An operation that `vmap` computes in a loop of its own, as few as those are, does so silently.

    Args:
        recurrent: The module has LSTMs or the like, whose fused form on a GPU is cuDNN's.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    _warn_of_loops(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            with torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext():
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        _warn_of_loops(True)


_warn_of_loops: Callable[[bool], None] = getattr(
    torch._C._functorch, "_set_vmap_fallback_warning_enabled", lambda warn: None
)  # private, and its default is True


def left_alone(model: str, names: list[str], adapt: str) -> frozenset[str]:
    """The parameters that inner steps do not move.

    Args:
        model: Its name, for the message.
        names: Of its parameters, in their order.
        adapt: "all"; "head", those of the last layer that has any; "body", all but these; or a
            pattern of names (`fnmatch`), as "blocks.3.*".

    Raises:
        InvalidModel: no parameter is left to move.
    """
    head = last_layer(names)
    named = {"all": names, "head": head, "body": [name for name in names if name not in head]}
    moved = named[adapt] if adapt in named else matching(names, adapt)
    if not moved:
        raise InvalidModel(
            f"adapt = {shown(adapt)} moves no parameter of {model}: it must be all, head, body or "
            f"a pattern of {', '.join(names[:12])}{'…' if len(names) > 12 else ''}"
        )
    return frozenset(names) - frozenset(moved)


def last_layer(names: list[str]) -> tuple[str, ...]:
    """Those of a module's parameters, in their order, that the last layer has which has any."""
    return tuple(name for name in names if layer_of(name) == layer_of(names[-1]))


def layer_of(name: str) -> str:
    """The layer that a parameter belongs to."""
    layer, parametrized, _ = name.partition(".parametrizations.")
    return layer if parametrized else name.rpartition(".")[0]


class Watch:
    """Says which layer of a module ran when something happened, once it has run within `with`.

    `drew` is the innermost layer that drew random numbers first, `inside` the innermost one that
    was running when an error came; None where there is none.  `inputs` are the arguments and named
    arguments of every layer's first call.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.drew: str | None = None
        self.inputs: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._running: list[tuple[str, Tensor]] = []

    @property
    def inside(self) -> str | None:
        """The innermost layer that was still running."""
        return self._running[-1][0] if self._running else None

    def __enter__(self) -> "Watch":
        """Begin to watch."""
        self._hooks = []
        for name, layer in self.module.named_modules():
            described = layer_name(name, layer)
            self._hooks += [
                layer.register_forward_pre_hook(self._before(name, described), with_kwargs=True),
                layer.register_forward_hook(self._after),
            ]
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the module as it was."""
        for hook in self._hooks:
            hook.remove()

    def _before(self, name: str, described: str) -> Callable[..., None]:
        def hook(layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            self.inputs.setdefault(name, (given, named))
            self._running.append((described, torch.get_rng_state()))

        return hook

    def _after(self, layer: nn.Module, given: object, got: object) -> None:
        described, state = self._running.pop()
        if self.drew is None and not torch.equal(state, torch.get_rng_state()):
            self.drew = described


def layer_name(name: str, layer: nn.Module) -> str:
    """A layer as messages call it."""
    kind = type(layer).__name__
    return f"layer {name} ({kind})" if name else f"the forward of {kind}"
