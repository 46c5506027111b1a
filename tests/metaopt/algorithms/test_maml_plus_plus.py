"""MAML++: losses after each step, learned rates and norms of each step."""

import pytest
import torch

from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.per_step import PerStep, loss_weights
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidModel
from metaopt.models.lift import lift
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Examples
from tests import reference
from tests.fakes.modules import MAPPED
from tests.metaopt.algorithms import inner_loops
from tests.metaopt.algorithms.test_maml import reference_apply

HORIZON = 100


def numbers(steps, age: int = 4, share: float = 0.1) -> dict:
    return {
        **inner_loops.numbers(steps),
        "age": torch.tensor([age, age + 3]),
        "horizon": torch.tensor([HORIZON, HORIZON]),
        "losses_share": torch.tensor([share, share], dtype=torch.float64),
    }


def annealed(epoch: float, epochs: float, steps: int) -> list[float]:
    """The weights of the authors' code at an epoch."""
    if epochs == 0 or epoch >= epochs:
        return [0.0] * (steps - 1) + [1.0]
    least, falls = 0.03 / steps, 1 / steps / epochs
    early = max(1 / steps - epoch * falls, least)
    last = min(1 / steps + epoch * (steps - 1) * falls, 1 - (steps - 1) * least)
    return [early] * (steps - 1) + [last]


def with_tables(problem, rows: int, rates: bool, norms: bool):
    """The problem's φ with rates and rows of norms that are all different."""
    plain, phi, episodes = problem
    learner = PerStep.of(plain, rows=rows, rates=rates, own_norms=norms)
    generator = torch.Generator().manual_seed(11)
    parts = {}
    for name, shape in learner.shapes.items():
        drawn = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
        if name.startswith("rates/"):
            parts[name] = 0.3 * drawn - 0.05
        elif name.startswith("steps/"):
            parts[name] = 0.5 + drawn
        else:
            parts[name] = plain.layout.unflatten(phi)[name]
    return learner, learner.layout.flatten(parts), episodes


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("steps", [(1, 1), (3, 3), (5, 2)])
@pytest.mark.parametrize("options", [
    {},
    {"losses": "last_step"},
    {"rates": "shared"},
    {"norm": "per_step"},
    {"norm": "per_step", "rates": "shared", "losses": "last_step"},
], ids=str)  # fmt: skip
def test_meta_gradient_equals_the_loop_over_tasks(problem, steps, order, options):
    plain = problem[0]
    norms = options.get("norm") == "per_step"
    if norms and isinstance(plain.model, Mlp):
        pytest.skip("it has no batch norm")
    rows = 3
    learner, phi, episodes = with_tables(problem, rows, options.get("rates") != "shared", norms)
    found = inner_loops.meta_gradient(
        "maml_plus_plus", plain, phi, episodes, step_cap=max(steps), order=order, table=rows,
        numbers=numbers(steps), **options,
    )  # fmt: skip
    for lane in range(2):
        parts = learner.layout.unflatten(phi[lane])
        tables = {
            kind: {n.removeprefix(kind): p for n, p in parts.items() if n.startswith(kind)}
            for kind in ("rates/", "steps/")
        }
        weights = {n: parts[n] for n in plain.model.shapes if n in parts}
        each = annealed(4 + 3 * lane, 10, steps[lane])
        if "losses" in options:
            each = [0.0] * (steps[lane] - 1) + [1.0]
        *gradients, loss = reference.maml_plus_plus_gradient(
            reference_apply(plain), weights, *tables.values(),
            [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(3)],
            steps=steps[lane], loss_weights=each, first_order=order == "first",
            inner_lr=inner_loops.RATES[lane], frozen=plain.model.not_adapted,
        )  # fmt: skip
        named = dict(gradients[0])
        for kind, gradient in zip(("rates/", "steps/"), gradients[1:], strict=True):
            named |= {kind + name: g for name, g in gradient.items()}
        told = learner.layout.flatten(named)
        assert torch.allclose(found.loss[lane], loss, rtol=0, atol=1e-9)
        assert (found.gradient[lane] - told).abs().max() < 1e-9 * told.abs().max()


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_losses_are_weighted_as_by_the_authors(steps, share):
    ages = torch.arange(0, HORIZON + 1)
    found = loss_weights(
        ages, torch.full_like(ages, HORIZON), torch.full(ages.shape, share, dtype=torch.float64),
        torch.full_like(ages, steps), 5,
    )  # fmt: skip
    told = torch.tensor([annealed(int(age), share * HORIZON, steps) for age in ages])
    assert torch.allclose(found[:, :steps], told.double(), atol=1e-6)
    assert not found[:, steps:].any()
    assert torch.allclose(found.sum(1), torch.ones(len(ages), dtype=torch.float64))


def test_without_its_options_it_is_maml(problem):
    plain, phi, episodes = problem
    given = {"step_cap": 3, "numbers": numbers((3, 2))}
    off = {"losses": "last_step", "rates": "shared"}
    for order in ("second", "first"):
        found = inner_loops.meta_gradient(
            "maml_plus_plus", plain, phi, episodes, order=order, **given, **off
        )
        told = inner_loops.meta_gradient("maml", plain, phi, episodes, order=order, **given)
        scale = told.gradient.abs().max()
        assert (found.gradient - told.gradient).abs().max() < 1e-10 * scale
        assert torch.allclose(found.loss, told.loss, rtol=1e-12)


def test_what_is_learned_does_not_depend_on_how_many_steps_are_taken():
    few, many = (
        inner_loops.population("maml_plus_plus", [{"inner_steps": 1}], steps=steps, table=4)
        for steps in (1, 5)
    )
    assert few.program.learner.shapes == many.program.learner.shapes
    assert few.program.learner.shapes["rates/w0"] == (4,)


def test_rates_begin_with_those_of_the_trial_and_are_learned():
    made = inner_loops.population("maml_plus_plus", inner_loops.LANES, table=2, meta_batch=2)
    for i, lane in enumerate(inner_loops.LANES):
        for name in ("w0", "b0", "w1", "b1"):
            rates = made.weights(f"t{i}")[f"rates/{name}"]
            assert torch.equal(rates, torch.full((2,), lane["inner_lr"], dtype=torch.float64))
    made.advance(3)
    one_step, three_steps = (made.weights(f"t{i}")["rates/w0"] for i in (0, 1))
    assert one_step[0] != 0.05 and one_step[1] == 0.05  # it takes no second step
    assert (three_steps != 0.1).all()


def test_norms_of_a_step_are_not_adapted_and_answer_after_it(problem):
    if isinstance(problem[0].model, Mlp):
        pytest.skip("it has no batch norm")
    learner, phi, episodes = with_tables(problem, 2, rates=True, norms=True)
    assert learner.adapted == ("conv0", "conv1", "conv2", "conv3", "w", "b")
    parts = learner.layout.unflatten(phi)
    theta = learner.begin(parts, episodes.support, 3)
    assert torch.equal(theta["gamma1"], parts["steps/gamma1"][:, None, 0].expand(2, 3, -1))
    support = Examples(*episodes.support)
    for step, row in ((0, 0), (1, 1), (2, 1)):
        theta = learner.moved(theta, support, step, torch.ones(2, 1).double(), second_order=False)
        expected = parts["steps/gamma1"][:, None, row].expand(2, 3, -1)
        assert torch.equal(theta["gamma1"], expected)
    alone = learner.outputs(parts, episodes.support.x[:, 0])
    first = learner.outputs(learner.begin(parts, episodes.support, 3), episodes.support.x)[:, 0]
    assert torch.allclose(alone, first)  # φ itself answers as before the first step


def test_a_module_has_rows_for_its_batch_norms():
    kind = lift(lambda shape, outputs: MAPPED["BatchNorm1d"]())
    model = kind.make(kind.complete({}), (4,), 2)
    learner = PerStep.of(Learner(model, classification=False), rows=3, own_norms=True).checked()
    tables = {name for name in learner.shapes if name.startswith("steps/")}
    assert tables == {"steps/layer.weight", "steps/layer.bias"}
    assert "layer.weight" not in learner.adapted
    phi = learner.fresh(torch.tensor([1]), torch.float64, {"inner_lr": torch.tensor([0.1])})
    assert {name: tuple(p.shape[1:]) for name, p in phi.items()} == learner.shapes
    x = torch.rand(1, 5, 4, dtype=torch.float64)
    plain = model.init(torch.tensor([1]), torch.float64)
    assert torch.allclose(learner.outputs(phi, x), model.apply(plain, x))


def test_what_it_cannot_use_is_refused():
    record = ALGORITHMS.get("maml_plus_plus")
    options = record.structure(record.complete({"norm": "per_step"}))
    with pytest.raises(InvalidModel, match="take norm = shared"):
        record.learner(Learner(Mlp((2,), (3,), 1), classification=False), options)

    class Own:
        shapes = {"w": (2,), "rates/w": (2,)}
        not_adapted = frozenset()

    with pytest.raises(InvalidModel, match="rename it"):
        PerStep.of(Learner(Own(), classification=False)).checked()


def test_lanes_are_trials_alone():
    inner_loops.assert_lanes_are_trials_alone("maml_plus_plus", meta_batch=3, table=2)


@pytest.mark.parametrize("norm", ["shared", "per_step"])
def test_the_file_answers_like_the_study(tmp_path, norm):
    path = tmp_path / "w.safetensors"
    if norm == "shared":
        inner_loops.assert_the_file_answers_like_the_study("maml_plus_plus", path, meta_batch=2)
    inner_loops.assert_the_file_answers_like_the_study(
        "maml_plus_plus", path, transductive=norm == "shared", tasks=inner_loops.OMNIGLOT,
        model=inner_loops.CONV4, meta_batch=2, norm=norm, table=2,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.night
def test_a_compiled_program_trains_like_the_plain_one(programs):
    inner_loops.assert_compiled_is_plain("maml_plus_plus", programs, meta_batch=2, table=5)


@pytest.mark.slow
@pytest.mark.night
def test_a_compiled_program_of_convolutions_trains_like_the_plain_one(programs):
    inner_loops.assert_compiled_is_plain(
        "maml_plus_plus", programs, steps=(1, 2), tasks=inner_loops.OMNIGLOT,
        model=inner_loops.CONV4, meta_batch=1, norm="per_step", table=2,
    )  # fmt: skip
