"""Kept models: their headers are read without the weights, on either database."""

import torch
from safetensors.torch import save
from sqlalchemy import Engine

from metaopt.population.model_header import entry
from service.db.engine import reading, transaction
from service.db.weights import add_weights, find_header
from tests.fakes.rows import NOON


def test_a_header_is_read_without_what_lies_behind_it(engine: Engine) -> None:
    content = save({"w0": torch.arange(1000.0)}, {"metaopt_hardest": "な", "other": "x"})
    with transaction(engine) as session:
        digests = [add_weights(session, one, now=NOON) for one in (content, b"a model", b"")]
    with reading(engine) as session:
        header, *others = (find_header(session, digest) for digest in digests)
        assert find_header(session, None) is None and find_header(session, "0" * 64) is None
    assert header is not None and len(header) == int.from_bytes(content[:8], "little") < 400
    assert entry(header, "metaopt_hardest") == "な" and entry(header, "metaopt") is None
    assert others == [None, None]
    assert entry(b"{", "metaopt") is None and entry(b"[]", "metaopt") is None
