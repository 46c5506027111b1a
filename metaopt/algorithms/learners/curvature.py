"""Meta-curvature: gradients of the inner loop go through matrices that are meta-learned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.models.base import Params


@dataclass(frozen=True)
class Curved(Learner):
    """θ ← θ − α M(∇L(θ; support)), M of each weight a product of small matrices in φ.

    M multiplies a gradient along each of its axes by a matrix of its own, M(G) = G ×₁ M₁ ×₂ M₂ …,
    where the taps of a convolution are one axis, and a vector entry by entry.  They begin as
    identities, so that an untrained learner is MAML's, and follow the gradient of the query loss
    with the weights.

    Reference:
        Park & Oliva (2019), arXiv:1902.03356, section 3.
    """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's, and those of the matrices."""
        weights = self.model.shapes
        return weights | {
            matrix: (size,) if len(weights[name]) < 2 else (size, size)
            for name in self.adapted
            for matrix, size in self._matrices(name)
        }

    def _matrices(self, name: str) -> Iterator[tuple[str, int]]:
        """The name and the size of each matrix of a weight; no module's name has a slash."""
        for axis, size in enumerate(_folded(self.model.shapes[name])):
            yield f"curvature{axis}/{name}", size

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return the model's weights and identities for keys (*B,)."""
        phi = self.model.init(keys, dtype)
        for name, shape in self.shapes.items():
            if name not in phi:
                one = torch.ones if len(shape) == 1 else torch.eye
                phi[name] = one(shape[0], dtype=dtype, device=keys.device).expand(
                    *keys.shape, *shape
                )
        return phi

    def update(
        self, theta: Params, gradient: Params, inner_lr: Tensor, state: InnerState | None
    ) -> tuple[Params, InnerState | None]:
        """Return θ − α M(g).  See `Learner`."""
        curved = {name: self._curved(name, theta, g) for name, g in gradient.items()}
        return super().update(theta, curved, inner_lr, state)

    def _curved(self, name: str, theta: Mapping[str, Tensor], gradient: Tensor) -> Tensor:
        shape = self.model.shapes[name]
        matrices = [theta[matrix] for matrix, _ in self._matrices(name)]
        if len(shape) < 2:
            return gradient * matrices[0].reshape(gradient.shape)
        folded = _folded(shape)
        lead = gradient.shape[: gradient.dim() - len(shape)]
        moved = gradient.reshape(*lead, *folded)
        for axis, matrix in enumerate(matrices):
            place = axis - len(folded)
            last = moved.movedim(place, -1)
            rows = last.flatten(len(lead), -2) @ matrix.mT
            moved = rows.reshape(last.shape).movedim(-1, place)
        return moved.reshape(gradient.shape)


def _folded(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the taps of a convolution as one axis."""
    taps = torch.Size(shape[2:]).numel()
    return (*shape[:2], taps) if len(shape) > 2 else shape or (1,)
