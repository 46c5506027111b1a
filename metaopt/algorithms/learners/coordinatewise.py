"""Small networks that turn the gradient of each weight into its step, with one memory a weight.

All weights share one network, which sees of each its own gradient alone, so it fits models of any
size (Andrychowicz et al. 2016, arXiv:1606.04474, section 2.1 and figure 3).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.learners.networks import Network
from metaopt.models.base import Params
from metaopt.models.initialization import biases, weights
from metaopt.models.mlp import Mlp
from metaopt.models.products import product

K = 5.0
_SALT = 9_300_001


class CoordinateWise(Protocol):
    """A network that reads P gradients and gives P steps."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of its weights."""
        ...

    @property
    def memory(self) -> dict[str, int]:
        """How many numbers it keeps of each coordinate, by name."""
        ...

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return fresh weights for keys (*B,)."""
        ...

    def apply(self, theta: Params, gradient: Tensor) -> tuple[Tensor, Params]:
        """Return steps (*B, P) and the memory after them, for gradients (*B, P).

        Args:
            theta: Its weights, and its memory (*B, P, ·), with leading axes B.
        """
        ...


def log_and_sign(gradient: Tensor) -> Tensor:
    """Magnitude and sign of gradients (*B, P) as two numbers each (*B, P, 2).

    [max(log(|g| + ε) / k, −1), g·eᵏ in ±1], with k = 5 and ε the float type's: gradients of all
    magnitudes become numbers of about the same size.

    Reference:
        Andrychowicz et al. (2016), arXiv:1606.04474, appendix A, in the form of the authors' code
        (`LogAndSign`), which has k = 5 where the paper has 10.
    """
    epsilon = torch.finfo(gradient.dtype).eps
    size = (torch.log(gradient.abs() + epsilon) / K).clamp(min=-1.0)
    sign = (gradient * math.exp(K)).clamp(-1.0, 1.0)
    return torch.stack([size, sign], dim=-1)


@dataclass(frozen=True)
class Lstm:
    """Layers of LSTM cells, then an affine one with a single output.

        [i, j, f, o] = W [x, h] + b        c' = σ(f + 1) c + σ(i) tanh j        h' = σ(o) tanh c'

    Args:
        layers: Their number; 2 in the paper.
        hidden: Units of each; 20 in the paper.
    Reference:
        Andrychowicz et al. (2016), arXiv:1606.04474, section 3; order of the gates and the forget
        gate's 1 as in the authors' code.
    """

    layers: int = 2
    hidden: int = 20

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return shapes of W (in + hidden, 4·hidden) and b of each layer, and of the affine one."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(self.layers):
            inputs = self.hidden if i else 2
            shapes[f"optimizer.w{i}"] = (inputs + self.hidden, 4 * self.hidden)
            shapes[f"optimizer.b{i}"] = (4 * self.hidden,)
        return shapes | {"optimizer.w": (self.hidden, 1), "optimizer.b": (1,)}

    @property
    def memory(self) -> dict[str, int]:
        """Return the widths of h and c of each layer."""
        names = [f"optimizer.{name}{i}" for i in range(self.layers) for name in "hc"]
        return dict.fromkeys(names, self.hidden)

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return weights of variance 1 / in, and biases of 0.  See `CoordinateWise`."""
        keys, shapes = seeding.fold_in(keys, _SALT), self.shapes
        params = {}
        for i, name in enumerate(shapes):
            draw = weights if len(shapes[name]) == 2 else biases
            layer = shapes[name.replace("optimizer.b", "optimizer.w")]
            params[name] = draw("lecun", seeding.fold_in(keys, i), layer, dtype)
        return params

    def apply(self, theta: Params, gradient: Tensor) -> tuple[Tensor, Params]:
        """Return steps (*B, P) and the memory after them.  See `CoordinateWise`."""
        x, memory = log_and_sign(gradient), dict[str, Tensor]()
        for i in range(self.layers):
            h, c = theta[f"optimizer.h{i}"], theta[f"optimizer.c{i}"]
            gates = _affine(torch.cat([x, h], dim=-1), theta, str(i))
            enter, new, forget, leave = gates.chunk(4, dim=-1)
            c = torch.sigmoid(forget + 1) * c + torch.sigmoid(enter) * torch.tanh(new)
            x = torch.sigmoid(leave) * torch.tanh(c)
            memory |= {f"optimizer.h{i}": x, f"optimizer.c{i}": c}
        return _affine(x, theta, "")[..., 0], memory


@dataclass(frozen=True)
class Memoryless:
    """Fully connected layers: a step is a function of the gradient before it alone.

    Args:
        layers: Hidden ones.
        hidden: Width of each.
    Reference:
        Metz et al. (2019), arXiv:1810.10180, section 3.2: a small network a weight in place of an
        LSTM, there with moving averages among its inputs.
    """

    layers: int = 2
    hidden: int = 20

    @property
    def memory(self) -> dict[str, int]:
        """Return nothing."""
        return {}

    @cached_property
    def _network(self) -> Network:
        return Network("optimizer", Mlp((2,), (self.hidden,) * self.layers, 1), _SALT)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of its weights."""
        return self._network.shapes

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return fresh weights for keys (*B,)."""
        return self._network.init(keys, dtype)

    def apply(self, theta: Params, gradient: Tensor) -> tuple[Tensor, Params]:
        """Return steps (*B, P) and no memory.  See `CoordinateWise`."""
        return self._network.apply(theta, log_and_sign(gradient))[..., 0], {}


def _affine(x: Tensor, theta: Params, layer: str) -> Tensor:
    return product(x, theta[f"optimizer.w{layer}"]) + theta[f"optimizer.b{layer}"][..., None, :]
