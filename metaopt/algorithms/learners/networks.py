"""Small networks that an algorithm learns beside the model: more parts of φ.

Their weights are fully connected layers as those of `metaopt.models.mlp`, each under a name that
begins with that of its network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.errors import InvalidModel
from metaopt.models.base import Params
from metaopt.models.mlp import Mlp

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Network:
    """An `Mlp` whose weights are parts of φ: `NAME.w0`, `NAME.b0`, …

    Args:
        name: Of no other part of φ.
        mlp: Its layers.
        salt: Of its initial weights; another one than the model's and than that of other networks.
    """

    name: str
    mlp: Mlp
    salt: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of its weights."""
        return {f"{self.name}.{name}": shape for name, shape in self.mlp.shapes.items()}

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return fresh weights for keys (*B,)."""
        drawn = self.mlp.init(seeding.fold_in(keys, self.salt), dtype)
        return {f"{self.name}.{name}": p for name, p in drawn.items()}

    def apply(self, params: Params, x: Tensor) -> Tensor:
        """Return (*B, N, outputs) for x (*B, N, inputs); `params` may hold other weights, too."""
        own = {name: params[f"{self.name}.{name}"] for name in self.mlp.shapes}
        return self.mlp.apply(own, x)


@dataclass(frozen=True)
class SetEncoder:
    """r = (1/S) Σ_i h([x_i, y_i]), a support set as one vector whatever its size and order.

    Args:
        network: h, for inputs of the width of x and of C together.
        classes: Whether y are class indices, given to h one-hot.
        width: C.
    Reference:
        Garnelo et al. (2018), arXiv:1807.01613, equations 1 and 2, with the mean as ⊕.
    """

    network: Network
    classes: bool
    width: int

    def __call__(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        """Return r (*B, R); 0 for an empty set.

        Args:
            params: With leading axes B.
            x: (*B, S, D), or of fewer leading axes.
            y: Class indices (…, S) or numbers (…, S, C), of no more leading axes than x.
        """
        y = one_hot(y, self.width, x.dtype) if self.classes else y
        pairs = torch.cat([x, y.expand(*x.shape[:-1], self.width)], dim=-1)
        encoded = self.network.apply(params, pairs)
        return encoded.sum(-2) / max(1, x.shape[-2])


def one_hot(y: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Class indices (…,) as (…, C); the host looks at none of them."""
    return (y[..., None] == torch.arange(classes, device=y.device)).to(dtype)


def joined(*parts: Shapes) -> dict[str, tuple[int, ...]]:
    """The shapes of all parts of φ.

    Raises:
        InvalidModel: two have the same name.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for part in parts:
        for name in part:
            if name in shapes:
                raise InvalidModel(
                    f"the algorithm has weights named {name} of its own: give those of the model "
                    "another name"
                )
        shapes |= part
    return shapes
