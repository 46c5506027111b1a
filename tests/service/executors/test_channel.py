"""Channels: lines of JSON, however the socket cuts and joins them."""

import json
import random
import socket
import threading
import tracemalloc

import pytest

from service.executors.channel import READ_BYTES, Channel, ChannelClosed, ChannelSilent


def test_messages_of_any_size_arrive_whole_and_in_order_however_they_are_cut() -> None:
    ours, theirs = socket.socketpair()
    sizes = [0, 1, READ_BYTES - 100, READ_BYTES, 3 * READ_BYTES, 5, 50 * READ_BYTES, 0]
    sent = [{"number": number, "text": "ä" * size} for number, size in enumerate(sizes)]
    whole = b"".join(json.dumps(message).encode() + b"\n" for message in sent)
    rng = random.Random(1)

    def send() -> None:
        at = 0
        while at < len(whole):
            piece = rng.choice([1, 7, 1000, READ_BYTES, 10 * READ_BYTES])
            theirs.sendall(whole[at : at + piece])
            at += piece
        theirs.close()

    sender = threading.Thread(target=send)
    sender.start()
    channel = Channel(ours)
    assert list(channel.messages()) == sent
    sender.join()
    channel.close()


def test_half_a_message_is_kept_while_the_other_side_is_silent_and_none_at_its_end() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.sendall(b'{"a": 1}\n{"b"')
    assert channel.receive() == {"a": 1}
    with pytest.raises(ChannelSilent):
        channel.receive(patience=0.0)
    theirs.sendall(b": 2}\n{")
    assert channel.receive() == {"b": 2}
    theirs.close()
    with pytest.raises(ChannelClosed, match="end of stream"):
        channel.receive()
    channel.close()


def test_a_short_message_takes_no_more_memory_than_it_has() -> None:
    """A megabyte for each, cut short, made a dispatcher grow for as long as it ran."""
    ours, theirs = map(Channel, socket.socketpair())
    tracemalloc.start()
    try:
        for number in range(100):
            theirs.send({"number": number})
            assert ours.receive() == {"number": number}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        ours.close()
        theirs.close()
    assert peak < READ_BYTES
