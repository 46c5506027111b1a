"""What it costs to put checkpoints into a store and to have them here again, beside writing them.

    python benchmarks/blobs.py [--repeats 30] [--results DIR]

A segment leaves a file for each of 16 lanes.  In turn, so that all see the same machine: the files
are written as a worker does (temporary file, fsync, rename, fsync of the directory); they are put
into a directory; they are put into an object store and downloaded by another machine.  The object
store is a server of moto's on this machine, in Python: real requests, and neither the network nor
the speed of a store that people use.  Milliseconds of a segment, medians; the "others" that used
the machine are that server.
"""

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.suite.machine import processor, watched  # noqa: E402
from metaopt.population.checkpoint import write_whole  # noqa: E402
from service.blobs.base import BlobStore  # noqa: E402
from service.blobs.cache import Cache, digest_of  # noqa: E402
from service.blobs.directory import DirectoryStore  # noqa: E402
from service.blobs.objects import ObjectStore  # noqa: E402
from service.output_file import write_output  # noqa: E402
from tests.fakes.objects import BUCKET, ObjectServer  # noqa: E402

LANES = 16
SIZES = {"an mlp, 20 KB": 20_000, "conv4, 500 KB": 500_000}


def main() -> None:
    """Measure, print, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--results", type=Path, help="write blobs.txt there")
    options = parser.parse_args()
    server = ObjectServer()
    os.environ.update(server.variables)
    try:
        with watched() as machine:
            lines = [line for name in SIZES for line in measured(name, options.repeats)]
    finally:
        server.close()
    head = f"{processor()}; others used {machine['others_share']:.0%} of it\n"
    told = head + "".join(f"{line}\n" for line in lines)
    print(told, end="")
    if options.results:
        write_output(options.results / "blobs.txt", told)


def measured(name: str, repeats: int) -> list[str]:
    """The lines of one size."""
    content = os.urandom(SIZES[name])
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"s3://{BUCKET}/{secrets.token_hex(4)}"
        directory = DirectoryStore(Path(folder) / "checkpoints")
        here = ObjectStore(url, Cache(Path(folder) / "here", 2**40))
        for turn in range(repeats + 1):
            prefix = f"s{turn}"
            there = ObjectStore(url, Cache(Path(folder) / "there" / prefix, 2**40))
            for store, where in ((directory, "a directory"), (here, "an object store")):
                begun = time.perf_counter()
                files, digests = written(store, prefix, content)
                seconds = time.perf_counter() - begun
                if store is directory:
                    taken.setdefault("written by a worker", []).append(seconds)
                taken.setdefault(f"put into {where}", []).append(clocked(partial(store.put, files)))
                reader = directory if store is directory else there
                read = clocked(partial(brought, reader, digests))
                taken.setdefault(f"had from {where}, elsewhere", []).append(read)
            there.close()
            directory.delete_all(prefix)
        here.close()
    base = median(taken["written by a worker"][1:])
    return [
        f"{LANES} files of {name}: {label:32} {1e3 * median(some[1:]):8.2f} ms"
        f"  {median(some[1:]) / base:6.2f} times the writing"
        for label, some in taken.items()  # the first turn opens connections
    ]


def written(
    store: BlobStore, prefix: str, content: bytes
) -> tuple[dict[str, Path], dict[str, str | None]]:
    """Write the files of a segment as its worker does; the files, and their digests, by key."""
    files: dict[str, Path] = {}
    for lane in range(LANES):
        path = store.workplace(prefix) / f"{lane}-{secrets.token_hex(4)}"
        write_whole(path, lane.to_bytes() + content)
        files[f"{prefix}/{lane}-{secrets.token_hex(32)}.safetensors"] = path
    return files, {key: digest_of(path) for key, path in files.items()}


def clocked(work: Callable[[], None]) -> float:
    """Seconds on the clock."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def brought(store: BlobStore, digests: dict[str, str | None]) -> None:
    """Have the files here, and see that they are."""
    with store.local(digests) as paths:
        assert all(path.is_file() for path in paths.values())


if __name__ == "__main__":
    main()
