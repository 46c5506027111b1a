"""Which store of blobs a place is."""

from service.blobs.base import BlobStore
from service.blobs.cache import Cache
from service.blobs.directory import DirectoryStore
from service.blobs.objects import ObjectStore
from service.blobs.place import Place


def open_blobs(place: Place) -> BlobStore:
    """The store at a place.

    Raises:
        BlobsUnusable: It cannot be used; nothing is asked of it yet.
    """
    if place.url is None:
        return DirectoryStore(place.directory)
    return ObjectStore(place.url, Cache(place.cache, place.cache_bytes))
