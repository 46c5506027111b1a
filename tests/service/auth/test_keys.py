"""Keys: random, kept as a digest, in a file or in the table."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from service.auth.key import key_sha256, new_key
from service.auth.keys import KeyRing, parse_keys
from service.db.access import api_keys
from service.db.engine import transaction
from service.errors import KeysUnreadable
from service.operations.access.api_keys import revoke_key

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = new_key()


def test_a_key_in_the_table_opens_until_it_is_revoked(engine: Engine) -> None:
    clock = [0.0]
    ring = KeyRing(None, engine, lambda: clock[0])
    assert not ring.required()
    with transaction(engine) as session:
        api_keys.add_key(session, "k1", "table", key_sha256(KEY), now=NOW)
    clock[0] += 1
    assert ring.required()
    found = ring.identify(KEY)
    assert found is not None and found.name == "table"
    with transaction(engine) as session:
        revoke_key(session, "table", now=NOW)
    clock[0] += 1
    assert ring.identify(KEY) is None
    assert ring.required()
    assert ring.count() == 0


def test_keys_are_long_random_and_found_by_their_digest() -> None:
    assert KEY.startswith("mok_") and len(KEY) == 4 + 43 + 6 and KEY != new_key()
    [stored] = parse_keys(f"me:{key_sha256(KEY)}  # mine")
    assert stored.identity.name == "me" and KEY not in repr(stored)


@pytest.mark.parametrize("line", ["me", "me:abc", f":{'a' * 64}", f"me:{'A' * 64}"])
def test_a_broken_key_file_names_the_line_and_not_its_content(line: str) -> None:
    with pytest.raises(KeysUnreadable, match="line 2") as caught:
        parse_keys(f"# comment\n{line}\n")
    assert "a" * 64 not in str(caught.value).lower()
