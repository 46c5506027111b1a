"""Conv4: the four-layer network of the few-shot literature.

Two forms of one network.  As convolutions, activations of all lanes and tasks G = prod(B) lie side
by side on the channel axis, (N, G·C, H, W), and each layer is one grouped convolution; its second
derivative is computed group by group.  As products, each layer is one batched matrix product of
3×3 patches with kernels, derivatives of any order included.

Batch norm uses the statistics of the batch, never running ones.  `F.batch_norm` is safe here,
with adapted γ too, because the batching is our own and derivatives are plain autograd's: its
`vmap` batching rule gives wrong second-order gradients (pytorch/functorch#534), shown in
tests/metaopt/algorithms/test_maml.py.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt import seeding
from metaopt.models.base import Params, being_compiled
from metaopt.models.initialization import biases, weights
from metaopt.models.products import product

EPSILON = 1e-5


@dataclass(frozen=True)
class Conv4:
    """Four blocks of [3×3 convolution, batch norm, ReLU], then an affine layer on all pixels.

    Features are flattened, as in Reptile's code; MAML's Omniglot network takes their spatial mean
    instead, which learns more slowly here (28×28 strided leaves 2×2 pixels).

    Args:
        input_shape: (channels, height, width).
        outputs: Width C of the output.
        filters: Channels of each block.
        pooling: "stride" halves by strided convolutions (MAML's Omniglot network), "max" by
            2×2 max-pooling after the ReLU.
        adapt_norm: Whether the inner loop adapts γ and β of batch norm.
        form: "convolutions", "products" of 3×3 patches with kernels, or "auto": products in a
            compiled program, where their nine slices are no work of their own and lanes make no
            more operations; convolutions elsewhere.
        init_kind: Rule of the initial weights, and of b (`metaopt.models.initialization`).
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, section 5.2; blocks of Vinyals et al.
        (2016), arXiv:1606.04080.
    """

    input_shape: tuple[int, ...]
    outputs: int
    filters: int = 64
    pooling: str = "stride"
    adapt_norm: bool = True
    form: str = "auto"
    init_kind: str = "glorot"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return shapes of conv0 (out, in, 3, 3), gamma0 (out,), beta0, …, w (in, out), b."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(4):
            fan_in = self.input_shape[0] if i == 0 else self.filters
            shapes[f"conv{i}"] = (self.filters, fan_in, 3, 3)
            shapes[f"gamma{i}"] = (self.filters,)
            shapes[f"beta{i}"] = (self.filters,)
        shapes["w"] = (self.filters * self._pixels(), self.outputs)
        shapes["b"] = (self.outputs,)
        return shapes

    def _pixels(self) -> int:
        height, width = self.input_shape[1:]
        for _ in range(4):
            up = 1 if self.pooling == "stride" else 0  # strided rounds up, max-pooling down
            height, width = (height + up) // 2, (width + up) // 2
        return height * width

    @property
    def not_adapted(self) -> frozenset[str]:
        """Return γ and β unless `adapt_norm`."""
        return frozenset() if self.adapt_norm else frozenset(self.norms)

    @property
    def norms(self) -> tuple[str, ...]:
        """Return the names of all γ and β."""
        return tuple(name for name in self.shapes if name.startswith(("gamma", "beta")))

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return weights and b by the rule `init_kind`, γ = 1, β = 0."""
        params, shapes = {}, self.shapes
        for i, (name, shape) in enumerate(shapes.items()):
            key = seeding.fold_in(keys, i)
            if name.startswith("conv") or name == "w":
                params[name] = weights(self.init_kind, key, shape, dtype)
            elif name == "b":
                params[name] = biases(self.init_kind, key, shapes["w"], dtype)
            else:
                value = 1.0 if name.startswith("gamma") else 0.0
                params[name] = torch.full(
                    (*keys.shape, *shape), value, dtype=dtype, device=keys.device
                )
        return params

    def apply(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return (*B, N, C) for images x (*B, N, channels, height, width).  See `Model`."""
        return self.answer(params, self.features(params, x, reference=reference))

    head = ("w", "b")

    def features(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return (*B, N, filters · pixels).  See `WithHead`."""
        form = self.form
        if form == "auto":
            form = "products" if being_compiled() else "convolutions"
        lead = params["beta0"].shape[:-1]
        x = x.expand(*lead, *x.shape[-4:])
        run = self._products if form == "products" else self._convolutions
        return run(params, x, reference)

    def answer(self, params: Params, features: Tensor) -> Tensor:
        """Return (*B, N, C) for features (*B, N, D).  See `WithHead`."""
        return product(features, params["w"]) + params["b"][..., None, :]

    def as_head(self, weight: Tensor, bias: Tensor) -> Params:
        """See `WithHead`."""
        return {"w": weight, "b": bias}

    def _products(self, params: Params, x: Tensor, reference: int | None) -> Tensor:
        """Return features (*B, N, pixels): each layer one product of patches and kernels."""
        h = x.movedim(-3, -1)  # channels last: a patch is nine runs of channels
        for i in range(4):
            rows = patches(h, 2 if self.pooling == "stride" else 1)
            shape = rows.shape
            kernel = params[f"conv{i}"].movedim(-3, -1).flatten(-3)  # as a patch lies
            out = product(rows.flatten(-4, -2), kernel.mT)
            reference_rows = None if reference is None else reference * shape[-3] * shape[-2]
            out = norm_rows(out, params[f"gamma{i}"], params[f"beta{i}"], reference_rows)
            h = torch.relu(out).unflatten(-2, shape[-4:-1])
            h = pooled(h) if self.pooling == "max" else h
        features: Tensor = h.movedim(-1, -3).flatten(-3)
        return features

    def _convolutions(self, params: Params, x: Tensor, reference: int | None) -> Tensor:
        """Return features (*B, N, pixels): each layer one grouped convolution."""
        lead = params["beta0"].shape[:-1]
        groups = lead.numel()
        x = x.flatten(0, len(lead) - 1) if lead else x[None]
        h = x.transpose(0, 1).flatten(1, 2)  # (N, G·C, H, W)
        for i in range(4):
            kernel = params[f"conv{i}"].reshape(-1, *self.shapes[f"conv{i}"][1:])
            stride = 2 if self.pooling == "stride" else 1
            h = F.conv2d(h, kernel, stride=stride, padding=1, groups=groups)
            gamma, beta = params[f"gamma{i}"].flatten(), params[f"beta{i}"].flatten()
            h = torch.relu(batch_norm(h, gamma, beta, reference))
            h = F.max_pool2d(h, 2) if self.pooling == "max" else h
        h = h.unflatten(1, (groups, self.filters)).flatten(2).transpose(0, 1)
        features: Tensor = h.unflatten(0, lead) if lead else h[0]
        return features


def patches(h: Tensor, stride: int) -> Tensor:
    """The 3×3 patches of padded images (*B, N, H, W, C): (*B, N, H', W', 9·C)."""
    height, width = h.shape[-3:-1]
    h = F.pad(h, (0, 0, 1, 1, 1, 1))
    shifted = [
        h[..., dy : dy + height : stride, dx : dx + width : stride, :]
        for dy in range(3)
        for dx in range(3)
    ]
    return torch.cat(shifted, dim=-1)


def pooled(h: Tensor) -> Tensor:
    """Return 2×2 maxima of images (*B, N, H, W, C); an odd last row or column is left out."""
    height, width = (side // 2 for side in h.shape[-3:-1])
    h = h[..., : 2 * height, : 2 * width, :]
    maxima: Tensor = h.unflatten(-3, (height, 2)).unflatten(-2, (width, 2)).amax((-4, -2))
    return maxima


def norm_rows(h: Tensor, gamma: Tensor, beta: Tensor, reference: int | None) -> Tensor:
    """`batch_norm` for h (*B, rows, C), γ and β (*B, C)."""
    first = h[..., :reference, :]
    mean = first.mean(-2, keepdim=True)
    variance = (first - mean).square().mean(-2, keepdim=True)
    scale: Tensor = gamma[..., None, :] * torch.rsqrt(variance + EPSILON)
    return (h - mean) * scale + beta[..., None, :]


def batch_norm(h: Tensor, gamma: Tensor, beta: Tensor, reference: int | None) -> Tensor:
    """Return γ·(h − mean)/sqrt(var + 1e-5) + β, over examples and space, for h (N, C, H, W).

    With `reference`, mean and variance come from the first `reference` examples.
    """
    if reference is None:
        return F.batch_norm(h, None, None, gamma, beta, True, 0.0, EPSILON)
    first = h[:reference]
    mean = first.mean((0, 2, 3), keepdim=True)
    variance = (first - mean).square().mean((0, 2, 3), keepdim=True)
    normal = (h - mean) * torch.rsqrt(variance + EPSILON)
    return normal * gamma[:, None, None] + beta[:, None, None]
