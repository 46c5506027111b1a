"""MAML: weights from which a few gradient steps lead far, by the gradient through those steps."""

from metaopt.algorithms.algorithm import ALL_TARGETS, About, Algorithm
from metaopt.algorithms.shared import (
    THROUGH_INNER_STEPS,
    draw_episodes,
    moments,
    through_inner_steps,
)

KIND = Algorithm(
    name="maml",
    doc="Weights from which a few gradient steps on a task's support set lead far.",
    about=About(
        rule="θ_0 = φ,   θ_{j+1} = θ_j − α ∇L(θ_j; support)\ng = ∇_φ (1/T) Σ_τ L(θ_K(φ); query_τ)",
        source="Finn, Abbeel & Levine 2017, arXiv:1703.03400, Algorithms 1 and 2; first order: "
        "section 5.2",
        cost="Differentiates through K inner steps, with a graph that grows with K; "
        "`order: first` keeps none. A task takes `test_steps` gradient steps.",
        when="The one to compare with. Anything with a gradient: numbers, classes, a loss of "
        "your own.",
    ),
    params=THROUGH_INNER_STEPS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_inner_steps,
    moments=moments,
    # First order runs a loop that ends with the lane that needs the most steps.
    unrolls={"order": ("second",)},
    of_the_gradient=("order", "inner_graph"),
    targets=ALL_TARGETS,
)
