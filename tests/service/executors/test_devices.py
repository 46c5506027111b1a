"""Which devices are listed here, and which of those that are named cannot be meant."""

import os
from pathlib import Path

import pytest

from service.executors.devices import (
    Device,
    list_devices,
    memory_of,
    parse_listing,
    visible_devices,
)
from service.executors.slots import Found, cpu_slots, described, device_slots, view_of

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
LISTED = parse_listing(TWO)


def values(chosen: str, listed: list[Device] = LISTED) -> list[str]:
    return [one.value for one in visible_devices({"CUDA_VISIBLE_DEVICES": chosen}, listed).devices]


def causes(chosen: str, listed: list[Device] = LISTED) -> dict[str, str]:
    return dict(visible_devices({"CUDA_VISIBLE_DEVICES": chosen}, listed).broken)


def stand_in(directory: Path, script: str) -> dict[str, str]:
    """Put an `nvidia-smi` there; return an environment that finds it."""
    path = directory / "bin" / "nvidia-smi"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


def nodes(directory: Path, *names: str) -> Path:
    path = directory / "dev"
    path.mkdir(exist_ok=True)
    for name in names:
        (path / name).touch()
    return path


def test_gpus_have_the_names_that_nvidia_smi_gives_them() -> None:
    assert LISTED == [
        ("GPU-aaaa", "GPU 0 (NVIDIA H200)", 0),
        ("GPU-bbbb", "GPU 1 (NVIDIA H200)", 1),
    ]


def test_a_split_gpu_is_as_many_devices_as_it_has_instances() -> None:
    assert parse_listing(SPLIT) == [
        ("MIG-1111", "GPU 0, MIG 1g.18gb Device 0", 0),
        ("MIG-2222", "GPU 0, MIG 1g.18gb Device 1", 0),
        ("GPU-bbbb", "GPU 1 (NVIDIA H200)", 1),
    ]


def test_cuda_visible_devices_is_honoured_as_cuda_does() -> None:
    assert visible_devices({}, LISTED).devices == LISTED
    assert values("1") == ["1"]
    assert values("1,-1,0") == ["1"]
    assert values(" 1 , 0 ,1") == ["1", "0"]
    assert values("") == values("-1") == []
    assert values("GPU-bb,MIG-GPU-aaaa/7/0") == ["GPU-bb", "MIG-GPU-aaaa/7/0"]


@pytest.mark.parametrize("word", ["NoDevFiles", "none", "void", "all", "1x", "cuda:0", "²"])
def test_a_word_names_no_device(word: str) -> None:
    assert values(word) == []
    assert causes(word) == {word: "CUDA_VISIBLE_DEVICES holds this word, which names no device"}


def test_an_index_that_does_not_exist_is_told_and_the_others_are_left() -> None:
    assert values("7,1") == ["1"]
    (cause,) = causes("7,1").items()
    assert cause == (
        "device 7",
        "CUDA_VISIBLE_DEVICES names it, but there are 2 GPUs, counted from 0",
    )
    assert "there is 1 GPU" in causes("1", LISTED[:1])["device 1"]


def test_an_index_counts_gpus_and_not_their_instances() -> None:
    assert values("1", parse_listing(SPLIT)) == ["1"]
    assert "device 2" in causes("2", parse_listing(SPLIT))


def test_what_is_named_is_tried_where_nothing_is_listed(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": "0"}
    assert list_devices(environment, nodes(tmp_path)).devices == [("0", "device 0", 0)]


def test_a_machine_without_nvidia_smi_has_no_device_and_nothing_is_wrong(tmp_path: Path) -> None:
    assert list_devices({"PATH": str(tmp_path)}, nodes(tmp_path)) == ([], [])


def test_a_container_without_nvidia_smi_has_the_devices_of_its_nodes(tmp_path: Path) -> None:
    there = nodes(tmp_path, "nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm", "null")
    found = list_devices({"PATH": str(tmp_path)}, there)
    assert found.devices == [("0", "GPU 0", 0), ("1", "GPU 1", 1)]


def test_hidden_devices_are_not_asked_for(tmp_path: Path) -> None:
    environment = stand_in(tmp_path, f"touch {tmp_path}/asked; echo '{TWO}'")
    for hidden in ("", " ", "-1", "-1,0"):
        assert list_devices({**environment, "CUDA_VISIBLE_DEVICES": hidden}) == ([], [])
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "NVML"),
        ("echo; echo 'No devices were found' >&2; exit 6", "No devices were found"),
        ("echo 'No devices were found'", "No devices were found"),
        ("exit 9", "it ended with 9"),
    ],
)
def test_what_nvidia_smi_says_instead_of_devices_is_told(
    tmp_path: Path, script: str, said: str
) -> None:
    found = list_devices(stand_in(tmp_path, script), nodes(tmp_path))
    assert found.devices == []
    ((name, cause),) = found.broken
    assert name == "nvidia-smi" and said in cause


def test_nvidia_smi_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.executors.devices.LISTING_SECONDS", 0.3)
    found = list_devices(stand_in(tmp_path, "sleep 60"), nodes(tmp_path))
    assert found.broken == [("nvidia-smi", "nvidia-smi did not answer within 0.3 s")]


MEMORY = """
case "$1" in
  -L) echo "GPU 0: NVIDIA H200 (UUID: GPU-aaaa)"; echo "GPU 1: NVIDIA H200 (UUID: GPU-bbbb)";;
  --query-gpu*) echo "0, 143771"; echo "1, [N/A]";;
esac
"""


def test_the_memory_of_a_gpu_is_what_nvidia_smi_tells(tmp_path: Path) -> None:
    environment = stand_in(tmp_path, MEMORY)
    devices = list_devices(environment, nodes(tmp_path)).devices
    assert memory_of(devices, environment) == {"GPU-aaaa": 143771 * 2**20}
    parts = parse_listing(SPLIT)
    assert memory_of(parts, environment)["MIG-1111"] == 18 * 10**9
    assert memory_of(devices, stand_in(tmp_path, "exit 9")) == {}
    assert memory_of(devices, {"PATH": str(tmp_path)}) == {}
    assert memory_of([], environment) == {}


def test_slots_that_share_a_gpu_share_its_memory() -> None:
    sizes = {"GPU-aaaa": 80 * 10**9}
    assert [slot.memory_bytes for slot in device_slots(LISTED, 8, 2, sizes)] == [80 * 10**9, None]
    assert [slot.memory_bytes for slot in device_slots(LISTED[:1], 8, 4, sizes)] == [20 * 10**9] * 4


def test_slots_have_the_labels_and_the_memory_of_their_machine() -> None:
    found = Found([*cpu_slots(1), *device_slots(LISTED[:1], 8, 1, {"GPU-aaaa": 7})])
    core, gpu = described(found, {"pool": "night"}, 2**31).slots
    assert (core.memory_bytes, gpu.memory_bytes) == (2**31, 7)
    assert core.labels == gpu.labels == {"pool": "night"}
    views = view_of(described(found, {"pool": "night"}, 2**31)).slots
    assert [(v.device, v.memory_bytes, v.labels) for v in views] == [
        ("cpu", 2**31, {"pool": "night"}), ("cuda", 7, {"pool": "night"}),
    ]  # fmt: skip
