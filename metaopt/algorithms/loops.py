"""A loop over inner steps that keeps no graph, and stays a loop in a compiled program.

Unrolled, a program grows with the number of steps and so does the time to compile it.  Here the
program holds one step, run as often as the lanes need.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx
from torch.utils import _pytree as pytree

from metaopt.models.base import being_compiled

State = TypeVar("State")
Constants = TypeVar("Constants")


def repeat(
    step: Callable[[Tensor, State, Constants], State],
    state: State,
    constants: Constants,
    times: Tensor | int,
    device: torch.device,
) -> State:
    """The state after state ← step(i, state, constants) for i = 0 … times − 1.

    Args:
        step: Keeps shapes and dtypes of the state; reads no tensor but its arguments, where `i` is
            a whole number () on `device`.
        state, constants: Nested tuples, lists and dicts of tensors.  No None.
        times: Number of steps; as a tensor, on the CPU, it may differ from call to call of a
            compiled program.
    """
    if not being_compiled():
        for i in range(int(times)):
            state = step(torch.full((), i, device=device), state, constants)
        return state
    after: State = _traced(step, state, constants, torch.as_tensor(times), device)
    return after


def turns(inner_steps: Tensor, step_cap: int) -> Tensor | int:
    """How often the loop must turn: the most steps of any lane (H,).

    On a GPU that number is not looked at, which would make the host wait: `step_cap`.
    """
    return inner_steps.max() if inner_steps.device.type == "cpu" else step_cap


def _traced(
    step: Callable[..., Any], state: Any, constants: Any, times: Tensor, device: torch.device
) -> Any:
    flat, shape = pytree.tree_flatten(state)
    fixed, fixed_shape = pytree.tree_flatten(constants)
    flat, fixed = [_plain(value) for value in flat], _apart(fixed)
    begin = (torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.int64, device=device))
    carried, additional = (*begin, *flat), (times, *fixed)
    count = len(flat)

    def more(turn: Tensor, *rest: Tensor) -> Tensor:
        return turn < rest[1 + count]

    def body(turn: Tensor, i: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        before = pytree.tree_unflatten(list(rest[:count]), shape)
        held = pytree.tree_unflatten(list(rest[count + 1 :]), fixed_shape)
        after = pytree.tree_leaves(step(i, before, held))
        return (turn + 1, i + 1, *(_plain(value) for value in after))

    with disable_proxy_modes_tracing():  # each becomes a graph of plain operations, no autograd
        example = tuple(torch.empty_like(value) for value in (*carried, *additional))
        for value in example:
            value.zero_()
        graphs = [make_fx(part)(*example) for part in (more, body)]
    result = torch.ops.higher_order.while_loop(*graphs, carried, additional)
    return pytree.tree_unflatten(list(result[2:]), shape)


def _plain(value: Tensor) -> Tensor:
    # A loop's state must look the same at every turn: no view, and the strides of a new tensor.
    return value.clone(memory_format=torch.contiguous_format)


def _apart(values: list[Tensor]) -> list[Tensor]:
    # Nor may what a loop reads be several views of the same memory, as the weights of a lane are.
    apart, seen = [], set()
    for value in values:
        memory = value.untyped_storage().data_ptr()
        fits = value.is_contiguous() and memory not in seen
        apart.append(value if fits else _plain(value))
        seen.add(memory)
    return apart
