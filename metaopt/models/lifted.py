"""Any `torch.nn.Module` as a model: its forward pass mapped over lanes and tasks.

    params (*B, …), x (*B, N, …) ──vmap each axis of B──▶ functional_call ──▶ outputs (*B, N, C)

`vmap` stands around the forward pass alone and plain autograd around that, never the other way:
`vmap` over a gradient gives wrong second derivatives of fused norms (pytorch/functorch#534),
without a word.  What `vmap` cannot map is computed lane by lane, which `lane_by_lane` says.

Whoever makes one proves it before its first use (`metaopt.models.proof`).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.func import vmap
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

from metaopt.errors import InvalidModel, in_words
from metaopt.models.base import Params, being_compiled
from metaopt.models.batch_statistics import of_batch_norms, take_batch_statistics
from metaopt.models.modules import (
    Build,
    Watch,
    call,
    differentiable_twice,
    fresh,
    last_layer,
    layer_of,
    left_alone,
)
from metaopt.models.patches import compute_by_products
from metaopt.models.products import product

_One = Callable[[Params, Tensor], Tensor]  # one lane and task


class Lifted:
    """A module as `metaopt.models.base.Model`, its parameters by the names of its `state_dict`.

    A parameter that two layers share counts once.  Those that require no gradient or that the
    outputs do not depend on are constants, as buffers are: what a forward pass writes into a
    buffer is forgotten.  Constants are those of one module, the same for all lanes.

    Args:
        name: What messages call it.
        build: Makes the module, drawing its weights from torch's generator.
        input_shape: Shape of one input.
        outputs: Width C of the output.
        adapt: Which parameters inner steps move: see `metaopt.models.modules.left_alone`.

    Raises:
        InvalidModel: it cannot compute such inputs, gives something else than (N, C), has nothing
            to train, draws random numbers in its forward pass or its first weights by another
            generator, or `adapt` moves nothing.
    """

    def __init__(
        self,
        name: str,
        build: Build,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        adapt: str = "all",
    ) -> None:
        self.name, self.input_shape, self.outputs = name, input_shape, outputs
        self.lane_by_lane: str | None = None
        """Why lanes are computed one after the other; None where they are one program."""
        self.mixes_examples: str | None = None
        """Why it cannot be judged example by example; None where it can."""
        self.no_second_derivative: str | None = None
        """Why only first-order meta-gradients can be taken of it; None where second-order can."""
        self._build = build
        self.module = fresh(build, 0, input_shape)
        """As its author wrote it."""
        self.recurrent = any(isinstance(m, torch.nn.RNNBase) for m in self.module.modules())
        trained = self._trained()
        self.shapes = {name: tuple(p.shape) for name, p in trained.items()}
        self.not_adapted = left_alone(name, list(self.shapes), adapt)
        self.head = last_layer(list(self.shapes))
        self.norms = tuple(name for name in of_batch_norms(self.module) if name in self.shapes)
        self.mapped = fresh(build, 0, input_shape)
        """The same, with other forms of its batch norms and convolutions: what lanes compute."""
        self._same_weights()
        compute_by_products(self.mapped)
        self._statistics = take_batch_statistics(self.mapped)
        self._fixed: dict[tuple[torch.device, torch.dtype], Params] = {}
        self.features: Callable[..., Tensor] | None = None
        """See `metaopt.models.base.WithHead`: `below_head`, where the proof finds it right."""

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return the weights that the module has when it is made from each key (*B,).

        They are drawn in torch's default float type on the CPU, so a key gives the same weights in
        every `dtype` and on every device.
        """
        drawn = []
        for key in keys.flatten().tolist():
            own = dict(fresh(self._build, key, self.input_shape).named_parameters())
            drawn.append({name: own[name].detach() for name in self.shapes})
        return {
            name: torch.stack([weights[name] for weights in drawn])
            .reshape(*keys.shape, *shape)
            .to(keys.device, dtype)
            for name, shape in self.shapes.items()
        }

    def apply(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return (*B, N, C) for x (*B, N, *input_shape).  See `metaopt.models.base.Model`.

        Raises:
            InvalidModel: `reference` is asked for and outputs depend on the other examples in
                another way than through batch norm.
        """
        return self._each(self._one, params, x, reference)

    def _each(self, one: _One, params: Params, x: Tensor, reference: int | None) -> Tensor:
        """What `one` gives for each lane and task."""
        if reference is not None and self.mixes_examples:
            raise InvalidModel(
                f"model {self.name} can only be judged transductively: {self.mixes_examples}"
            )
        name, shape = next(iter(self.shapes.items()))
        lead = params[name].shape[: params[name].dim() - len(shape)]
        x = x.expand(*lead, *x.shape[-1 - len(self.input_shape) :])
        count = x.shape[len(lead)]
        self._fix(x.device, x.dtype)
        with self._statistics.of_first(reference, count), differentiable_twice(self.recurrent):
            if not lead:
                return one(params, x)
            if self.lane_by_lane is None and being_compiled():
                return _axis_by_axis(one, len(lead))(params, x)
            flat = {name: p.flatten(0, len(lead) - 1) for name, p in params.items()}
            outputs = self._rows(one, flat, x.flatten(0, len(lead) - 1))
        result: Tensor = outputs.unflatten(0, lead)
        return result

    def _rows(self, one: _One, params: Params, x: Tensor) -> Tensor:
        if self.lane_by_lane is None:
            outputs: Tensor = vmap(one)(params, x)
            return outputs
        rows = range(x.shape[0])
        return torch.stack([one({n: p[i] for n, p in params.items()}, x[i]) for i in rows])

    def _one(self, params: Params, x: Tensor) -> Tensor:
        buffers = dict(self.mapped.named_buffers())
        fixed = self._fixed[x.device, x.dtype].items()
        own = {name: t.clone() if name in buffers else t for name, t in fixed}
        outputs: Tensor = call(self.mapped, {**params, **own}, x)
        return outputs

    @property
    def head_layer(self) -> torch.nn.Module:
        """The layer of `head`, as lanes compute it."""
        return self.mapped.get_submodule(layer_of(self.head[0]))

    def below_head(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return what the head is called with, for each lane and task."""
        return self._each(self._given_to_head, params, x, reference)

    def _given_to_head(self, params: Params, x: Tensor) -> Tensor:
        given: list[Tensor] = []
        watch = self.head_layer.register_forward_pre_hook(lambda layer, own: given.extend(own))
        try:
            self._one(params, x)
        finally:
            watch.remove()
        return given[-1]

    def answer(self, params: Params, features: Tensor) -> Tensor:
        """Return (*B, N, C) for features (*B, N, D).  See `metaopt.models.base.WithHead`."""
        weight, *bias = (params[name] for name in self.head)
        outputs = product(features, weight.mT)
        return outputs + bias[0][..., None, :] if bias else outputs

    def as_head(self, weight: Tensor, bias: Tensor) -> Params:
        """See `metaopt.models.base.WithHead`.

        Raises:
            InvalidModel: the head has no bias.
        """
        if len(self.head) < 2:
            raise InvalidModel(f"the head of model {self.name} has no bias: give it one")
        return dict(zip(self.head, (weight.mT, bias), strict=True))

    def _fix(self, device: torch.device, dtype: torch.dtype) -> None:
        if (device, dtype) not in self._fixed:
            with disable_proxy_modes_tracing():  # what a program traces is no constant of another
                self._fixed[device, dtype] = constants(self.mapped, self.shapes, device, dtype)

    def _same_weights(self) -> None:
        again = dict(self.mapped.named_parameters())
        for name, parameter in self.module.named_parameters():
            if name not in again or not torch.equal(parameter, again[name]):
                raise InvalidModel(
                    f"{name} of {self.name} is not the same when it is made again from the same "
                    "key: draw initial weights with torch, and not with numpy or random"
                )

    def _trained(self) -> Params:
        """The parameters that can be trained; checks the outputs on the way."""
        own = dict(self.module.named_parameters())
        asked = {name: p for name, p in own.items() if p.requires_grad}
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(2, *self.input_shape, generator=generator, dtype=torch.float32)
        every = {**own, **copied(self.module)}.items()
        floats = {n: t.float() if t.is_floating_point() else t for n, t in every}
        outputs = watched(self, floats, x)
        if not asked or not outputs.requires_grad:
            raise InvalidModel(f"model {self.name} has no parameter that can be trained")
        try:
            found = torch.autograd.grad(outputs.sum(), list(asked.values()), allow_unused=True)
        except RuntimeError as error:
            raise InvalidModel(f"model {self.name} has no gradient: {in_words(error)}") from error
        used: Params = {
            n: p for (n, p), g in zip(asked.items(), found, strict=True) if g is not None
        }
        for name, parameter in used.items():
            if parameter.is_complex():
                raise InvalidModel(f"parameter {name} of {self.name} is complex: use real ones")
        return used


def _axis_by_axis(one: _One, axes: int) -> _One:
    """`one` mapped so often: weights that tasks share stay views, and cost more Python."""
    for _ in range(axes):
        one = vmap(one)
    return one


def watched(model: Lifted, tensors: Params, x: Tensor) -> Tensor:
    """The outputs of the module as its author wrote it.

    Raises:
        InvalidModel: with the layer's name, if it fails or draws random numbers; or if it gives
            something else than (N, C).
    """
    with Watch(model.module) as watch, torch.enable_grad(), differentiable_twice(model.recurrent):
        try:
            outputs = call(model.module, tensors, x)
        except Exception as error:
            where = f" in {watch.inside}" if watch.inside else ""
            raise InvalidModel(
                f"model {model.name} cannot compute inputs of shape {tuple(x.shape)}{where}: "
                f"{in_words(error)}"
            ) from error
    if watch.drew:
        raise InvalidModel(
            f"{watch.drew} of model {model.name} draws random numbers as it runs, which are no "
            "function of a trial's seed: give it p = 0, or put it into eval mode"
        )
    wanted = (x.shape[0], model.outputs)
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != wanted:
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InvalidModel(
            f"model {model.name} must give outputs of shape {wanted} for {len(x)} inputs of shape "
            f"{model.input_shape}, got {got}"
        )
    return outputs


def copied(module: torch.nn.Module) -> Params:
    """Copies of the buffers, for a call that may write into them."""
    return {name: buffer.clone() for name, buffer in module.named_buffers()}


def constants(
    module: torch.nn.Module, trained: Mapping[str, object], device: torch.device, dtype: torch.dtype
) -> Params:
    """Buffers and parameters that are not trained, floats in `dtype`."""
    every = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        name: t.detach().to(device, dtype if t.is_floating_point() else t.dtype)
        for name, t in every.items()
        if name not in trained
    }
