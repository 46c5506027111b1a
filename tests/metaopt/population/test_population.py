"""Lanes: the same trial whatever stands beside it, and after whatever interruption."""

import errno
import os

import pytest
import torch

from metaopt.errors import CorruptCheckpoint, InvalidMetaParameter, InvalidPopulation
from metaopt.evaluation.bank import BankSpec
from metaopt.population import checkpoint
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
MLP = {"kind": "mlp", "widths": [16, 16], "activation": "relu"}
OMNIGLOT = {"kind": "omniglot", "n_way": 3, "k_shot": 1, "q_query": 2, "split": "vinyals"}
CONV4 = {"kind": "conv4", "filters": 4}
BANK = BankSpec("validation", 5, 20, 5, 10, 5)

CASES = {
    "maml": ("maml", {"meta_batch": 4}, 3),
    "maml-first-cosine-sgd": (
        "maml",
        {"meta_batch": 4, "order": "first", "outer_optimizer": "sgd", "schedule": "cosine"},
        3,
    ),
    "maml-clamped": ("maml", {"meta_batch": 4, "gradient_clamp": 0.5}, 3),
    "reptile": ("reptile", {"meta_batch": 3, "inner_batch": 2}, 4),
    "reptile-adam": ("reptile", {"meta_batch": 1, "inner_optimizer": "adam"}, 4),
}


def trials(case: str) -> dict[str, dict]:
    """Return five trials of one signature that differ in every number a lane may have."""
    algorithm, fixed, cap = CASES[case]
    outer = "epsilon" if algorithm == "reptile" else "outer_lr"
    rate = 0.002 if "adam" in case else 0.02
    return {
        f"t{i}": {
            **fixed,
            "inner_lr": rate * (1 + i / 5),
            outer: 0.003 * (1 + i) if outer == "outer_lr" else 0.2 + i / 10,
            "inner_steps": 1 + i % cap,
        }
        for i in range(5)
    }


def signature(case: str, dtype: str = "float64", tasks=SINUSOID, model=MLP) -> Signature:
    algorithm, fixed, cap = CASES[case]
    return signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=fixed, step_cap=cap, test_cap=5,
        dtype=dtype,
    )  # fmt: skip


def trained(sig: Signature, names: list[str], params: dict, iterations: int = 100) -> Population:
    population = Population(sig)
    for name in names:
        population.admit(name, params[name], seed=int(name[1:]) + 10, horizon=iterations)
    population.advance(iterations)
    return population


def flat(population: Population, lane: str) -> torch.Tensor:
    return torch.cat([w.flatten() for w in population.weights(lane).values()])


@pytest.mark.parametrize("case", CASES)
def test_a_lane_equals_the_same_trial_run_alone(case):
    params, sig = trials(case), signature(case)
    alone = trained(sig, ["t2"], params)
    for names in (["t0", "t1", "t2", "t3", "t4"], ["t4", "t2", "t0"], ["t2", "t3"]):
        together = trained(sig, names, params)
        assert flat(together, "t2").isfinite().all()
        distance = (flat(together, "t2") - flat(alone, "t2")).norm() / flat(alone, "t2").norm()
        assert distance < 1e-9


@pytest.mark.parametrize("case", CASES)
def test_in_float32_the_reported_scores_agree(case):
    params, sig = trials(case), signature(case, "float32")
    alone = trained(sig, ["t2"], params).evaluate(["t2"], BANK)["t2"]
    together = trained(sig, ["t1", "t2", "t3"], params).evaluate(["t3", "t2"], BANK)["t2"]
    scale = max(alone.curve)
    assert together.curve == pytest.approx(alone.curve, abs=1e-3 * scale)
    assert together.scores == pytest.approx(alone.scores, abs=1e-3 * scale)


@pytest.mark.parametrize("case", ["maml", "reptile"])
def test_a_lane_of_convolutions_equals_the_trial_alone(case):
    params, sig = trials(case), signature(case, tasks=OMNIGLOT, model=CONV4)
    alone = trained(sig, ["t2"], params, 5)
    for chunk in (1, 2):
        together = Population(sig, lane_chunk=chunk)
        for name in ("t3", "t2"):
            together.admit(name, params[name], seed=int(name[1:]) + 10, horizon=5)
        together.advance(5)
        distance = (flat(together, "t2") - flat(alone, "t2")).norm() / flat(alone, "t2").norm()
        assert distance < 1e-9


@pytest.mark.parametrize("case", ["maml", "reptile", "reptile-adam"])
def test_a_diverging_neighbour_is_frozen_and_disturbs_nobody(case):
    params, sig = trials(case), signature(case)
    healthy = trained(sig, ["t1", "t2", "t3"], params)
    params["t1"] = {**params["t1"], "inner_lr": 900.0}
    outer = "epsilon" if "reptile" in case else "outer_lr"
    params["t1"][outer] = 9.0
    mixed = trained(sig, ["t1", "t2", "t3"], params)
    if case != "reptile-adam":  # Adam's steps are bounded: nothing overflows
        state = mixed.state("t1")
        assert state.diverged_at is not None and 0 <= state.diverged_at < 100
        assert state.age == state.diverged_at
        assert f"meta-iteration {state.diverged_at}" in state.cause
    assert flat(mixed, "t1").isfinite().all()
    for lane in ("t2", "t3"):
        assert torch.equal(flat(mixed, lane), flat(healthy, lane))
        assert mixed.state(lane) == (100, None, None)


def test_a_diverging_lane_of_convolutions_disturbs_nobody():
    params, sig = trials("maml"), signature("maml", "float32", tasks=OMNIGLOT, model=CONV4)
    bad = {**params, "t3": {**params["t3"], "inner_lr": 900.0, "outer_lr": 900.0}}
    results = []
    for choice in (params, bad):
        population = Population(sig, lane_chunk=3)
        for name in ("t3", "t1", "t2"):
            population.admit(name, choice[name], seed=int(name[1:]) + 10, horizon=8)
        population.advance(8)
        results.append(population)
    healthy, mixed = results
    assert flat(mixed, "t3").isfinite().all()
    for lane in ("t1", "t2"):
        assert torch.equal(flat(mixed, lane), flat(healthy, lane))


def test_kill_and_restore_gives_the_same_bits_for_convolutions(tmp_path):
    params, sig = trials("maml"), signature("maml", "float32", tasks=OMNIGLOT, model=CONV4)
    straight, before, after = Population(sig), Population(sig), Population(sig)
    for name in ("t1", "t2"):
        for population in (straight, before):
            population.admit(name, params[name], seed=5, horizon=8)
    straight.advance(8)
    before.advance(3)
    for name in ("t1", "t2"):
        digest = before.checkpoint(name, tmp_path / name)
        after.admit(
            name, params[name], seed=5, horizon=8, checkpoint=tmp_path / name, digest=digest
        )
    after.advance(5)
    for name in ("t1", "t2"):
        assert torch.equal(flat(after, name), flat(straight, name))


def test_a_checkpoint_of_another_trial_is_refused(tmp_path):
    params, sig = trials("maml"), signature("maml")
    trained(sig, ["t1"], params, 2).checkpoint("t1", tmp_path / "lane")
    fresh = Population(sig)
    for change, word in (({"seed": 99}, "seed"), ({"horizon": 3}, "horizon")):
        call = {"seed": 11, "horizon": 2, **change}
        with pytest.raises(InvalidPopulation, match=f"has {word}"):
            fresh.admit("t1", params["t1"], checkpoint=tmp_path / "lane", **call)
    with pytest.raises(InvalidPopulation, match="inner_lr"):
        other = {**params["t1"], "inner_lr": 0.5}
        fresh.admit("t1", other, seed=11, horizon=2, checkpoint=tmp_path / "lane")
    assert fresh.lanes == []


def test_a_bank_shorter_than_the_test_steps_is_refused():
    population = trained(signature("maml"), ["t2"], trials("maml"), 1)
    with pytest.raises(InvalidMetaParameter, match="scored after 3 steps, the bank's curve has 2"):
        population.evaluate(["t2"], BankSpec("validation", 5, 20, 5, 10, 2))
    assert population.evaluate([], BANK) == {}


def test_scores_of_a_diverged_lane_are_finite_numbers():
    params, sig = trials("maml"), signature("maml")
    params["t1"] = {**params["t1"], "inner_lr": 900.0, "outer_lr": 9.0}
    population = trained(sig, ["t1", "t2"], params)
    scores = population.evaluate(["t1", "t2"], BANK)
    assert all(torch.tensor(s.scores).isfinite().all() for s in scores.values())
    assert scores["t1"].diverged_share > 0.5
    assert scores["t2"].diverged_share == 0.0


@pytest.mark.parametrize("case", CASES)
def test_kill_and_restore_gives_the_same_bits(case, tmp_path):
    params, sig = trials(case), signature(case, "float32")
    names = ["t0", "t1", "t2"]
    straight = trained(sig, names, params, 60)
    before = Population(sig)
    for name in names:
        before.admit(name, params[name], seed=int(name[1:]) + 10, horizon=60)
    before.advance(23)
    digests = {name: before.checkpoint(name, tmp_path / name) for name in names}
    after = Population(sig)
    for name in names:
        after.admit(
            name, params[name], seed=int(name[1:]) + 10, horizon=60,
            checkpoint=tmp_path / name, digest=digests[name],
        )  # fmt: skip
    after.advance(37)
    for name in names:
        assert torch.equal(flat(after, name), flat(straight, name))
        assert after.state(name) == straight.state(name)
    assert after.evaluate(names, BANK) == straight.evaluate(names, BANK)


def test_lanes_of_different_age_train_together(tmp_path):
    params, sig = trials("maml"), signature("maml")
    straight = trained(sig, ["t1"], params, 50)
    population = Population(sig)
    population.admit("t0", params["t0"], seed=1, horizon=50)
    population.advance(20)
    population.admit("t1", params["t1"], seed=11, horizon=50)
    population.advance(30)
    population.evict("t0")
    population.advance(20)
    assert population.lanes == ["t1"]
    assert population.state("t1").age == 50
    distance = (flat(population, "t1") - flat(straight, "t1")).norm()
    assert distance / flat(straight, "t1").norm() < 1e-9


def test_a_damaged_checkpoint_is_refused(tmp_path):
    params, sig = trials("maml"), signature("maml")
    digest = trained(sig, ["t1"], params, 2).checkpoint("t1", tmp_path / "lane")
    content = (tmp_path / "lane").read_bytes()
    fresh = Population(sig)
    for damaged in (content[:-1], content[:10], b"", content[:-1] + b"\x55"):
        (tmp_path / "lane").write_bytes(damaged)
        for asked in (digest, None):
            if asked is None and len(damaged) == len(content):
                continue  # a flipped bit cannot be seen without the digest
            with pytest.raises(CorruptCheckpoint):
                fresh.admit(
                    "t1", params["t1"], seed=1, horizon=9,
                    checkpoint=tmp_path / "lane", digest=asked,
                )  # fmt: skip
    assert fresh.lanes == []


def test_a_machine_that_cannot_read_says_nothing_of_the_file(tmp_path, monkeypatch):
    params, sig, path = trials("maml"), signature("maml"), tmp_path / "lane"
    digest = trained(sig, ["t1"], params, 2).checkpoint("t1", path)

    def fail(number):
        def read(_path):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(checkpoint, "read_regular", read)

    for number, kind in ((errno.EMFILE, OSError), (errno.ESTALE, OSError), (errno.EIO, None)):
        fail(number)
        with pytest.raises(kind or CorruptCheckpoint) as failed:
            Population(sig).admit(
                "t1", params["t1"], seed=11, horizon=2, checkpoint=path, digest=digest
            )
        assert isinstance(failed.value, CorruptCheckpoint) == (kind is None)


def test_a_checkpoint_of_another_signature_is_refused(tmp_path):
    params = trials("maml")
    trained(signature("maml"), ["t1"], params, 1).checkpoint("t1", tmp_path / "lane")
    other = Population(signature("maml", "float32"))
    with pytest.raises(CorruptCheckpoint, match="another signature"):
        other.admit("t1", params["t1"], seed=1, horizon=9, checkpoint=tmp_path / "lane")


def test_a_checkpoint_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch):
    population = trained(signature("maml"), ["t1"], trials("maml"), 1)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        population.checkpoint("t1", tmp_path / "lane")
    assert list(tmp_path.iterdir()) == []


def test_bad_calls_name_the_value_and_the_rule():
    population = Population(signature("maml"))
    population.admit("a", {"meta_batch": 4}, seed=1, horizon=9)
    with pytest.raises(InvalidPopulation, match="already"):
        population.admit("a", {"meta_batch": 4}, seed=1, horizon=9)
    with pytest.raises(InvalidPopulation, match="meta_batch = 8"):
        population.admit("b", {"meta_batch": 8}, seed=1, horizon=9)
    with pytest.raises(InvalidMetaParameter, match="inner_steps must be <= 3"):
        population.admit("b", {"meta_batch": 4, "inner_steps": 4}, seed=1, horizon=9)
    with pytest.raises(InvalidMetaParameter, match="inner_lr must be finite"):
        population.admit("b", {"meta_batch": 4, "inner_lr": float("nan")}, seed=1, horizon=9)
    with pytest.raises(InvalidPopulation, match="not in this population"):
        population.evict("z")
    assert population.lanes == ["a"]


def test_training_learns_to_adapt():
    sig = signature("maml", "float32")
    params = {"meta_batch": 4, "inner_lr": 0.01, "outer_lr": 0.005}
    population = Population(sig)
    population.admit("a", params, seed=0, horizon=600)
    before = population.evaluate(["a"], BANK)["a"]
    population.advance(600)
    after = population.evaluate(["a"], BANK)["a"]
    assert after.curve[5] < 0.6 * before.curve[0]
    assert after.curve[5] < after.curve[0]
