"""Which slots have what a study requires, and what is said where none has."""

import pytest

from service.executors.base import Slot
from service.planning.requirements import has, lacking, lacks
from service.wire.requires import NOTHING, Requires

GPU = Slot("cuda:0", "cuda", memory_bytes=80 * 10**9, labels={"pool": "night"})
CORE = Slot("cpu:0", "cpu", memory_bytes=4 * 2**30)
UNKNOWN = Slot("cuda:1", "cuda")


@pytest.mark.parametrize(
    ("requires", "able"),
    [
        ({}, [GPU, CORE, UNKNOWN]),
        ({"device": "cuda"}, [GPU, UNKNOWN]),
        ({"memory": 4 * 2**30}, [GPU, CORE]),
        ({"memory": "4.1 GiB"}, [GPU]),
        ({"labels": {"pool": "night"}}, [GPU]),
        ({"labels": {"pool": "day"}}, []),
        ({"labels": {"pool": "night", "room": "7"}}, []),
        ({"device": "cpu", "labels": {"pool": "night"}}, []),
    ],
)
def test_a_slot_has_all_of_it_or_cannot_take_the_study(
    requires: dict[str, object], able: list[Slot]
) -> None:
    required = Requires.model_validate(requires)
    slots = [GPU, CORE, UNKNOWN]
    assert [slot for slot in slots if has(slot, required)] == able
    assert (lacking(slots, required) is None) == bool(able)


def test_what_none_has_is_said_alone_and_else_all_that_is_found_apart() -> None:
    both = Requires(device="cuda", labels={"pool": "day"}, memory=10**9)
    assert lacking([GPU, CORE], both) == "label pool=day"
    assert lacking([CORE], both) == "device cuda and label pool=day"
    apart = Requires(device="cpu", labels={"pool": "night"})
    assert lacking([GPU, CORE], apart) == "device cpu and label pool=night"
    assert lacks(UNKNOWN, Requires(memory=20 * 10**9)) == ["20 GB of memory"]
    assert lacking([], both) == "a slot"
    assert not NOTHING and lacking([], NOTHING) is None
