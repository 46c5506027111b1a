"""Lanes of modules against a plain loop over lanes and tasks, in float64; and what is refused."""

import random

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from metaopt.algorithms import maml
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.models.lift import lift
from metaopt.models.lifted import Lifted
from metaopt.tasks.base import Episodes, Examples
from tests import reference
from tests.fakes.modules import INPUT_SHAPE, LANE_BY_LANE, MAPPED, OUTPUTS, Around, Forgetful, Lying

KINDS = {**MAPPED, **LANE_BY_LANE}
LAYER = ["layer.weight", "layer.bias"]


def lifted(make, adapt: str = "all", shape=INPUT_SHAPE, outputs: int = OUTPUTS) -> Lifted:
    kind = lift(lambda shape, outputs: make(), adapt=adapt)
    return kind.make(kind.complete({}), shape, outputs)


def quietly(make) -> Lifted:
    with pytest.warns(UserWarning, match="lane by lane"):
        return lifted(make)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def of_the_module(make, weights, x: Tensor) -> Tensor:
    """Outputs of a module that `make` makes, as its author meant it: with buffers that it has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
        if any(isinstance(m, nn.modules.lazy.LazyModuleMixin) for m in module.modules()):
            module(torch.zeros(2, 4))
    with sdpa_kernel(SDPBackend.MATH):
        return functional_call(module.double(), weights, (x,))


@pytest.mark.parametrize("name", KINDS)
def test_lanes_have_the_meta_gradient_of_a_loop_over_lanes_and_tasks(name: str) -> None:
    make = KINDS[name]
    model = quietly(make) if name in LANE_BY_LANE else lifted(make)
    assert bool(model.lane_by_lane) == (name in LANE_BY_LANE)
    learner = Learner(model, classification=False)
    phi = learner.layout.flatten(model.init(torch.tensor([3, 4]), torch.float64))
    phi = phi + 0.1 * numbers(*phi.shape)
    x, y = numbers(2, 2, 2, 5, 4, seed=1), numbers(2, 2, 2, 5, 2, seed=2)
    episodes = Episodes(Examples(x[0], y[0]), Examples(x[1], y[1]))
    rates, steps = torch.tensor([0.05, 0.1]).double(), torch.tensor([1, 2])
    for first_order in (True, False):
        found, _ = maml.meta_gradient(
            learner, phi, episodes, inner_lr=rates, inner_steps=steps, step_cap=2,
            first_order=first_order,
        )  # fmt: skip
        for lane in range(2):
            gradient, _ = reference.maml_gradient(
                lambda weights, x: of_the_module(make, weights, x),
                learner.layout.unflatten(phi[lane]),
                [((x[0, lane, t], y[0, lane, t]), (x[1, lane, t], y[1, lane, t])) for t in (0, 1)],
                inner_lr=rates[lane],
                steps=int(steps[lane]),
                first_order=first_order,
            )
            expected = learner.layout.flatten(gradient)
            assert (found[lane] - expected).abs().max() <= 1e-9 * expected.abs().max()


@pytest.mark.parametrize("name", ["BatchNorm2d", "TransformerEncoderLayer", "LSTM"])
def test_leading_axes_of_inputs_and_weights_broadcast(name: str) -> None:
    model = quietly(KINDS[name]) if name in LANE_BY_LANE else lifted(KINDS[name])
    params = model.init(torch.arange(6).reshape(2, 3), torch.float64)
    x = numbers(3, 5, 4)
    every = model.apply(params, x)
    assert every.shape == (2, 3, 5, 2)
    one = model.apply({name: p[1, 2] for name, p in params.items()}, x[2])
    assert torch.allclose(every[1, 2], one, atol=1e-12)


def test_initial_weights_are_those_of_the_module_made_from_the_key() -> None:
    before = torch.random.get_rng_state()
    model = lifted(MAPPED["Linear"])
    both = model.init(torch.tensor([7, -8, 7]), torch.float32)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(-8)
    own = dict(MAPPED["Linear"]().named_parameters())
    assert list(both) == list(own)
    for name, weight in own.items():
        assert torch.equal(both[name][1], weight)
        assert torch.equal(both[name][0], both[name][2])
    doubled = model.init(torch.tensor([7]), torch.float64)
    assert torch.equal(doubled["head.weight"][0], both["head.weight"][0].double())


def test_a_module_that_is_made_already_is_where_every_lane_begins() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    kind = lift(net)
    model = kind.make(kind.complete({}), (4,), 2)
    for lane in (0, 1):
        own = {name: p[lane] for name, p in model.init(torch.tensor([1, 2]), torch.float32).items()}
        assert all(torch.equal(own[name], p) for name, p in net.state_dict().items())
        net.load_state_dict(own)
    with torch.no_grad():
        net[0].weight.zero_()  # what happens to it afterwards is no matter
    assert model.init(torch.tensor([1]), torch.float32)["0.weight"].abs().min() > 0


def test_a_module_of_doubles_begins_with_its_doubles() -> None:
    net = nn.Linear(4, 2).double()
    nn.init.constant_(net.weight, 0.1)
    kind = lift(net)
    model = kind.make(kind.complete({}), (4,), 2)
    for dtype in (torch.float64, torch.float32):
        params = model.init(torch.tensor([1]), dtype)
        assert torch.equal(params["weight"][0], net.weight.to(dtype))
        assert model.apply(params, torch.ones(1, 3, 4, dtype=dtype)).dtype == dtype


def test_a_class_is_called_with_what_its_signature_takes() -> None:
    class Sized(nn.Module):
        def __init__(self, outputs: int, input_shape: tuple[int, ...], hidden: int = 3) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(*input_shape, hidden), nn.Tanh(), nn.Linear(hidden, outputs)
            )

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

    class InOrder(Sized):
        def __init__(self, shape: tuple[int, ...], classes: int) -> None:
            super().__init__(classes, shape)

    class Fixed(Sized):
        def __init__(self, hidden: int = 7) -> None:
            super().__init__(2, (4,), hidden)

    for made, width in ((Sized, 3), (InOrder, 3), (Fixed, 7)):
        kind = lift(made)
        assert kind.make(kind.complete({}), (4,), 2).shapes["net.0.weight"] == (width, 4)
        assert kind.name == made.__name__


def test_shared_and_constant_parameters() -> None:
    tied = lifted(MAPPED["tied weights"])
    assert [name for name in tied.shapes if name.startswith("layer")] == [
        "layer.one.weight",
        "layer.one.bias",
    ]

    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = nn.Linear(4, 3).requires_grad_(False)
            self.idle = nn.Linear(9, 9)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.frozen(x))

    assert list(lifted(Partly).shapes) == ["head.weight", "head.bias"]


@pytest.mark.parametrize(
    ("adapt", "moved"),
    [
        ("all", ["body.weight", "body.bias", *LAYER, "head.weight", "head.bias"]),
        ("head", ["head.weight", "head.bias"]),
        ("body", ["body.weight", "body.bias", *LAYER]),
        ("*.bias", ["body.bias", "layer.bias", "head.bias"]),
    ],
)
def test_which_parameters_inner_steps_move_can_be_chosen(adapt: str, moved: list[str]) -> None:
    model = lifted(MAPPED["Linear"], adapt)
    assert list(Learner(model, classification=False).adapted) == moved


def test_the_head_of_a_parametrized_layer_is_the_layer() -> None:
    def make() -> nn.Module:
        head = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
        return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), head)

    moved = set(lifted(make).shapes) - lifted(make, "head").not_adapted
    assert moved == {name for name in lifted(make).shapes if name.startswith("2.")} != set()


@pytest.mark.parametrize(
    "name", ["BatchNorm1d", "BatchNorm2d", "BatchNorm2d, not affine", "Linear"]
)
def test_inductive_outputs_take_statistics_of_the_reference_alone(name: str) -> None:
    model = lifted(MAPPED[name])
    params = model.init(torch.tensor([1, 2, 3]), torch.float64)
    support, query = numbers(3, 6, 4, seed=1), numbers(3, 5, 4, seed=2)
    every = model.apply(params, torch.cat([support, query], dim=1), reference=6)
    alone = model.apply(params, support)
    assert torch.allclose(every[:, :6], alone, atol=1e-12)
    one = model.apply(params, torch.cat([support, query[:, 3:4]], dim=1), reference=6)
    assert torch.allclose(every[:, 9], one[:, 6], atol=1e-12)
    mixed = model.apply(params, torch.cat([support, query], dim=1))
    assert torch.allclose(every, mixed) == (name == "Linear")


def test_rows_of_one_example_count_as_it_in_batch_norm() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.head = nn.BatchNorm1d(2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = self.norm(x.reshape(-1, 2))  # two rows an example
            return self.head(h.reshape(-1, 4))

    assert lifted(Rows).mixes_examples is None


def test_who_mixes_examples_by_himself_can_only_be_judged_transductively() -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x - x.mean(0))

    model = lifted(Centred)
    params, x = model.init(torch.tensor([1]), torch.float64), numbers(1, 5, 4)
    assert model.apply(params, x).shape == (1, 5, 2)
    with pytest.raises(InvalidModel, match="can only be judged transductively: an example's outp"):
        model.apply(params, x, reference=3)


CONVOLUTIONS = {
    "1d": (nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2), (2, 7)),
    "2d": (nn.Conv2d(2, 3, (3, 2), stride=(1, 2), padding="valid"), (2, 5, 4)),
    "2d, same": (nn.Conv2d(2, 3, 3, dilation=2, padding="same", bias=False), (2, 5, 4)),
    "2d, reflect": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 5, 4)),
    "3d": (nn.Conv3d(2, 3, 2, stride=2), (2, 3, 4, 5)),
    "grouped": (nn.Conv2d(2, 4, 3, groups=2), (2, 5, 4)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_of_a_program_are_those_of_the_module(name: str) -> None:
    """Traced, they are products of patches; the graph gives what the layer gives."""
    layer, shape = CONVOLUTIONS[name]
    net = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(2))
    model = lifted(lambda: net, shape=shape)
    params, x = model.init(torch.tensor([1, 2]), torch.float64), numbers(2, 3, *shape)
    graph = make_fx(lambda params, x: model.apply(params, x))(params, x)
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert any("convolution" in call for call in calls) == (name == "grouped")
    assert torch.allclose(graph(params, x), model.apply(params, x), atol=1e-12)


def test_a_module_that_lies_is_found_and_computed_lane_by_lane() -> None:
    with pytest.warns(UserWarning, match=r"because layer layer \(Lying\) has other derivatives"):
        model = lifted(lambda: Around(Lying, (6,), 6))
    params, x = model.init(torch.tensor([1]), torch.float64), numbers(1, 5, 4)
    h = torch.tanh(x[0] @ params["body.weight"][0].T + params["body.bias"][0])
    expected = h.square() @ params["head.weight"][0].T + params["head.bias"][0]
    assert torch.allclose(model.apply(params, x)[0], expected)


def test_weights_that_are_drawn_by_another_generator_are_refused() -> None:
    def make() -> nn.Module:
        net = nn.Linear(4, 2)
        nn.init.constant_(net.weight, random.random())
        return net

    refused(make, "weight of <lambda> is not the same when it is made again from the same key")


def refused(make, words: str, outputs: int = 2) -> None:
    with pytest.raises(InvalidModel, match=words):
        lifted(make, outputs=outputs)


def test_what_cannot_be_a_model_is_refused_with_the_layer_and_the_way_out() -> None:
    noisy = {
        r"layer layer \(Dropout\) .* draws random numbers.*: give it p = 0": nn.Dropout(0.5),
        r"layer layer.self_attn \(MultiheadAttention\)": nn.TransformerEncoderLayer(6, 2, 6),
        r"layer layer \(RReLU\)": nn.RReLU(),
    }
    for words, layer in noisy.items():
        refused(lambda layer=layer: Around(lambda: layer, (6,), 6), words)
    assert lifted(lambda: Around(lambda: nn.Dropout(0.5), (6,), 6).eval()).lane_by_lane is None
    refused(lambda: Around(Forgetful, (6,), 6), "not the same function from call to call")
    refused(lambda: Around(lambda: nn.Linear(5, 6), (6,), 6), r"in layer layer \(Linear\): Runtime")
    refused(nn.Tanh, "has no parameter that can be trained", outputs=4)
    refused(MAPPED["Linear"], r"outputs of shape \(2, 3\) for 2 inputs .* got \(2, 2\)", outputs=3)
    refused(lambda: 3, "must return a torch.nn.Module, got 3")
    with pytest.raises(InvalidModel, match="moves no parameter of <lambda>: it must be all, head"):
        lifted(MAPPED["Linear"], "tail.*")
