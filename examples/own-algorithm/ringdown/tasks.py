"""Ringdowns: y = A·exp(−δx)·cos(ωx), struck systems that ring and fade; a task is one of them."""

from metaopt import Option, TaskKind
from metaopt.tasks.kind import SHOTS


def _make(options, device, dtype, path):
    from metaopt import Episodes, Examples, seeding
    from metaopt.tasks.base import SPLITS

    class Ringdowns:
        input_shape, outputs, classification = (1,), 1, False

        def sample(self, split, keys, k_shot, q_query):
            keys = seeding.fold_in(keys, SPLITS.index(split))  # a task is a function of its key
            u = seeding.uniform(keys, 3 + k_shot + q_query)[..., None].to(dtype)
            amplitude, damping, frequency, x = u.split([1, 1, 1, k_shot + q_query], dim=-2)
            damping = between(options["damping"], damping)
            frequency = between(options["frequency"], frequency)
            x = options["seconds"] * x
            y = (0.5 + amplitude) * (-damping * x).exp() * (frequency * x).cos()
            support = Examples(x[..., :k_shot, :], y[..., :k_shot, :])
            return Episodes(support, Examples(x[..., k_shot:, :], y[..., k_shot:, :]))

    def between(ends, share):
        return ends[0] + (ends[1] - ends[0]) * share

    return Ringdowns()


KIND = TaskKind(
    name="ringdown",
    doc="y = A·exp(−δx)·cos(ωx); one task is one (A, δ, ω), uniform.",
    options=(
        *SHOTS,
        Option("damping", "interval", (0.1, 1.0), "Range of δ, in 1/s.", minimum=0, maximum=10),
        Option("frequency", "interval", (1.0, 4.0), "Range of ω, in 1/s.", minimum=0, maximum=50),
        Option("seconds", "float", 3.0, "Longest x, in s.", minimum=0.1, maximum=100),
    ),
    metrics=("mse", "mae", "nmse"),
    make=_make,
    input_shape=(1,),  # as data: a server knows shapes, and never runs this file
)
