"""Copies of blobs: how many there are, and which go."""

import hashlib
from pathlib import Path

from service.blobs.cache import Cache


def taken(cache: Cache, key: str, size: int = 10) -> str:
    content = key.encode() * size
    path = cache.fresh(key)
    path.write_bytes(content[:size])
    cache.take(path, key)
    return hashlib.sha256(content[:size]).hexdigest()


def copies(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.glob("*/*")}


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 30)
    digests = {key: taken(cache, key) for key in ("s/a", "s/b", "s/c")}
    assert cache.has("s/a", digests["s/a"])
    taken(cache, "s/d")
    assert copies(tmp_path) == {"s/a", "s/c", "s/d"}
    taken(cache, "t/large", 29)
    assert copies(tmp_path) == {"t/large"}


def test_a_copy_that_is_larger_than_all_stays_until_the_next(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 5)
    digest = taken(cache, "s/a")
    assert cache.has("s/a", digest)
    taken(cache, "s/b")
    assert copies(tmp_path) == {"s/b"}


def test_what_is_being_read_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 20)
    taken(cache, "s/a")
    with cache.reading(["s/a"]), cache.reading(["s/a"]):
        for key in ("s/b", "s/c", "s/d"):
            taken(cache, key)
        assert copies(tmp_path) == {"s/a", "s/d"}
    taken(cache, "s/e")
    assert copies(tmp_path) == {"s/d", "s/e"}


def test_a_later_process_goes_on_with_the_copies_and_what_a_kill_left(tmp_path: Path) -> None:
    first = Cache(tmp_path, 100)
    digest = taken(first, "s/a")
    first.fresh("s/a").write_bytes(b"x" * 80)
    later = Cache(tmp_path, 95)
    assert later.has("s/a", digest) and not later.has("s/a", "0" * 64)
    taken(later, "s/b")
    assert copies(tmp_path) == {"s/a", "s/b"}
    later.drop_all("s")
    assert copies(tmp_path) == set() and not later.has("s/a", digest)
