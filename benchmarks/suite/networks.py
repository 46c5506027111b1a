"""The networks for contenders in torch: as functions of a list of weights, and as modules.

Weights are in torch's layout and metaopt's order; `to_torch` and `to_arrays` translate.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.suite.tasks import Batch
from benchmarks.suite.works import Work

Weights = list[Tensor]


def network(work: Work) -> nn.Sequential:
    """Return the work item's network of standard layers, with torch's initial weights."""
    if work.model["kind"] == "mlp":
        layers: list[nn.Module] = []
        for wide, narrow in pairwise([1, *work.model["widths"], 1]):
            layers += [nn.Linear(wide, narrow), nn.ReLU()]
        return nn.Sequential(*layers[:-1])
    filters, layers = work.model["filters"], []
    for i in range(4):
        layers += [
            nn.Conv2d(filters if i else 1, filters, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(filters, track_running_stats=False),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * filters, work.tasks["n_way"]))


def initial(work: Work, device: str) -> Weights:
    """Return the initial weights of `network` as a list."""
    return [weight.detach().to(device) for weight in network(work).parameters()]


def apply(weights: Weights, x: Tensor, under_vmap: bool = False) -> Tensor:
    """Return outputs (N, C); the kind of network is seen from the weights.

    Args:
        under_vmap: Keep γ and β out of the fused batch norm: its `vmap` rule has wrong second-order
            gradients otherwise (pytorch/functorch#534).
    """
    if weights[0].dim() == 4:
        for i in range(0, 12, 3):
            x = F.conv2d(x, weights[i], stride=2, padding=1)
            gamma, beta = weights[i + 1], weights[i + 2]
            if under_vmap:
                x = F.batch_norm(x, None, None, None, None, True)
                x = x * gamma[:, None, None] + beta[:, None, None]
            else:
                x = F.batch_norm(x, None, None, gamma, beta, True)
            x = F.relu(x)
        return F.linear(x.flatten(1), weights[12], weights[13])
    for i in range(0, len(weights) - 2, 2):
        x = F.relu(F.linear(x, weights[i], weights[i + 1]))
    return F.linear(x, weights[-2], weights[-1])


def loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Return mean cross-entropy for class indices, else mean squared error."""
    return F.cross_entropy(outputs, y) if y.dtype == torch.int64 else F.mse_loss(outputs, y)


def tensors(batch: Batch, device: str) -> list[Tensor]:
    """Return the arrays of a meta-batch, without those it has not."""
    return [torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in batch if a is not None]


def to_torch(weights: dict[str, np.ndarray], device: str) -> Weights:
    """Return metaopt's weights as tensors; matrices are (out, in) in torch."""
    return [torch.tensor(w.T if w.ndim == 2 else w, device=device) for w in weights.values()]


def to_arrays(values: Iterable[Tensor], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return tensors in torch's layout as metaopt's."""
    arrays = (value.detach().cpu().numpy() for value in values)
    return {n: a.T if a.ndim == 2 else a for n, a in zip(names, arrays, strict=True)}


def finish(device: str) -> None:
    """Wait until the device has done all it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def release(device: str) -> None:
    """Give cached device memory back: contenders share the device, one at a time."""
    if device == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def exact(device: str) -> Iterator[None]:
    """Compute convolutions in float32 here; torch's default on a GPU is TF32."""
    if device != "cuda":
        yield
        return
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
