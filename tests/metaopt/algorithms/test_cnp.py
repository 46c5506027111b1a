"""CNP against a ten-line reference, and what it does with sets of examples."""

from dataclasses import replace

import pytest
import torch

from metaopt import BankSpec, evaluate, read_winner, train
from metaopt.algorithms.answers import meta_gradient
from metaopt.algorithms.learners.neural_process import NeuralProcess, surprise
from metaopt.errors import InvalidExamples
from metaopt.models.conv4 import Conv4
from metaopt.tasks.base import Episodes, Examples
from tests import algorithm_proofs as proofs
from tests import reference

SMALL = {"embedding": 5, "representation": 4, "hidden": 6, "encoder_layers": 1, "decoder_layers": 1}
REGRESSION = proofs.Case(
    "cnp",
    {"kind": "sinusoid", "k_shot": 4, "q_query": 3},
    {"kind": "mlp", "widths": [6], "activation": "tanh"},
    {**SMALL, "meta_batch": 3},
    ({"outer_lr": 1e-3}, {"outer_lr": 1e-2, "weight_decay": 0.1}),
)
IMAGES = proofs.Case(
    "cnp",
    {"kind": "omniglot", "n_way": 3, "k_shot": 2, "q_query": 2, "rotations": "task"},
    {"kind": "conv4", "filters": 3},
    {**SMALL, "meta_batch": 2, "loss_on": "query"},
    ({"outer_lr": 1e-3}, {"outer_lr": 1e-2}),
)


@pytest.fixture
def posed(problem):
    """Return (learner, phi (2, P), episodes (2, 3 tasks)) of a CNP over the models of `problem`."""
    plain, _, episodes = problem
    outputs = plain.model.outputs
    widths = {**SMALL, "embedding": outputs}
    learner = NeuralProcess.of(replace(plain, width=outputs), **widths)
    generator = torch.Generator().manual_seed(4)
    phi = torch.randn(2, learner.layout.total, generator=generator, dtype=torch.float64)
    return learner, 0.4 * phi + 0.1, episodes


def embedding(learner):
    model = learner.model
    if isinstance(model, Conv4):
        return lambda w, x: reference.conv4(w, x, model.pooling)
    own = list(model.shapes)
    return lambda w, x: reference.mlp({name: w[name] for name in own}, x, model.activation)


@pytest.mark.parametrize("on_support", [True, False])
def test_gradient_and_loss_are_those_of_ten_lines(posed, on_support):
    learner, phi, episodes = posed
    learner = replace(learner, loss_on_support=on_support)
    gradient, loss = meta_gradient(learner, phi, episodes)
    for lane in range(2):
        weights = {n: p.requires_grad_() for n, p in learner.layout.unflatten(phi[lane]).items()}
        total = 0.0
        for (x_s, y_s), (x_q, y_q) in proofs.as_one_task_after_the_other(episodes, lane):
            outputs = reference.cnp(weights, embedding(learner), x_s, y_s, x_q, learner.width)
            y = torch.cat([y_s, y_q])
            begin = 0 if on_support else len(y_s)
            total = total + reference.cnp_loss(outputs[begin:], y[begin:]) / 3
        expected = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
        expected = learner.layout.flatten(dict(zip(weights, expected, strict=True)))
        assert float(loss[lane]) == pytest.approx(float(total.detach()), rel=1e-11)
        proofs.close(gradient[lane], expected)


@pytest.mark.parametrize("problem", ["mlp", "conv4"], indirect=True)
def test_the_order_of_examples_changes_nothing(posed):
    learner, phi, (support, query) = posed
    theta = learner.begin(learner.layout.unflatten(phi), support, 3)
    order = torch.randperm(support.y.shape[2], generator=torch.Generator().manual_seed(1))
    turned = Examples(support.x[:, :, order], support.y[:, :, order])
    for transductive in (True, False):
        one, other = (
            learner.answers(theta, examples, query.x, transductive=transductive)
            for examples in (support, turned)
        )
        assert torch.allclose(one, other, rtol=0, atol=1e-12)
        assert one.shape == (*query.x.shape[:3], learner.width)


@pytest.mark.parametrize("problem", ["mlp", "conv4"], indirect=True)
def test_without_support_examples_it_answers_from_queries_alone(posed):
    learner, phi, (support, query) = posed
    nothing = Examples(support.x[:, :, :0], support.y[:, :, :0])
    gradient, loss = meta_gradient(learner, phi, Episodes(nothing, query))
    assert loss.isfinite().all() and gradient.isfinite().all()
    theta = learner.begin(learner.layout.unflatten(phi), nothing, 3)
    with_them, without = (
        learner.answers(theta, examples, query.x, transductive=True)
        for examples in (support, nothing)
    )
    assert not torch.allclose(with_them, without)
    weights = {name: p[0, 0] for name, p in theta.items()}
    embedded = embedding(learner)(weights, query.x[0, 0])
    zero = torch.zeros(len(embedded), learner.representation, dtype=torch.float64)
    decoded = reference.network(weights, "cnp.decoder", torch.cat([embedded, zero], 1))
    assert torch.allclose(without[0, 0], decoded[:, : learner.width], rtol=0, atol=1e-12)


def test_a_winner_answers_without_a_support_set_unless_it_takes_statistics_there(tmp_path):
    made, path = proofs.population(REGRESSION), tmp_path / "w.safetensors"
    made.write_model("0", path, transductive=True)
    learner, nothing = made.program.learner, torch.empty(1, 1, 0, 1, dtype=torch.float64)
    phi = learner.layout.unflatten(made.trained(["0"]).phi)
    theta = learner.begin(phi, Examples(nothing, nothing), 1)
    x = torch.tensor([[0.5], [-2.0]], dtype=torch.float64)
    told = learner.answers(theta, Examples(nothing, nothing), x[None, None], transductive=True)
    assert torch.allclose(read_winner(path).adapt([], []).predict(x), told[0, 0], rtol=1e-12)
    images = proofs.population(IMAGES)
    images.write_model("0", path, transductive=False)
    with pytest.raises(InvalidExamples, match="at least one example"):
        read_winner(path).adapt(torch.empty(0, 1, 28, 28), [])
    images.write_model("0", path, transductive=True)
    adapted = read_winner(path).adapt(torch.empty(0, 1, 28, 28), [])
    assert adapted.outputs(torch.rand(2, 1, 28, 28)).isfinite().all()


def test_its_surprise_is_that_of_a_normal_distribution():
    mean, y = torch.tensor([0.3, -2.0]).double(), torch.tensor([0.5, 7.0]).double()
    deviation = torch.tensor([0.1, 3.0]).double()
    expected = -torch.distributions.Normal(mean, deviation).log_prob(y)
    assert torch.allclose(surprise(mean, deviation, y), expected, rtol=1e-12)


@pytest.mark.parametrize("problem", ["mlp"], indirect=True)
def test_tasks_with_a_loss_of_their_own_train_the_mean_by_it(problem):
    plain, _, episodes = problem
    own = replace(plain, width=1, own_loss=lambda outputs, y: (outputs - y).pow(4).mean((-2, -1)))
    learner = NeuralProcess.of(own, **{**SMALL, "embedding": 1})
    phi = learner.layout.flatten(learner.init(torch.tensor([1, 2]), torch.float64))
    gradient = learner.layout.unflatten(meta_gradient(learner, phi, episodes)[0])
    assert gradient["cnp.decoder.b1"][:, 0].abs().min() > 0  # of μ
    assert gradient["cnp.decoder.b1"][:, 1].abs().max() == 0  # of σ


@pytest.mark.parametrize("case", [REGRESSION, IMAGES], ids=["numbers", "images"])
def test_a_lane_is_a_trial_alone(case):
    assert proofs.apart(proofs.together_and_alone(case)) < 1e-9


@pytest.mark.parametrize("case", [REGRESSION, IMAGES], ids=["numbers", "images"])
def test_a_winners_file_answers_as_it_was_scored(case, tmp_path):
    path = tmp_path / "w.safetensors"
    assert proofs.apart(proofs.file_and_study(case, path)) < 1e-9


@pytest.mark.night
@pytest.mark.parametrize("case", [REGRESSION, IMAGES], ids=["numbers", "images"])
def test_a_compiled_program_trains_as_the_plain_one(case, programs):
    assert proofs.apart(proofs.compiled_and_plain(case, programs)) < 1e-9


def test_it_learns_to_read_linear_functions():
    tasks = {"kind": "linear", "k_shot": 5, "q_query": 10}
    widths = {"embedding": 16, "representation": 16, "hidden": 16, "encoder_layers": 1}
    params = {**widths, "decoder_layers": 1, "meta_batch": 16, "outer_lr": 1e-2}
    bank = BankSpec("test", seed=1, tasks=100, k_shot=5, q_query=10, steps=0)
    before, after = (
        evaluate(
            train("cnp", tasks=tasks, model={"kind": "mlp", "widths": [16]}, params=params,
                  meta_iterations=n),
            bank,
        )[0].curve[0]
        for n in (1, 300)
    )  # fmt: skip
    assert after < 0.7 * before
