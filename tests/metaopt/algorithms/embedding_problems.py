"""Small tasks on embeddings in float64, and the loop over lanes and tasks that proves answers."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from metaopt.algorithms.answers import meta_gradient
from metaopt.algorithms.learner import Learner
from metaopt.models.conv4 import Conv4
from metaopt.models.mlp import Mlp
from metaopt.population.population import Population
from metaopt.tasks.base import Episodes, Examples
from tests import reference
from tests.programs import use_compiled

LANES, TASKS, WAYS, SHOTS, QUERIES = 2, 3, 3, 2, 2
EMBEDDING = 5
MODELS = ("mlp", "conv4", "conv4-max", "conv4-products")


class Problem(NamedTuple):
    """A learner of embeddings, φ (H, P), and episodes (H, T)."""

    learner: Learner
    phi: torch.Tensor
    episodes: Episodes


def problem(
    kind: str, make, *, embedding: int = EMBEDDING, classification: bool = True, **own
) -> Problem:
    """Return tasks of a model of this kind, with weights that lie around 0.

    Args:
        make: The class of the learner.
        own: Its own parts.
    """
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = (4,) if kind == "mlp" else (1, 16, 16)
    if kind == "mlp":
        model = Mlp(shape, (8,), embedding, "tanh")
    else:
        pooling, form = "max" if "max" in kind else "stride", kind.removeprefix("conv4-")
        form = form if form == "products" else "auto"
        model = Conv4(shape, embedding, filters=4, pooling=pooling, form=form)
    width = WAYS if classification else 2
    learner = make.of(Learner(model, classification, width=width), **own)

    def examples(each: int) -> Examples:
        x = normal(LANES, TASKS, WAYS * each, *shape)
        if not classification:
            return Examples(x, normal(LANES, TASKS, WAYS * each, width))
        drawn = torch.rand(LANES, TASKS, WAYS * each, generator=generator)
        return Examples(x, torch.arange(WAYS).repeat(each)[drawn.argsort(-1)])

    episodes = Episodes(examples(SHOTS), examples(QUERIES))
    begin = learner.layout.flatten(learner.init(torch.arange(LANES), torch.float64))
    return Problem(learner, begin + 0.1 * normal(*begin.shape), episodes)


def embedded(learner: Learner, weights, x_s, x_q, *, transductive: bool = True):
    """Return embeddings of support and query by the reference networks."""
    x, count = torch.cat([x_s, x_q]), len(x_s)
    model = learner.model
    if isinstance(model, Conv4):
        z = reference.conv4(weights, x, model.pooling, None if transductive else count)
    else:
        own = {name: weights[name] for name in model.shapes}
        z = reference.mlp(own, x, model.activation)
    return z[:count], z[count:]


def check_gradient(given: Problem, outputs) -> None:
    """Hold the meta-gradient to the loop over lanes and tasks, to 1e-9.

    Args:
        outputs: (weights, z_s, y_s, z_q) -> outputs (Q, C) for embeddings z.
    """
    learner, phi, episodes = given

    def loop(weights, x_s, y_s, x_q):
        z_s, z_q = embedded(learner, weights, x_s, x_q)
        return outputs(weights, z_s, y_s, z_q)

    gradient, loss = meta_gradient(learner, phi, episodes)
    for lane in range(LANES):
        tasks = [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(TASKS)]
        weights = learner.layout.unflatten(phi[lane])
        expected, expected_loss = reference.answers_gradient(loop, weights, tasks)
        flat = learner.layout.flatten(expected)
        assert torch.allclose(loss[lane], expected_loss, rtol=0, atol=1e-10)
        assert (gradient[lane] - flat).abs().max() < 1e-9 * flat.abs().max()
        assert all(expected[name].abs().max() > 0 for name in learner.shapes if "log" in name)


def check_answers(given: Problem, outputs, transductive: bool) -> None:
    """Hold the answers to those of the loop.

    Args:
        outputs: As `check_gradient` takes it.
    """
    learner, phi, (support, query) = given
    theta = learner.begin(learner.layout.unflatten(phi), support, TASKS)
    found = learner.answers(theta, support, query.x, transductive=transductive)
    for lane in range(LANES):
        weights = learner.layout.unflatten(phi[lane])
        for task in range(TASKS):
            x_s, x_q = support.x[lane, task], query.x[lane, task]
            z_s, z_q = embedded(learner, weights, x_s, x_q, transductive=transductive)
            expected = outputs(weights, z_s, support.y[lane, task], z_q)
            assert torch.allclose(found[lane, task], expected, rtol=1e-10, atol=1e-10)


def check_traced(made: Population, **shots: int) -> None:
    """Hold the traced meta-gradient of a population to the plain one, with other weights, too.

    Args:
        shots: `k_shot` and `q_query` of its tasks.
    """
    program, phi = made.program, made.trained().phi
    structure, algorithm = program.signature.structure, program.kinds.algorithm
    caps = {"options": structure, "step_cap": program.signature.step_cap}
    keys = torch.arange(2 * len(phi)).reshape(-1, 2)
    drawn = algorithm.draw(program.training, keys, **shots, **caps)
    numbers = made.trained().adaptation.numbers

    def gradient(phi: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = algorithm.meta_gradient(
            program.training_learner, phi, drawn, numbers=numbers, state=None, **caps
        ).gradient
        return found

    traced = make_fx(gradient)(phi)
    for weights in (phi, phi + 0.1):
        expected = gradient(weights)
        assert (traced(weights) - expected).abs().max() < 1e-9 * expected.abs().max()


def assert_compiled_is_plain(make: Callable[[], Population], programs: Path) -> None:
    """Hold a compiled training to 1e-9 of how far the plain one goes.

    Args:
        make: Trials under SGD: Adam makes a whole step of a gradient that is zero up to rounding.
    """
    fresh, plain, fast = (make() for _ in range(3))
    use_compiled(fast, programs)
    assert fast.compiled and not plain.compiled
    for made in (plain, fast):
        made.advance(4)
    begun, theirs, ours = (made.trained().phi for made in (fresh, plain, fast))
    gone = (theirs - begun).abs().amax(-1)
    assert (gone > 0).all()
    assert ((ours - theirs).abs().amax(-1) <= 1e-9 * gone).all()
