"""The describing process: imports what is allowed, says what it is, and ends.

    python -m service.executors.describing FD PARENT_PID SOURCES

SOURCES are `metaopt.plugins.sources.Sources` as JSON.  The answer, `{"described": […]}`, goes over
FD, an end of a socket pair: what somebody's code prints is on stdout and stderr and disturbs
nothing.
"""

import json
import os
import socket
import sys

from metaopt.plugins.load import describe_all
from metaopt.plugins.sources import Sources
from service.executors.channel import Channel
from service.executors.worker import die_with_parent


def main(arguments: list[str]) -> None:
    """Describe, answer, and end at once, whatever somebody's code has left behind."""
    descriptor = int(arguments[0])
    die_with_parent(int(arguments[1]))
    os.set_inheritable(descriptor, False)
    channel = Channel(socket.socket(fileno=descriptor))
    described = describe_all(Sources.from_json(json.loads(arguments[2])))
    channel.send({"described": [one.to_json() for one in described]})
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
