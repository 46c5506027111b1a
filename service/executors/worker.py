"""The worker process: reads orders, trains, answers; no SQL, no secret, no decision.

    python -m service.executors.worker FD PARENT_PID DEVICE COMPILE PROGRAMS DATA SOURCES BYTES
        [lends]

FD is its end of a socket pair; COMPILE, PROGRAMS and lends are the arguments
of `service.executors.compiling.programs.Programs`; packed data sets are in DATA; plug-ins may come
from SOURCES (`metaopt.plugins.sources`, as JSON) and are imported when an order needs them; BYTES
is the most memory that it may take (`service.executors.memory`), 0 for any.

It dies with its parent: the kernel is asked to kill it (Linux), and a thread ends it when the pair
closes, even in the middle of a segment.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from metaopt.data.shelf import look_in
from metaopt.errors import MetaoptError
from metaopt.plugins.described import Needed
from metaopt.plugins.sources import Sources
from service.executors.blame import (
    is_machines,
    is_of_storage,
    is_out_of_memory,
    is_refused_by_host,
)
from service.executors.channel import Channel, Json
from service.executors.memory import limit_memory
from service.executors.progress import Progress
from service.tether import tether


def main(arguments: list[str]) -> None:
    """Run until the parent is gone."""
    file_descriptor, parent_pid, device = int(arguments[0]), int(arguments[1]), arguments[2]
    die_with_parent(parent_pid)
    os.set_inheritable(file_descriptor, False)
    channel = Channel(socket.socket(fileno=file_descriptor))
    orders: SimpleQueue[Json] = SimpleQueue()
    progress = Progress(channel.send)
    threading.Thread(target=_read, args=(channel, orders, progress), daemon=True).start()
    look_in(Path(arguments[5]))
    if memory_bytes := int(arguments[7]):
        limit_memory(memory_bytes)
    serve(
        channel,
        orders,
        device,
        progress,
        mode=arguments[3],
        directory=Path(arguments[4]),
        sources=Sources.from_json(json.loads(arguments[6])),
        lends="lends" in arguments[8:],
    )


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process with its parent; end if the parent is gone already."""
    if not tether(parent_pid, signal.SIGKILL):
        os._exit(1)


def serve(
    channel: Channel,
    orders: "SimpleQueue[Json]",
    device: str,
    progress: Progress,
    *,
    mode: str,
    directory: Path,
    sources: Sources,
    lends: bool,
) -> None:
    """Load torch, try the device, say so, and answer orders."""
    import torch

    from metaopt.plugins.load import provide
    from service.executors.base import SegmentOrder
    from service.executors.compiling.programs import Programs
    from service.executors.kernel import fault
    from service.executors.segment import Segments

    if device == "cpu":
        torch.set_num_threads(1)
    else:  # torch lets convolutions round to TF32 by default: never silently
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    if cause := fault(device):  # it worked when slots were found, and devices fail
        channel.send({"broken": cause})
        return
    programs = Programs(device, directory, mode, lends=lends, progress=progress)
    segments = Segments(device, programs, progress)
    channel.send({"ready": True})
    idle_since = time.perf_counter()
    while True:
        message = orders.get()
        wait_seconds = time.perf_counter() - idle_since
        progress.begin(message["number"], message["order"].get("hang_seconds"))
        order = SegmentOrder.from_json(message["order"])
        try:
            progress.doing("importing plug-ins")
            provide([Needed(**one) for one in order.plugins], sources)
            report = segments.run(order)
            idle_since = time.perf_counter()
            channel.send({"report": replace(report, wait_seconds=wait_seconds).to_json()})
        except Exception as error:  # whatever it was, the dispatcher decides what it means
            if device != "cpu" and fault(device):
                # After most errors of a device nothing can be computed in this process any more.
                channel.send({"lost": describe(error)})
                return
            segments.drop()
            idle_since = time.perf_counter()
            channel.send({"error": describe(error)})


def describe(error: Exception) -> Json:
    """`error` as plain data: its kind, its message, and whose fault it is."""
    out_of_memory = is_out_of_memory(error)
    machine = is_refused_by_host(error) if out_of_memory else is_machines(error)
    return {
        "kind": type(error).__name__,
        "message": f"{type(error).__name__}: {error}"[:2000],
        "invalid": isinstance(error, MetaoptError) and not (machine or out_of_memory),
        "lane": error.lane if isinstance(error, MetaoptError) else None,
        "out_of_memory": out_of_memory,
        "machine": machine,
        "storage": machine and is_of_storage(error),
    }


def _read(channel: Channel, orders: "SimpleQueue[Json]", progress: Progress) -> None:
    for message in channel.messages():
        if "stop" in message:
            progress.stop(message["stop"])
        else:
            orders.put(message)
    os._exit(0)  # the parent is gone, and nobody wants what is being computed


if __name__ == "__main__":
    main(sys.argv[1:])
