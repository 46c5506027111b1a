"""Documents that are made to cost much: each is answered soon, and together they take no memory."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from service.errors import BodyTooLarge, InvalidSpec
from service.wire.parsing.plain_data import MAX_BODY_BYTES, MAX_YAML_BYTES, parse_json, parse_yaml

MOST_SECONDS = 0.5  # of the processor; 0.05 on a machine with nothing else to do
MOST_MEGABYTES = 50


def filled(unit: bytes, size: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return as much of the unit as fits."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


YAML = {
    "flow": filled(b"1,", MAX_YAML_BYTES, b"a: [", b"1]"),
    "unclosed": filled(b"1,", MAX_YAML_BYTES, b"a: ["),
    "block": filled(b"- 1\n", MAX_YAML_BYTES),
    "objects": filled(b"{a: 1},", MAX_YAML_BYTES, b"a: [", b"1]"),
    "depth": filled(b"[", MAX_YAML_BYTES, b"a: "),
    "as many as may be": b"- {a: 1}\n" * 3200,
    "aliases": b"a: &a [" + b"1," * 500 + b"1]\nb: [" + b"*a," * 5000 + b"1]",
    "merges": b"a: &a {"
    + b",".join(b"k%d: 1" % number for number in range(300))
    + b"}\n"
    + b"".join(b"m%d: {<<: *a}\n" % number for number in range(1500)),
    "late error": b"- 1\n" * 1900 + b"a: [",
    "later error": b"- 1\n" * 4000 + b"a: [",
    "anchors": filled(b"&a ", MAX_YAML_BYTES),
    "colons": filled(b":", MAX_YAML_BYTES),
    "quotes": filled(b'"', MAX_YAML_BYTES),
    "documents": filled(b"---\n", MAX_YAML_BYTES),
}
JSON = {
    "numbers": filled(b"1,", MAX_BODY_BYTES, b"[", b"1]"),
    "nested": filled(b"[[[[1]]]],", MAX_BODY_BYTES, b"[", b"1]"),
    "objects": filled(b'{"a":{}},', MAX_BODY_BYTES, b"[", b"1]"),
    "depth": filled(b"[", MAX_BODY_BYTES),
    "as many as may be": b"[" + b"1.5e3," * 29_000 + b"1]",
    "keys": b"{" + b",".join(b'"k%d":1' % number for number in range(29_000)) + b"}",
    "twice": b"{" + b'"a":1,' * 29_000 + b'"a":1}',
    "not numbers": b"[" + b"NaN," * 29_000 + b"1]",
    "text of separators": filled(b"a,[{", MAX_BODY_BYTES, b'["', b'"]'),
    "quotes": filled(b'\\"', MAX_BODY_BYTES, b'["', b'"]'),
    "unclosed": filled(b"\\\\", MAX_BODY_BYTES, b'"'),
    "digits": filled(b"1", MAX_BODY_BYTES),
    "spaces that are none": filled("\u200b".encode(), MAX_BODY_BYTES),
}
CASES = [(parse_yaml, name, body) for name, body in YAML.items()]
CASES += [(parse_json, name, body) for name, body in JSON.items()]


@pytest.mark.parametrize(("parse", "body"), [pytest.param(p, b, id=n) for p, n, b in CASES])
def test_a_hostile_document_is_answered_soon(parse: Callable[[bytes], Any], body: bytes) -> None:
    gc.disable()  # it would look at all that the tests before have left behind
    begun = time.process_time()
    try:
        parse(body)
    except (InvalidSpec, BodyTooLarge):
        pass
    finally:
        gc.enable()
    assert time.process_time() - begun < MOST_SECONDS


@pytest.mark.parametrize(("fields", "is_refused"), [(1000, False), (1001, True)])
def test_an_object_has_at_most_a_thousand_fields(fields: int, is_refused: bool) -> None:
    inner = b",".join(b'"k%d":1' % number for number in range(fields))
    rule = r"a\[0\]: must have at most 1000 fields, got 1001"
    for parse in (parse_json, parse_yaml):
        if is_refused:
            with pytest.raises(InvalidSpec, match=rule):
                parse(b'{"a":[{%s}]}' % inner)
        else:
            assert len(parse(b'{"a":[{%s}]}' % inner)["a"][0]) == fields


def test_hostile_documents_side_by_side_take_little_memory() -> None:
    """Under a limit on the address space, so that more would be an error."""
    code = """
import resource, threading
from service.api.bodies.body import parse_body
from service.errors import BodyTooLarge, InvalidSpec
from tests.service.wire.parsing.test_hostile import JSON, YAML

def parse(kind, body):
    try:
        parse_body(body, kind)
    except (InvalidSpec, BodyTooLarge):
        done.append(kind)
    else:
        done.append(kind)

done = []
work = [("application/yaml", body) for body in YAML.values()]
work += [("application/json", body) for body in JSON.values()]
work = [one for one in work for _ in range(4)]

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

before = resident()
virtual = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (virtual + 2**29,) * 2)  # threads take 8 MiB each of it
threads = [threading.Thread(target=lambda: [parse(*work.pop()) for _ in range(len(work) // 20)])
           for _ in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
while work: parse(*work.pop())
peak = 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
print(len(done), (peak - before) / 2**20)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # else each thread reserves addresses
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    done, megabytes = ended.stdout.split()
    assert int(done) == 4 * len(CASES)
    assert float(megabytes) < MOST_MEGABYTES
