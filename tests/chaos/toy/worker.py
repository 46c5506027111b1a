"""A worker with the toy objective: a real process, spoken to as the real one, without torch.

python -m tests.chaos.toy.worker FD PARENT_PID DEVICE …      as `service.executors.worker`
"""

import hashlib
import itertools
import json
import os
import secrets
import socket
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from metaopt.data.whole import write_whole
from metaopt.errors import CorruptCheckpoint, MetaoptError
from metaopt.population.damage import is_damage
from service.executors.base import LaneReport, SegmentOrder, SegmentReport
from service.executors.blame import is_machines, is_of_storage
from service.executors.channel import Channel
from service.executors.worker import die_with_parent
from tests.chaos.toy.objective import advance, first_state, scores

SECONDS_PER_ITERATION = 0.0005
EVALUATE_SECONDS = 0.01


class Lanes:
    """What the worker holds between orders."""

    def __init__(self) -> None:
        self._key: Any = None
        self._lanes: dict[str, dict[str, Any]] = {}
        self._names = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count())

    def run(self, order: SegmentOrder) -> SegmentReport:
        """Evict, admit, train, evaluate, write."""
        begun = time.perf_counter()
        key = order.study_id, json.dumps(order.signature, sort_keys=True)
        if key != self._key:
            self._key, self._lanes = key, {}
        for name in order.evict:
            self._lanes.pop(name, None)
        for lane in order.admit:
            assert lane.trial_id not in self._lanes, f"{lane.trial_id} was admitted twice"
            self._lanes[lane.trial_id] = _admitted(lane)
        time.sleep(SECONDS_PER_ITERATION * order.iterations)
        for lane in self._lanes.values():
            end = lane["age"] + order.iterations
            lane["state"] = advance(lane["state"], lane["seed"], lane["age"], end)
            lane["age"] = end
        trained = time.perf_counter() - begun
        time.sleep(EVALUATE_SECONDS if order.evaluate else 0.0)
        reports = [self._report(name, order) for name in list(self._lanes)]
        seconds = time.perf_counter() - begun
        return SegmentReport(reports, seconds, trained, seconds - trained, 1, "toy")

    def _report(self, name: str, order: SegmentOrder) -> LaneReport:
        lane, evaluated = self._lanes[name], name in order.evaluate
        tasks = order.fewer_tasks.get(name, int(order.bank["tasks"]))
        found = scores(lane["state"], lane["params"], tasks) if evaluated else None
        path = digest = None
        if lane["age"] < lane["horizon"] or order.at_end != "nothing":
            path = (
                Path(str(order.checkpoint_directory)) / f"{name}-{lane['age']}-{next(self._names)}"
            )
            digest = _write(path, lane)
        return LaneReport(
            name,
            lane["age"],
            scores=found,
            diverged_share=0.0 if evaluated else None,
            curve=[2.0, 1.0] if evaluated else None,
            checkpoint=str(path) if path else None,
            digest=digest,
            costs=dict.fromkeys(order.measure, 1.0) if evaluated else {},
        )


def _describe(error: Exception) -> dict[str, Any]:
    """As `service.executors.worker.describe`, which loads torch."""
    return {
        "kind": type(error).__name__,
        "message": f"{type(error).__name__}: {error}",
        "invalid": False,
        "lane": getattr(error, "lane", None),
        "out_of_memory": False,
        "machine": is_machines(error),
        "storage": is_machines(error) and is_of_storage(error),
    }


def _admitted(lane: Any) -> dict[str, Any]:
    own = {"seed": lane.seed, "params": lane.params, "horizon": lane.horizon}
    if lane.checkpoint is None:
        return {**own, "age": 0, "state": first_state(lane.seed)}
    try:
        content = Path(lane.checkpoint).read_bytes()
    except OSError as error:
        if not is_damage(Path(lane.checkpoint), error):
            raise
        damaged = CorruptCheckpoint(f"{lane.checkpoint} cannot be read: {error}")
        damaged.lane = lane.trial_id
        raise damaged from None
    assert hashlib.sha256(content).hexdigest() == lane.digest, f"{lane.checkpoint} is damaged"
    kept: dict[str, Any] = json.loads(content)
    assert kept["seed"] == lane.seed, f"{lane.checkpoint} is another trial's"
    return {**own, "age": kept["age"], "state": kept["state"]}


def _write(path: Path, lane: dict[str, Any]) -> str:
    content = json.dumps({name: lane[name] for name in ("seed", "age", "state")}).encode()
    write_whole(path, [content])
    return hashlib.sha256(content).hexdigest()


def main(arguments: list[str]) -> None:
    """Run until the parent is gone."""
    die_with_parent(int(arguments[1]))
    os.set_inheritable(int(arguments[0]), False)
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    messages: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def read() -> None:
        for message in channel.messages():
            messages.put(message)
        os._exit(0)  # the parent is gone

    threading.Thread(target=read, daemon=True).start()
    lanes = Lanes()
    channel.send({"ready": True})
    while True:
        message = messages.get()
        if "order" not in message:
            continue  # to end early: a segment is short
        if "number" in message:
            channel.send({"progress": "training"})
        try:
            report = lanes.run(SegmentOrder.from_json(message["order"]))
        except (OSError, MetaoptError) as error:
            lanes = Lanes()
            channel.send({"error": _describe(error)})
        else:
            channel.send({"report": report.to_json()})


if __name__ == "__main__":
    main(sys.argv[1:])
