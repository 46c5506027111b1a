"""A checkpoint from before its algorithm had all of its parameters goes on as if they were off."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import CorruptCheckpoint, InvalidPopulation
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of
from metaopt.population.tensor_file import to_bytes

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
MLP = {"kind": "mlp", "widths": [8]}
PARAMS = {
    "maml": {"meta_batch": 2, "inner_lr": 0.02, "inner_steps": 2},
    "reptile": {"meta_batch": 2, "inner_lr": 0.02, "inner_optimizer": "adam"},
}


def population(algorithm: str, **changes) -> Population:
    params = {**PARAMS[algorithm], **changes}
    return Population(
        signature_of(tasks=SINUSOID, model=MLP, algorithm=algorithm, params=params, dtype="float64")
    )


def older(path: Path, signature: Signature) -> None:
    """Make a checkpoint what it was before: without the numbers and structure that came later."""
    record = ALGORITHMS.get(signature.algorithm)
    added = {param.name for param in record.params if param.added}
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    structure = {name: v for name, v in signature.structure.items() if name not in added}
    before = replace(signature, structure=structure)
    params = {n: v for n, v in json.loads(header["params"]).items() if n not in added}
    header |= {
        "signature": before.digest(),
        "state": before.state_digest(record),
        "params": json.dumps(params, sort_keys=True),
    }
    tensors = {
        name: t for name, t in load(content).items() if name.removeprefix("numbers.") not in added
    }
    assert len(tensors) < len(load(content))
    path.write_bytes(to_bytes(tensors, header))


def resumed(algorithm: str, path: Path, **changes) -> Population:
    made = population(algorithm, **changes)
    made.admit("t", {**PARAMS[algorithm], **changes}, seed=3, horizon=20, checkpoint=path)
    return made


@pytest.fixture(params=PARAMS)
def written(request, tmp_path):
    """Return an algorithm, the older checkpoint of its trial at 4, and its weights at 9."""
    made = population(request.param)
    made.admit("t", PARAMS[request.param], seed=3, horizon=20)
    made.advance(4)
    made.checkpoint("t", tmp_path / "c")
    older(tmp_path / "c", made.signature)
    made.advance(5)
    return request.param, tmp_path / "c", made.trained().phi


def test_it_goes_on_to_the_same_bits(written, tmp_path):
    algorithm, path, expected = written
    made = resumed(algorithm, path)
    made.advance(5)
    assert torch.equal(made.trained().phi, expected)
    made.checkpoint("t", tmp_path / "again")  # which has all numbers, and is read like any other
    again = resumed(algorithm, tmp_path / "again")
    assert torch.equal(again.trained().phi, expected)


@pytest.mark.parametrize(
    "changes", [{"weight_decay": 0.1}, {"gradient_norm": 1.0}, {"warmup": 0.1}]
)
def test_a_trial_that_switches_one_on_is_another(written, changes):
    algorithm, path, _ = written
    (name, value), *_ = changes.items()
    with pytest.raises(InvalidPopulation, match=f"numbers.{name} = 0.0, the trial {value}"):
        resumed(algorithm, path, **changes)


def test_another_structure_is_another_state(written):
    algorithm, path, _ = written
    other = "adam" if algorithm == "reptile" else "sgd"
    with pytest.raises(CorruptCheckpoint, match="belongs to another signature"):
        resumed(algorithm, path, outer_optimizer=other)
