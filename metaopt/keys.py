"""Host-side keys: seeds derived from names, without torch (see `metaopt.seeding` for tensors)."""

import hashlib


def key(*parts: int | str) -> int:
    """The key, 0 <= key < 2**63, that names `parts`; equal parts give equal keys.

    Example:
        >>> key("study", 7) == key("study", 7) != key("study", "7")
        True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
