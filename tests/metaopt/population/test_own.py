"""Tasks, models and algorithms that somebody made: a record, an object, or through a registry."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import (
    InvalidMetaParameter,
    InvalidModel,
    InvalidPopulation,
    InvalidTasks,
    MetaoptError,
)
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import Trained, evaluate
from metaopt.models.lift import lift
from metaopt.models.mlp import Mlp
from metaopt.models.registry import MODELS
from metaopt.population.own import model_spec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.train import train
from metaopt.tasks.registry import TASKS
from metaopt.winner import read_winner
from tests.fakes.modules import Distances
from tests.fakes.toys import PARABOLA, PULLED, QUADRATIC, Parabola, Quadratic

BANK = BankSpec("validation", seed=1, tasks=20, k_shot=5, q_query=10, steps=2)
SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
MLP = {"kind": "mlp", "widths": [8]}


def trained(algorithm: Any = "maml", tasks: Any = SINUSOID, model: Any = MLP, **more: Any) -> Any:
    given = {"params": {"meta_batch": 4, "inner_lr": 0.1}, "meta_iterations": 30, **more}
    return train(algorithm, tasks=tasks, model=model, **given)


def error(result: Trained, steps: int = 1) -> float:
    return evaluate(result, BANK)[0].curve[steps]


@pytest.mark.parametrize("tasks", [PARABOLA, Parabola(2.0)], ids=["kind", "object"])
def test_own_tasks_are_trained_and_judged_on(tasks: Any) -> None:
    by_name = {"kind": "parabola", "k_shot": 10, "q_query": 10}
    with TASKS.including(PARABOLA):
        named = trained(tasks=by_name)
    assert torch.equal(trained(tasks=tasks).phi, named.phi)
    assert error(named) < error(trained(tasks=tasks, meta_iterations=1))


def test_shots_of_own_tasks_can_be_chosen() -> None:
    few, many = (trained(tasks=Parabola(), k_shot=shots).phi for shots in (1, 10))
    assert not torch.equal(few, many)
    assert torch.equal(trained(tasks=Parabola()).phi, many)


@pytest.mark.parametrize(
    "model",
    [QUADRATIC, Quadratic(), lambda shape, outputs: Quadratic(outputs)],
    ids=["kind", "object", "function"],
)
def test_own_models_are_trained(model: Any) -> None:
    with MODELS.including(QUADRATIC):
        named = trained(tasks=PARABOLA, model={"kind": "quadratic"})
    assert torch.equal(trained(tasks=PARABOLA, model=model).phi, named.phi)
    assert error(named) < error(trained(tasks=PARABOLA, model=model, meta_iterations=1))


def test_a_class_is_a_function_that_makes_a_model() -> None:
    class Wide(Mlp):
        def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
            super().__init__(input_shape, (8,), outputs)

    assert torch.equal(trained(model=Wide).phi, trained().phi)


class Net(torch.nn.Module):
    """With batch norm, whose running statistics nobody trains."""

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(1, hidden), torch.nn.BatchNorm1d(hidden), torch.nn.Tanh()
        )
        self.head = torch.nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.body(x))
        return outputs


def sized(input_shape: tuple[int, ...], outputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(*input_shape, 8), torch.nn.Tanh(), torch.nn.Linear(8, outputs)
    )


@pytest.mark.parametrize("algorithm", ["maml", "reptile"])
@pytest.mark.parametrize("given", ["class", "module", "function"])
def test_modules_are_trained_and_judged(given: str, algorithm: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = {"class": Net, "module": Net(), "function": sized}[given]
    faster = {"outer_lr": 0.01} if algorithm == "maml" else {}
    params = [{"meta_batch": 2, "inner_lr": rate, **faster} for rate in (0.05, 0.1)]
    long, again, short = (
        trained(algorithm, PARABOLA, model, params=params, meta_iterations=count)
        for count in (40, 40, 1)
    )
    assert torch.equal(long.phi, again.phi)
    for transductive in (True, False):
        bank = replace(BANK, steps=5, transductive=transductive)
        for after, before in zip(evaluate(long, bank), evaluate(short, bank), strict=True):
            assert after.curve[1] < before.curve[1]


def test_a_lane_of_a_module_is_the_trial_alone_up_to_rounding() -> None:
    params = [{"meta_batch": 2, "inner_lr": rate} for rate in (0.05, 0.1)]
    both = trained(tasks=SINUSOID, model=Net, params=params, dtype="float64")
    alone = trained(tasks=SINUSOID, model=Net, params=params[:1], dtype="float64")
    assert torch.allclose(both.phi[0], alone.phi[0], rtol=1e-8)


def test_trained_weights_load_into_the_module_they_belong_to() -> None:
    result = trained(tasks=PARABOLA, model=Net)
    net, weights = Net(), result.weights(0)
    missing = net.load_state_dict(weights, strict=False)
    assert all("running" in name or "num_batches" in name for name in missing.missing_keys)
    assert not missing.unexpected_keys
    x = torch.linspace(-1, 1, 9)[:, None]
    outputs = result.learner.model.apply(weights, x)
    assert torch.allclose(net.train()(x), outputs, atol=1e-6)
    small = trained(model=sized)
    sized((1,), 1).load_state_dict(small.weights(0))  # it has no buffers: nothing is missing


def test_a_module_with_first_derivatives_alone_trains_in_first_order() -> None:
    def near(input_shape: tuple[int, ...], outputs: int) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Linear(*input_shape, 2), Distances(), torch.nn.Linear(5, outputs)
        )

    with pytest.raises(InvalidModel, match="no second derivatives .*: give order = first"):
        trained(model=near)
    for algorithm in ("meta_sgd", "meta_curvature", "imaml"):
        with pytest.raises(InvalidModel, match=f"which {algorithm} needs: take Reptile, or MAML"):
            train(algorithm, tasks=SINUSOID, model=near, meta_iterations=1)
    params = {"order": "first", "meta_batch": 2, "inner_lr": 0.01}
    long, short = (
        trained(tasks=PARABOLA, model=near, params=params, meta_iterations=n) for n in (40, 1)
    )
    assert error(long, 0) < error(short, 0)


def test_a_module_goes_on_from_a_checkpoint_and_is_a_winner_where_it_is_registered(
    tmp_path: Path,
) -> None:
    kind = lift(Net, adapt="head")
    with MODELS.including(kind), TASKS.including(PARABOLA):
        signature = signature_of(
            tasks={"kind": "parabola", "k_shot": 5, "q_query": 5},
            model=kind.complete({}),
            algorithm="maml",
            params={},
        )
        begun = Population(signature)
        begun.admit("a", {}, seed=1, horizon=8)
        begun.advance(4)
        digest = begun.checkpoint("a", tmp_path / "a")
        begun.advance(4)
        resumed = Population(signature)
        resumed.admit("a", {}, seed=1, horizon=8, checkpoint=tmp_path / "a", digest=digest)
        resumed.advance(4)
        assert torch.equal(resumed.trained().phi, begun.trained().phi)
        resumed.write_model("a", tmp_path / "model", transductive=False)
        winner = read_winner(tmp_path / "model")
        x = torch.tensor([[0.5], [-1.0], [0.1]])
        adapted = winner.adapt(x, x**2)
        moved = {n for n, p in adapted.weights.items() if not torch.equal(p, winner.weights[n])}
        assert moved == {"head.weight", "head.bias"}
        assert adapted.predict(x).shape == (3, 1)


def test_a_model_of_other_inputs_is_refused() -> None:
    with pytest.raises(InvalidModel, match=r"takes inputs of shape \(1,\), the tasks give \(3,\)"):
        trained(tasks={"kind": "linear", "features": 3}, model=Quadratic())
    with pytest.raises(InvalidModel, match=r"needs one number, the tasks give \(3,\)"):
        trained(tasks={"kind": "linear", "features": 3}, model=QUADRATIC)


def test_an_algorithm_of_ones_own_trains_and_adapts_with_its_own_number() -> None:
    lanes = [{"pull": pull, "inner_lr": 0.3} for pull in (0.0, 0.3)]
    both = trained(PULLED, PARABOLA, QUADRATIC, params=lanes, meta_iterations=100)
    free, pulled = both.phi.norm(dim=1)
    assert 0 < pulled < free
    assert both.adaptation.numbers["pull"].tolist() == pytest.approx([0.0, 0.3])
    kept, shrunk = (scores.curve for scores in evaluate(both, BANK))
    assert kept[1] < kept[0] and len(shrunk) == 3
    with ALGORITHMS.including(PULLED):
        named = trained("pulled", PARABOLA, QUADRATIC, params=lanes, meta_iterations=100)
    assert torch.equal(named.phi, both.phi)


def test_own_numbers_survive_a_checkpoint_and_belong_to_the_trial(tmp_path: Path) -> None:
    signature = signature_of(tasks=SINUSOID, model=MLP, algorithm=PULLED, params={})
    begun = Population(signature, algorithm=PULLED)
    begun.admit("a", {"pull": 0.2}, seed=1, horizon=4)
    begun.advance(2)
    digest = begun.checkpoint("a", tmp_path / "a")
    begun.advance(2)
    resumed = Population(signature, algorithm=PULLED)
    resumed.admit("a", {"pull": 0.2}, seed=1, horizon=4, checkpoint=tmp_path / "a", digest=digest)
    resumed.advance(2)
    assert torch.equal(resumed.trained().phi, begun.trained().phi)
    with pytest.raises(InvalidPopulation, match=r"has numbers\.pull = 0\.2.*, the trial 0\.3"):
        Population(signature, algorithm=PULLED).admit(
            "a", {"pull": 0.3}, seed=1, horizon=4, checkpoint=tmp_path / "a"
        )


def test_a_winner_of_a_registered_algorithm_adapts_as_that_does(tmp_path: Path) -> None:
    with ALGORITHMS.including(PULLED), MODELS.including(QUADRATIC), TASKS.including(PARABOLA):
        spec = {"kind": "parabola", "k_shot": 5, "q_query": 5}
        signature = signature_of(
            tasks=spec, model={"kind": "quadratic"}, algorithm="pulled", params={"test_steps": 2}
        )
        population = Population(signature)
        population.admit("a", {"pull": 0.5, "test_steps": 2}, seed=1, horizon=20)
        population.advance(20)
        population.write_model("a", tmp_path / "model", transductive=True)
        winner = read_winner((tmp_path / "model").read_bytes())
        x = torch.tensor([[0.5], [-1.0], [0.1]])
        theta, rate, pull = population.weights("a"), winner.card.inner_lr, 0.5
        for _ in range(2):
            w = (theta["w"] * (1 - rate * pull)).requires_grad_()
            loss = (Quadratic().apply({"w": w}, x) - x**2).square().mean()
            theta = {"w": (w - rate * torch.autograd.grad(loss, w)[0]).detach()}
        adapted = winner.adapt(x, x**2).predict(x)
        assert torch.allclose(adapted, Quadratic().apply(theta, x), atol=1e-6)


def test_a_population_takes_objects() -> None:
    signature = signature_of(
        tasks={"kind": "mine", "k_shot": 3, "q_query": 3},
        model={"kind": "mine"},
        algorithm=PULLED,
        params={},
    )
    population = Population(signature, tasks=Parabola(), model=Quadratic(), algorithm=PULLED)
    population.admit("a", {"pull": 0.1}, seed=1, horizon=20)
    population.advance(20)
    (scores,) = population.evaluate(["a"], BANK).values()
    assert scores.curve[1] < 1.0 and population.state("a").age == 20
    with pytest.raises(
        InvalidModel, match="model.kind must be one of conv4, linear, mlp, module, resnet12"
    ):
        Population(signature, tasks=Parabola(), algorithm=PULLED)


def test_programs_of_ones_own_are_named_by_what_they_compute(tmp_path: Path) -> None:
    def net(factor: float) -> type[torch.nn.Module]:
        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(1, 1)
                self.register_buffer("factor", torch.tensor(factor))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                outputs: torch.Tensor = self.factor * torch.tanh(self.layer(x))
                return outputs

        return Net

    def path(model: Any, algorithm: Any = "maml") -> Path:
        signature = signature_of(
            tasks=SINUSOID, model=model_spec(model), algorithm=algorithm, params={}
        )
        own = algorithm if algorithm is PULLED else None
        made = Population(signature, model=model, algorithm=own, program_lanes=2)
        return made.program_path(tmp_path)

    assert path(net(2.0)) == path(net(2.0))
    others = [path(net(3.0)), path(Quadratic()), path(Quadratic(), PULLED)]
    assert len({path(net(2.0)), *others}) == 4
    with MODELS.including(lift(net(2.0))) as registered:
        added = path(registered)
    assert added != path(net(3.0))


@pytest.mark.night
def test_a_module_is_compiled(tmp_path: Path) -> None:
    signature = signature_of(
        tasks=SINUSOID, model=model_spec(Net), algorithm="maml", params={}, dtype="float64"
    )
    eager, compiled = (Population(signature, model=Net, program_lanes=2) for _ in range(2))
    compiled.use_compiled(tmp_path)
    for population in (eager, compiled):
        population.admit("a", {}, seed=3, horizon=9)
        population.advance(3)
    assert compiled.compiled and not eager.compiled
    assert torch.allclose(compiled.trained().phi, eager.trained().phi, rtol=1e-8)


def test_trials_are_judged_on_other_tasks_of_the_same_shapes() -> None:
    result = trained(tasks=PARABOLA, model=QUADRATIC)
    (steep,) = evaluate(result, BANK, tasks=Parabola(20.0))
    (flat,) = evaluate(result, BANK, tasks=PARABOLA)
    assert steep.curve[0] > 10 * flat.curve[0]
    assert flat == evaluate(result, BANK)[0]
    with pytest.raises(InvalidTasks, match=r"trained with inputs = \(1,\), these have \(3,\)"):
        evaluate(result, BANK, tasks={"kind": "linear", "features": 3})


def test_an_algorithm_without_what_every_population_needs_is_refused() -> None:
    with pytest.raises(InvalidMetaParameter, match="pulled needs a parameter meta_batch"):
        replace(PULLED, params=tuple(p for p in PULLED.params if p.name != "meta_batch"))
    choice = replace(ALGORITHMS.get("maml").parameters()["order"], lane=True)
    with pytest.raises(InvalidMetaParameter, match="order of algorithm pulled is a choice"):
        replace(PULLED, params=(*PULLED.params, choice))


def test_tasks_without_shots_are_refused() -> None:
    with pytest.raises(InvalidTasks, match="tasks parabola need an option k_shot: add SHOTS"):
        replace(PARABOLA, options=())


@pytest.mark.parametrize(
    ("tasks", "model", "words"),
    [
        (
            {"k_shto": 3},
            {},
            "tasks sinusoid has no option 'k_shto', did you mean k_shot\\? it has k_shot, q_query",
        ),
        ({}, {"width": 3}, "model mlp has no option 'width', did you mean widths\\? it has widths"),
    ],
)
def test_an_option_that_a_kind_has_not_is_refused(
    tasks: dict[str, Any], model: dict[str, Any], words: str
) -> None:
    with pytest.raises(MetaoptError, match=words):
        train(
            "maml",
            tasks={"kind": "sinusoid", **tasks},
            model={"kind": "mlp", **model},
            params={},
            meta_iterations=1,
        )


def test_a_model_of_another_width_than_the_tasks_need_is_refused() -> None:
    model = Mlp((1,), (8,), 3)
    with pytest.raises(InvalidModel, match="the model gives 3 numbers, the tasks need 1"):
        train("maml", tasks={"kind": "sinusoid"}, model=model, params={}, meta_iterations=1)
