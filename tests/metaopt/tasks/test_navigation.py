"""Navigation: where goals are, what chance does, and what a curve and a winner make of them."""

import re
from dataclasses import replace

import pytest
import torch

from metaopt.adapted import adapted_to
from metaopt.errors import InvalidExamples, InvalidMetaParameter, InvalidModel, InvalidTasks
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.bank_task import bank_tasks
from metaopt.evaluation.curve import draw
from metaopt.evaluation.evaluate import evaluate
from metaopt.evaluation.hardest import hardest
from metaopt.evaluation.trivial import trivial_scores
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.train import train
from metaopt.tasks.base import Interactive
from metaopt.tasks.make import make_tasks
from metaopt.tasks.navigation import Navigation
from metaopt.winner import read_winner

SPEC = {"kind": "navigation", "k_shot": 3, "q_query": 2, "horizon": 4}
MLP = {"kind": "mlp", "widths": [6]}
BANK = BankSpec("test", seed=2, tasks=5, k_shot=3, q_query=2, steps=1)


def test_goals_are_uniform_and_noise_is_normal() -> None:
    tasks = make_tasks(SPEC, dtype=torch.float64)
    assert isinstance(tasks, Interactive)
    support, query = tasks.sample("train", torch.arange(4000), 3, 2)
    assert support.x.shape == (4000, 3, 4, 2) and query.y.shape == (4000, 2, 2)
    goals = support.y[:, 0]
    assert (support.y == goals[:, None]).all() and (query.y == goals[:, None]).all()
    assert goals.abs().max() <= 0.5
    assert torch.allclose(goals.mean(0), torch.zeros(2).double(), atol=0.02)
    assert torch.allclose(goals.var(0), torch.full((2,), 1 / 12).double(), rtol=0.05)
    for part in (support, query):
        assert abs(part.x.mean()) < 0.02 and abs(part.x.std() - 1) < 0.01
    assert abs((support.x[:, 0] * query.x[:, 0]).mean()) < 0.02


def test_a_task_is_a_function_of_its_key_and_split() -> None:
    tasks = Navigation()
    keys = torch.tensor([[5, 6], [7, 5]])
    both = tasks.sample("train", keys, 3, 2)
    alone = tasks.sample("train", torch.tensor(5), 1, 2)
    assert torch.equal(both.support.x[0, 0, :1], alone.support.x)
    assert torch.equal(both.query.x[1, 1], alone.query.x)
    assert not torch.equal(both.support.y, tasks.sample("test", keys, 3, 2).support.y)
    with pytest.raises(InvalidTasks, match="split must be one of train, validation, test"):
        tasks.sample("dev", keys, 1, 1)


def test_a_trajectory_ends_near_the_goal_and_velocities_are_clipped() -> None:
    tasks = Navigation(horizon=3, dtype=torch.float64)
    part = tasks.sample("train", torch.tensor(1), 1, 0).support
    part = part._replace(y=torch.tensor([[0.1, -0.1]], dtype=torch.float64))
    state, path = tasks.start(part), [tasks.start(part)]
    for action in ((0.05, 7.0), (0.05, -9.0), (0.004, -0.1)):
        state = tasks.step(state, torch.tensor([action], dtype=torch.float64))
        path.append(state)
    assert torch.allclose(state, torch.tensor([[0.104, -0.1]], dtype=torch.float64))
    rewards, running = tasks.rewards(torch.stack(path, -2), part)
    assert torch.allclose(rewards[0], -torch.tensor([0.0425, 0.01, 1.6e-5], dtype=torch.float64))
    assert running.tolist() == [[1.0, 1.0, 1.0]]
    arrived = torch.stack([path[0], state, state, path[1]], -2)
    rewards, running = tasks.rewards(arrived, part)
    assert running.tolist() == [[1.0, 0.0, 0.0]] and rewards[0, 1:].abs().sum() == 0


def test_a_task_is_shown_by_its_goal() -> None:
    (task,) = bank_tasks(SPEC, BANK, [3])
    goal = draw(make_tasks(SPEC), BANK, "cpu").support.y[3, 0].tolist()
    told = re.fullmatch(r"goal \((.+), (.+)\)", task.sentence)
    assert told is not None
    assert [float(part) for part in told.groups()] == pytest.approx(goal, rel=1e-3)
    assert (len(task.support.x), len(task.query.x)) == (0, 0)


def test_nothing_trivial_answers_and_reports_tell_hard_goals() -> None:
    assert trivial_scores(SPEC, BANK) == {}
    trained = train("maml", tasks=SPEC, model=MLP, meta_iterations=1, params={"meta_batch": 2})
    (scores,) = evaluate(trained, BANK)
    found = hardest(trained, BANK)
    assert found.tasks[0].score == min(scores.scores)
    assert found.tasks[0].sentence.startswith("goal (")
    assert (found.tasks[0].predicted, found.classes) == (None, [])


def test_a_trained_policy_acts_in_the_simulation_it_is_judged_on() -> None:
    trained = train("maml", tasks=SPEC, model=MLP, meta_iterations=1, params={"meta_batch": 2})
    for other in ({**SPEC, "horizon": 9}, {**SPEC, "noise": 0.4}):
        (there,), (here,) = evaluate(trained, BANK, tasks=other), evaluate(trained, BANK)
        mended = trained._replace(
            tasks=make_tasks(other), learner=replace(trained.learner, environment=make_tasks(other))
        )
        assert there.scores == evaluate(mended, BANK)[0].scores != here.scores
    with pytest.raises(InvalidTasks, match="acts = True, these have False"):
        evaluate(trained, BANK, tasks={"kind": "linear", "features": 2})
    with pytest.raises(InvalidTasks, match="metric mse does not fit tasks of actions"):
        evaluate(trained, replace(BANK, metric="mse"))


@pytest.mark.parametrize("algorithm", ["protonet", "r2d2", "cnp", "imaml"])
def test_who_learns_from_examples_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidMetaParameter, match=f"{algorithm} is for.*ask for actions.* maml,"):
        train(algorithm, tasks=SPEC, model=MLP, meta_iterations=1)


def test_a_policy_with_batch_norm_is_refused() -> None:
    class Normed(torch.nn.Sequential):
        def __init__(self) -> None:
            super().__init__(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))

    with pytest.raises(InvalidModel, match="batch norm"):
        train("maml", tasks=SPEC, model=Normed, meta_iterations=1)


def test_a_winner_adapts_by_acting_and_answers_with_actions(tmp_path) -> None:
    params = {"meta_batch": 2, "inner_lr": 0.1}
    made = Population(signature_of(tasks=SPEC, model=MLP, algorithm="maml", params=params))
    made.admit("0", params, seed=1, horizon=9)
    made.advance(2)
    path = tmp_path / "policy.safetensors"
    made.write_model("0", path, transductive=True)
    winner, tasks = read_winner(path), made.program.tasks
    support, query = draw(tasks, BANK, "cpu")
    for task, score in enumerate(made.evaluate(["0"], BANK)["0"].scores):
        adapted = winner.adapt(support.x[task], support.y[task])
        state, total = tasks.start(query)[task], 0.0
        path_of = [state]
        for t in range(4):
            state = tasks.step(state, adapted.predict(state) + 0.1 * query.x[task, :, t])
            path_of.append(state)
        rewards, _ = tasks.rewards(
            torch.stack(path_of, -2), type(query)(query.x[task], query.y[task])
        )
        total = float(rewards.sum(-1).mean())
        assert total == pytest.approx(score, rel=1e-4)
    with pytest.raises(InvalidExamples, match=r"noise of S trajectories of H actions \(S, H, 2\)"):
        winner.adapt(torch.zeros(3, 2), torch.zeros(3, 2))
    with pytest.raises(InvalidExamples, match="a row for each of the 3 trajectories"):
        winner.adapt(torch.zeros(3, 4, 2), torch.zeros(1, 2))
    with pytest.raises(InvalidExamples, match="adapts by acting and not from examples in a file"):
        adapted_to(winner, tmp_path / "none.csv", None)
