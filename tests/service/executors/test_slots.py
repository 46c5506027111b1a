from service.executors.slots import make_slots, visible_devices

TWO = (
    "GPU 0: NVIDIA H200 (UUID: GPU-aaaa)\n"
    "GPU 1: NVIDIA H200 (UUID: GPU-bbbb)\n"
)  # fmt: skip
SPLIT = (
    "GPU 0: NVIDIA H200 (UUID: GPU-aaaa)\n"
    "  MIG 1g.18gb     Device  0: (UUID: MIG-1111)\n"
    "  MIG 1g.18gb     Device  1: (UUID: MIG-2222)\n"
    "GPU 1: NVIDIA H200 (UUID: GPU-bbbb)\n"
)


def test_every_gpu_is_a_slot_that_sees_only_itself() -> None:
    slots = make_slots(visible_devices({}, TWO), cores=8)
    assert [(slot.name, slot.device) for slot in slots] == [("cuda:0", "cuda"), ("cuda:1", "cuda")]
    assert slots[1].environment == {"CUDA_VISIBLE_DEVICES": "GPU-bbbb"}


def test_without_a_gpu_every_core_is_a_slot() -> None:
    slots = make_slots(visible_devices({}, ""), cores=3)
    assert [slot.name for slot in slots] == ["cpu:0", "cpu:1", "cpu:2"]
    assert {slot.device for slot in slots} == {"cpu"}


def test_a_chosen_number_of_slots_shares_the_gpus_in_turn() -> None:
    slots = make_slots(["0", "1"], cores=8, count=3)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["0", "1", "0"]


def test_cuda_visible_devices_is_honoured_as_cuda_does() -> None:
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "1"}, TWO) == ["1"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "1,-1,0"}, TWO) == ["1"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}, TWO) == []
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "0"}, "") == []


def test_a_split_gpu_is_as_many_slots_as_it_has_instances() -> None:
    assert visible_devices({}, SPLIT) == ["MIG-1111", "MIG-2222", "GPU-bbbb"]
