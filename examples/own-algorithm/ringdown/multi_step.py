"""Multi-step MAML: the query loss after every inner step counts, not only after the last.

    θ_0 = φ,   θ_k = θ_{k−1} − α ∇L(θ_{k−1}; support)
    g = ∇_φ Σ_k w_k L(θ_k; query),   w_k = γ^{K−k} / Σ_j γ^{K−j},   k, j = 1 … K

γ = 0 is MAML and γ = 1 the mean over all steps.  Antoniou, Edwards & Storkey (2019), "How to train
your MAML", arXiv:1810.09502, section 4, change w over the training; here γ is searched.
"""

from metaopt import Algorithm, MetaParam
from metaopt.algorithms.algorithm import Moments
from metaopt.metaparams import TEST_STEPS


def _draw(tasks, keys, *, k_shot, q_query, options, step_cap):
    from metaopt.algorithms.drawn import Drawn, nothing

    episodes = tasks.sample("train", keys, k_shot, q_query)
    return Drawn(episodes.support, episodes.query, nothing(keys))


def _meta_gradient(learner, phi, drawn, *, numbers, options, step_cap, state):
    import torch

    from metaopt.algorithms.drawn import MetaGradient
    from metaopt.algorithms.inner import for_tasks, inner_update, select

    start = {n: p.requires_grad_() for n, p in learner.layout.unflatten(phi.detach()).items()}
    theta = for_tasks(start, drawn.query.y.shape[1])
    alpha, gamma, steps = (numbers[n][:, None] for n in ("inner_lr", "gamma", "inner_steps"))
    total = weights = 0.0
    for k in range(1, step_cap + 1):  # lanes of fewer steps stand still, and count no more
        loss = learner.loss(theta, drawn.support).sum()
        moving = [theta[name] for name in learner.adapted]
        found = torch.autograd.grad(loss, moving, create_graph=True)
        gradient = dict(zip(learner.adapted, found, strict=True))
        moved, _ = inner_update(theta, gradient, alpha, None)
        theta = select(k <= steps, moved, theta)
        w = torch.where(k <= steps, gamma ** (steps - k).clamp(min=0), 0.0)
        total, weights = total + w * learner.loss(theta, drawn.query), weights + w
    loss = (total / weights).mean(1)
    found = torch.autograd.grad(loss.sum(), list(start.values()))
    gradient = learner.layout.flatten(dict(zip(start, found, strict=True)))
    return MetaGradient(gradient, loss.detach())


KIND = Algorithm(
    name="multi_step",
    params=(
        MetaParam("inner_lr", "float", 0.01, "1", "Step size α.", "MAML, sinusoid", low=1e-3,
                  high=0.3, log=True, minimum=1e-12, maximum=1e3, searched=True),
        MetaParam("inner_steps", "int", 3, "steps", "Inner steps K.", "MAML++ 5", low=1, high=5,
                  minimum=1, maximum=50),
        MetaParam("gamma", "float", 0.5, "1", "Weight γ of a step against the next.", "ours",
                  low=0.0, high=1.0, maximum=1.0, searched=True),
        MetaParam("outer_lr", "float", 1e-3, "1", "Step size β.", "MAML Adam 1e-3", low=1e-4,
                  high=1e-2, log=True, minimum=1e-12, maximum=1e3, searched=True),
        TEST_STEPS,
        MetaParam("meta_batch", "int", 16, "tasks", "Tasks per meta-iteration.", "ours", low=4,
                  high=32, minimum=1, maximum=4096, lane=False),
    ),
    outer_rate="outer_lr",
    draw=_draw,
    meta_gradient=_meta_gradient,
    moments=lambda options: Moments(outer=True),  # Adam
    unrolls={},  # a program grows with K, whatever the options
)  # fmt: skip
