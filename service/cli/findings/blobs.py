"""The object store of checkpoints: whether it can be written, read and cleaned."""

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from service.blobs.base import BlobDamaged, BlobStore, BlobsUnusable
from service.blobs.opening import open_blobs
from service.cli.findings.finding import Finding, Level
from service.settings import Settings

_REMEDY = "docs/blobs.md; METAOPT_BLOBS_URL and the variables of its store"


def blobs() -> Iterator[Finding]:
    """Write, read and delete a small object, where checkpoints are in an object store."""
    try:
        settings = Settings()
    except ValidationError:
        return  # `storage` has said it
    if settings.blobs_url is None:
        return
    with tempfile.TemporaryDirectory(prefix="metaopt-") as copies:
        try:
            store = open_blobs(settings.blobs()._replace(cache=Path(copies)))
            _try(store)
        except (BlobsUnusable, BlobDamaged, OSError) as error:
            told = getattr(error, "strerror", None) or str(error)
            yield Finding(Level.FAIL, "object store", told, _REMEDY)
            return
    yield Finding(Level.OK, "object store", f"{store.where} can be written and read")


def _try(store: BlobStore) -> None:
    key, content = f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(64)
    store.write(key, content)
    try:
        if store.read(key) != content:
            raise BlobDamaged(f"{store.where} gives back other bytes than were written")
    finally:
        store.delete(key, at_once=True)
        store.close()
