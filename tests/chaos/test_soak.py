"""What the soak calls flat: a leak shows through noise, a warm-up and outliers do not."""

import mmap
import os
import random
from pathlib import Path

from tests.chaos.soak.meter import of_process
from tests.chaos.soak.trend import Sample, trend

MIB = 2**20


def samples(per_minute: float, *, noise: float = MIB) -> list[Sample]:
    """Half an hour, ten seconds a sample: a hundred MiB, after a warm-up from fifty."""
    chance, found = random.Random(1), []
    for at in range(0, 1800, 10):
        warm = 50 * MIB * max(0.0, 1 - at / 300)
        wild = 40 * MIB if chance.random() < 0.1 else 0.0
        value = 100 * MIB - warm + wild + per_minute * at / 60 + chance.gauss(0, noise)
        found.append(Sample(float(at), value))
    return found


def test_a_warm_up_noise_and_outliers_are_flat() -> None:
    found = trend("memory_bytes/api 1", samples(0.0))
    assert found.flat and abs(found.growth) < MIB


def test_a_leak_of_a_quarter_of_a_megabyte_a_minute_is_found() -> None:
    found = trend("memory_bytes/api 1", samples(0.25 * MIB))
    assert not found.flat and 4 * MIB < found.growth < 7 * MIB
    assert 12 * MIB < found.per_hour < 20 * MIB  # fifteen, and the wild ones


def test_a_descriptor_a_minute_is_a_leak_and_two_more_are_none() -> None:
    leak = [Sample(at, 20.0 + at // 60) for at in range(0, 1800, 10)]
    step = [Sample(at, 20.0 + 2 * (at > 1000)) for at in range(0, 1800, 10)]
    assert not trend("descriptors/api 1", leak).flat
    assert trend("descriptors/api 1", step).flat


def test_memory_is_what_a_process_has_for_itself_and_no_pages_of_files(tmp_path: Path) -> None:
    def memory() -> float:
        return of_process("own", os.getpid())["memory_bytes/own"]

    path, before = tmp_path / "library", memory()
    path.write_bytes(bytes(32 * MIB))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert pages.find(b"x") == -1  # every page was looked at
        assert memory() - before < 8 * MIB
    # Pages of a mapping of its own: an allocator may give again what it once had and kept.
    private, before = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, memory()
    with mmap.mmap(-1, 32 * MIB, flags=private) as own:
        for page in range(0, len(own), mmap.PAGESIZE):
            own[page] = 1
        assert memory() - before > 24 * MIB
