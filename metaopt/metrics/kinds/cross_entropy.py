"""Cross-entropy: how much probability an answer leaves to what is wrong."""

from typing import TYPE_CHECKING

from metaopt.metrics.metric import NOT_NEGATIVE, Metric

if TYPE_CHECKING:
    from torch import Tensor


def cross_entropy(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """(1/N) Σ (log Σ_c exp o_nc − o_n,y_n), in nats: −log p of the right class.

    Whoever knows nothing of C classes has log C.

    Reference:
        Good (1952), "Rational decisions", J. R. Stat. Soc. B 14 (the logarithmic score).
    """
    index = y.expand(outputs.shape[:-1])[..., None]  # lanes may share their tasks
    chosen = outputs.gather(-1, index)[..., 0]
    return (outputs.logsumexp(-1) - chosen).mean(-1)


KIND = Metric(
    name="cross_entropy",
    doc="−log of the probability of the right class, in nats: the mean over query examples.",
    scores=cross_entropy,
    classification=True,
    maximize=False,
    possible=NOT_NEGATIVE,
    diverged=1e3,
)
