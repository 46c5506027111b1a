"""Parabolas: y = a·x²; one task is one a."""

from metaopt.options import Option
from metaopt.tasks.kind import MSE, SHOTS, TaskKind


def _make(options, device, dtype, path):
    from metaopt import seeding
    from metaopt.tasks.base import SPLITS, Episodes, Examples

    class Parabolas:
        input_shape, outputs, classification = (1,), 1, False

        def sample(self, split, keys, k_shot, q_query):
            keys = seeding.fold_in(keys, SPLITS.index(split))
            u = seeding.uniform(keys, 1 + k_shot + q_query)[..., None].to(dtype)
            x = 2 * u[..., 1:, :] - 1
            y = options["steepest"] * u[..., :1, :] * x**2
            support = Examples(x[..., :k_shot, :], y[..., :k_shot, :])
            return Episodes(support, Examples(x[..., k_shot:, :], y[..., k_shot:, :]))

    return Parabolas()


KIND = TaskKind(
    name="parabola",
    doc="y = a·x²; one task is one a, uniform up to `steepest`.",
    options=(*SHOTS, Option("steepest", "float", 2.0, "Largest a.", minimum=0.1, maximum=100)),
    metric=MSE,
    make=_make,
    input_shape=lambda options: (1,),
)
