"""Matching networks: a query example has the classes of the support examples that it resembles."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from metaopt.algorithms.learner import Learner, beside
from metaopt.algorithms.learners.classes import members, never
from metaopt.models.base import Params
from metaopt.tasks.base import Examples

LOG_SCALE = "matching.log_scale"


def attention_logits(
    known: Tensor, y: Tensor, asked: Tensor, scale: Tensor, classes: int
) -> Tensor:
    """Logits whose softmax is the attention by class: log Σ_{i: y_i = k} exp(s cos(x, x_i)).

    Args:
        known, asked: Embeddings of the support (*B, S, D) and of the query (*B, Q, D).
        y: Class indices (*B, S), or of fewer leading axes.
        scale: s (*B, 1).
        classes: C.

    Returns:
        (*B, Q, C).
    """
    cosines = normalize(asked, dim=-1) @ normalize(known, dim=-1).mT
    member = members(y, classes)
    scores = (scale[..., None] * cosines)[..., None]
    lowest = torch.finfo(scores.dtype).min
    by_class = torch.where(member[..., None, :, :], scores, lowest).logsumexp(-2)
    return never(by_class, member.any(-2))


@dataclass(frozen=True)
class Matching(Learner):
    """p(y = k | x) = Σ_{i: y_i = k} a_i, a = softmax_i(s cos(f(x), f(x_i))) over the support set.

    The model is f, with outputs of the width of the embedding; it embeds support and query examples
    alike (g = f in the paper), each by itself: the full-context embeddings of the paper's section
    2.1.2, LSTMs over the support set, are not built.  Batch norm is as in `Prototypes`.

    Args:
        scale: s, the inverse of the softmax's temperature; the paper's is 1.
        learned: Whether s is meta-learned, as log s; it begins with `scale`.

    Reference:
        Vinyals et al. (2016), arXiv:1606.04080, equation 1 and section 2.1.1; the learned scale of
        cosines: Gidaris & Komodakis (2018), arXiv:1804.09458.
    """

    scale: float = 1.0
    learned: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's weights, and log s where it is learned."""
        return beside(self.model, {LOG_SCALE: (1,)}) if self.learned else self.model.shapes

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """See `Learner`."""
        weights = self.model.init(keys, dtype)
        if not self.learned:
            return weights
        begin = torch.full((*keys.shape, 1), math.log(self.scale), dtype=dtype, device=keys.device)
        return weights | {LOG_SCALE: begin}

    def answers(self, theta: Params, support: Examples, x: Tensor, *, transductive: bool) -> Tensor:
        """Return the logarithms of the attention by class, but for a constant (*B, Q, C)."""
        known, asked = self.outputs_of_both(theta, support, x, together=transductive)
        scale = theta[LOG_SCALE].exp() if self.learned else known.new_tensor([self.scale])
        assert self.width is not None
        return attention_logits(known, support.y, asked, scale, self.width)
