"""Blobs between a dispatcher, which names them, and a worker, which reads and writes files.

    order   names of checkpoints ──▶ paths of files on this machine
    report  paths of what was written ──put──▶ names, each with its SHA-256

A worker has no key to any store.  Who runs it, on whichever machine, brings what it resumes from
and puts what it leaves before the dispatcher hears of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from service.blobs.base import BlobStore
from service.executors.base import LaneReport, SegmentOrder, SegmentReport

SUFFIX = ".safetensors"


def blob_name(prefix: str, lane: LaneReport) -> str:
    """Under which name what a lane has left is put: no two trials share one."""
    return f"{prefix}/{lane.trial_id}-{lane.digest}{SUFFIX}"


@contextmanager
def brought(blobs: BlobStore, order: SegmentOrder) -> Iterator[SegmentOrder]:
    """The order as its worker gets it; the files that it names stay for as long as the block runs.

    Raises:
        OSError: The store is away.
    """
    digests = {one.checkpoint: one.digest for one in order.admit if one.checkpoint is not None}
    prefix = order.checkpoint_directory
    with blobs.local(digests) as paths:
        admit = [
            one if one.checkpoint is None else replace(one, checkpoint=str(paths[one.checkpoint]))
            for one in order.admit
        ]
        directory = None if prefix is None else str(blobs.workplace(prefix))
        yield replace(order, admit=admit, checkpoint_directory=directory)


def put(blobs: BlobStore, order: SegmentOrder, report: SegmentReport) -> SegmentReport:
    """Put what a worker has written, and return its report with names in the place of paths.

    Raises:
        OSError: The store is away, or full.
    """
    if order.checkpoint_directory is None:
        return report
    files, lanes = {}, []
    for lane in report.lanes:
        if lane.checkpoint is not None:
            name = blob_name(order.checkpoint_directory, lane)
            files[name] = Path(lane.checkpoint)
            lane = replace(lane, checkpoint=name)
        lanes.append(lane)
    blobs.put(files)
    return replace(report, lanes=lanes)
