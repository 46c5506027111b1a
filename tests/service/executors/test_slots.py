"""The slots of a machine: devices that have proven themselves, else cores, and what is told."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from service.errors import NoDeviceWorks
from service.executors.base import Slot
from service.executors.cores import usable_cores
from service.executors.proof import prove
from service.executors.slots import Found, cpu_slots, device_slots, find_slots, view_of
from service.wire.words.slots import broken_in_words, slots_in_words
from tests.service.executors.test_devices import LISTED, TWO, stand_in

CHECKOUT = Path(__file__).parents[3]
CORES = usable_cores().number


def works(slot: Slot, _: Mapping[str, str]) -> str | None:
    return None


def broken(slot: Slot, _: Mapping[str, str]) -> str | None:
    return "the driver is too old"


def second_broken(slot: Slot, environment: Mapping[str, str]) -> str | None:
    return None if slot.environment["CUDA_VISIBLE_DEVICES"] == "GPU-aaaa" else "it is worn out"


@pytest.fixture
def two(tmp_path: Path) -> dict[str, str]:
    """An environment with two GPUs listed."""
    return stand_in(tmp_path, f"printf '{TWO}'")


def names(found: Found) -> list[str]:
    return [slot.name for slot in found.slots]


def told(found: Found) -> tuple[str, list[str]]:
    return slots_in_words(view_of(found)), broken_in_words(view_of(found))


def test_every_device_is_a_slot_that_sees_only_itself() -> None:
    slots = device_slots(LISTED, cores=8)
    assert [(slot.name, slot.device) for slot in slots] == [("cuda:0", "cuda"), ("cuda:1", "cuda")]
    assert slots[1].environment["CUDA_VISIBLE_DEVICES"] == "GPU-bbbb"
    assert slots[1].place == "GPU 1 (NVIDIA H200)"


def test_slots_on_devices_share_the_cores() -> None:
    for slots, threads in ((2, "4"), (3, "2"), (20, "1")):
        for slot in device_slots(LISTED, 8, slots):
            assert slot.environment["OMP_NUM_THREADS"] == threads
            assert slot.environment["TORCHINDUCTOR_COMPILE_THREADS"] == threads


def test_a_chosen_number_of_slots_shares_the_devices_in_turn() -> None:
    chosen = [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in device_slots(LISTED, 8, 3)]
    assert chosen == ["GPU-aaaa", "GPU-bbbb", "GPU-aaaa"]


def test_without_a_device_every_usable_core_is_a_slot(tmp_path: Path) -> None:
    found = find_slots({"PATH": str(tmp_path)}, prove=broken)
    assert names(found) == [f"cpu:{index}" for index in range(CORES)]
    assert {slot.device for slot in found.slots} == {"cpu"}
    assert found.broken == []


def test_devices_that_work_are_the_slots(two: dict[str, str]) -> None:
    found = find_slots(two, prove=works)
    assert told(found) == ("2 slots on GPU 0 (NVIDIA H200), GPU 1 (NVIDIA H200)", [])


def test_where_some_devices_work_those_are_used_and_the_others_are_told(
    two: dict[str, str],
) -> None:
    found = find_slots(two, 2, prove=second_broken)
    chosen = {slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found.slots}
    assert chosen == {"GPU-aaaa"} and names(found) == ["cuda:0", "cuda:1"]
    assert told(found) == (
        "2 slots on GPU 0 (NVIDIA H200)",
        ["GPU 1 (NVIDIA H200) does not work: it is worn out"],
    )


def test_where_no_device_works_the_cores_are_used_and_the_cause_is_told_once(
    two: dict[str, str],
) -> None:
    found = find_slots(two, 3, prove=broken)
    assert names(found) == ["cpu:0", "cpu:1", "cpu:2"]
    assert told(found)[1] == [
        "GPU 0 (NVIDIA H200), GPU 1 (NVIDIA H200) do not work: the driver is too old"
    ]


def test_the_start_is_refused_where_devices_were_asked_for(two: dict[str, str]) -> None:
    with pytest.raises(NoDeviceWorks, match="the driver is too old.*METAOPT_DEVICES=auto"):
        find_slots(two, wanted="cuda", prove=broken)
    with pytest.raises(NoDeviceWorks, match="none is listed"):
        find_slots({**two, "CUDA_VISIBLE_DEVICES": ""}, wanted="cuda", prove=works)
    assert names(find_slots(two, wanted="cuda", prove=second_broken)) == ["cuda:0"]


def test_cores_that_were_asked_for_need_no_device(two: dict[str, str]) -> None:
    def never(slot: Slot, _: Mapping[str, str]) -> str | None:
        raise AssertionError("nothing is to be proven")

    found = find_slots(two, 1, "cpu", prove=never)
    assert (names(found), found.broken) == (["cpu:0"], [])


def test_what_cannot_be_meant_is_not_tried(two: dict[str, str]) -> None:
    found = find_slots({**two, "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 1, prove=works)
    assert names(found) == ["cpu:0"]
    assert told(found)[1] == [
        "NoDevFiles does not work: CUDA_VISIBLE_DEVICES holds this word, which names no device"
    ]


def test_a_quota_is_told_with_the_slots() -> None:
    view = view_of(Found(cpu_slots(1))).model_copy(update={"cores": "the quota is 1 of 8 cores"})
    assert slots_in_words(view) == "1 slot on CPU cores (the quota is 1 of 8 cores)"


def test_slots_that_are_out_are_no_longer_counted() -> None:
    found = Found(device_slots(LISTED, 8))
    assert slots_in_words(view_of(found, {"cuda:0": "it fell off the bus"})) == (
        "1 slot on GPU 1 (NVIDIA H200)"
    )
    assert slots_in_words(view_of(found, {"cuda:0": "x", "cuda:1": "x"})) == "none works"


@pytest.mark.skipif(torch.cuda.is_available(), reason="devices work here")
def test_a_device_that_is_only_listed_fails_its_proof(two: dict[str, str]) -> None:
    found = find_slots(two)
    assert {slot.device for slot in found.slots} == {"cpu"}
    assert [name for name, _ in found.broken] == ["GPU 0 (NVIDIA H200)", "GPU 1 (NVIDIA H200)"]
    ((_, cause), _) = found.broken
    if not torch.backends.cuda.is_built():
        assert "built without CUDA" in cause


def test_a_proof_that_hangs_or_dies_is_a_cause(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    dying = Slot("cuda:0", "cuda", {"PYTHONPATH": f"{CHECKOUT}:{tmp_path}"})
    assert "ended with SIGSEGV" in str(prove(dying, {}))
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open')")
    assert "libcudart.so: cannot open" in str(prove(dying, {}))
    (tmp_path / "torch.py").write_text("import time; time.sleep(60)")
    began = time.monotonic()
    assert prove(dying, {}, seconds=1.0) == "it did not answer within 1 s"
    assert time.monotonic() - began < 30
