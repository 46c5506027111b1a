"""Damaged checkpoints: never loaded, no crash, nothing in them runs, and the whole one still is."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from metaopt.errors import CorruptCheckpoint
from metaopt.population.population import Population
from metaopt.population.tensor_file import to_bytes
from tests.metaopt.population.test_population import flat, signature, trained, trials

HORIZON = 4
RUNS_CODE = {"pickle.find_class", "exec", "compile", "import", "os.system", "subprocess.Popen"}

watched: list[str] | None = None


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/metaopt-was-run",)


def flipped(whole: bytes, chance: Random) -> bytes:
    damaged = bytearray(whole)
    for _ in range(chance.choice([1, 1, 8])):
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def truncated(whole: bytes, chance: Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


def with_an_unwritten_page(whole: bytes, chance: Random) -> bytes:
    begin = chance.randrange(len(whole))
    return whole[:begin] + bytes(len(whole[begin : begin + 512])) + whole[begin + 512 :]


def with_more(whole: bytes, chance: Random) -> bytes:
    return whole + chance.randbytes(chance.randrange(1, 64))


def empty(_whole: bytes, _chance: Random) -> bytes:
    return b""


def pickled(_whole: bytes, chance: Random) -> bytes:
    return pickle.dumps(Bomb(), protocol=chance.randrange(6))


def with_a_header_that_lies(whole: bytes, chance: Random) -> bytes:
    return chance.choice([2**63, 2**40, 0, len(whole)]).to_bytes(8, "little") + whole[8:]


DAMAGES = [
    flipped,
    truncated,
    with_an_unwritten_page,
    with_more,
    empty,
    pickled,
    with_a_header_that_lies,
]


def _watch(event: str, _arguments: object) -> None:
    if watched is not None and event in RUNS_CODE:
        watched.append(event)


@pytest.fixture(scope="module")
def watching() -> None:
    """Watch for code that runs while `watched` is a list; a hook cannot be taken away."""
    sys.addaudithook(_watch)


@pytest.mark.usefixtures("watching")
@pytest.mark.parametrize(
    "number", [100, pytest.param(1000, marks=pytest.mark.night)], ids=["some", "many"]
)
def test_no_damaged_checkpoint_is_loaded_and_the_one_before_still_is(
    tmp_path: Path, number: int
) -> None:
    global watched
    params, sig, chance = trials("maml"), signature("maml"), Random(number)
    lane, before, other = tmp_path / "lane", tmp_path / "before", tmp_path / "other"
    digest_before = trained(sig, ["t1"], params, HORIZON // 2).checkpoint("t1", before)
    grown = Population(sig)
    resume(grown, before, digest_before, horizon=HORIZON // 2)
    digest = trained(sig, ["t1"], params, HORIZON).checkpoint("t1", lane)
    trained(sig, ["t2"], params, HORIZON).checkpoint("t2", other)
    whole, fresh = lane.read_bytes(), Population(sig)
    with pytest.raises(CorruptCheckpoint):  # all that is imported late is imported now
        resume(fresh, other, digest)
    watched, refused = [], 0
    try:
        for turn in range(number):
            damaged = DAMAGES[turn % len(DAMAGES)](whole, chance)
            if damaged == whole:
                continue  # a page that was of zeros
            lane.write_bytes(damaged)
            with pytest.raises(CorruptCheckpoint, match="must have SHA-256"):
                resume(fresh, lane, digest)
            if "header" in DAMAGES[turn % len(DAMAGES)].__name__ or not damaged:
                with pytest.raises(CorruptCheckpoint):  # nor where nobody knows its digest
                    resume(fresh, lane, None)
            refused += 1
    finally:
        found, watched = watched, None
    assert not found and not Path("/tmp/metaopt-was-run").exists()
    assert refused > 0.9 * number and fresh.lanes == []
    resume(fresh, before, digest_before, horizon=HORIZON // 2)
    assert torch.equal(flat(fresh, "t1"), flat(grown, "t1"))


@pytest.mark.parametrize("kind", ["another trial's", "directory", "pipe", "device", "gone", "loop"])
def test_what_is_no_checkpoint_of_this_trial_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    params, sig, path = trials("maml"), signature("maml"), tmp_path / "lane"
    digest = trained(sig, ["t1"], params, HORIZON).checkpoint("t1", path)
    path.unlink()
    match kind:
        case "another trial's":
            trained(sig, ["t2"], params, HORIZON).checkpoint("t2", path)
        case "directory":
            path.mkdir()
        case "pipe":  # nobody writes into it: to read would never end
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)
    fresh = Population(sig)
    with pytest.raises(CorruptCheckpoint, match="lane (must have SHA-256|cannot be read)"):
        resume(fresh, path, digest)
    assert fresh.lanes == []


def test_equal_content_is_equal_bytes_in_the_order_that_was_given() -> None:
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.float64)}
    texts = {f"text {i}": "ä" * i for i in range(12)}
    content = to_bytes(tensors, texts)
    assert {to_bytes(tensors, texts) for _ in range(8)} == {content}
    from safetensors.torch import load

    found = load(content)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert int.from_bytes(content[:8], "little") % 8 == 0


def resume(population: Population, path: Path, digest: str | None, horizon: int = HORIZON) -> None:
    population.admit(
        "t1", trials("maml")["t1"], seed=11, horizon=horizon, checkpoint=path, digest=digest
    )
