"""First-order MAML whose weights are pulled to zero: g + pull · φ."""

from metaopt.algorithms.algorithm import Algorithm
from metaopt.metaparams import TEST_STEPS, MetaParam


def _draw(tasks, keys, *, k_shot, q_query, options, step_cap):
    from metaopt.algorithms.drawn import Drawn, nothing

    episodes = tasks.sample("train", keys, k_shot, q_query)
    return Drawn(episodes.support, episodes.query, nothing(keys))


def _meta_gradient(learner, phi, drawn, *, numbers, options, step_cap, state):
    from metaopt.algorithms import maml
    from metaopt.algorithms.drawn import MetaGradient
    from metaopt.tasks.base import Episodes

    gradient, loss = maml.meta_gradient(
        learner, phi, Episodes(drawn.support, drawn.query), inner_lr=numbers["inner_lr"],
        inner_steps=numbers["inner_steps"], step_cap=step_cap, first_order=True,
    )
    return MetaGradient(gradient + numbers["pull"][:, None] * phi, loss)


KIND = Algorithm(
    name="pulled",
    params=(
        MetaParam("inner_lr", "float", 0.1, "1", "Step size α.", "ours", low=1e-3, high=1.0, log=True),
        MetaParam("inner_steps", "int", 1, "steps", "Inner steps K.", "ours", low=1, high=5,
                  minimum=1, maximum=20),
        MetaParam("outer_lr", "float", 0.1, "1", "Step size β.", "ours", low=1e-2, high=1.0),
        MetaParam("pull", "float", 0.0, "1", "Pull of the weights to zero.", "ours", low=0.0, high=0.5),
        TEST_STEPS,
        MetaParam("meta_batch", "int", 4, "tasks", "Tasks per meta-iteration.", "ours", low=2, high=8,
                  minimum=1, lane=False),
    ),
    outer_rate="outer_lr",
    draw=_draw,
    meta_gradient=_meta_gradient,
)
