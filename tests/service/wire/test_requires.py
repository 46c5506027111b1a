"""What a spec may require of slots."""

import pytest
from pydantic import ValidationError

from metaopt.errors import MetaoptError
from service.operations.submit import spec_digest
from service.wire.requires import Requires
from service.wire.spec.study import StudySpec
from tests.fakes.specs import SMALL, small_spec


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20 GB", 20 * 10**9), ("20GB", 20 * 10**9), ("512 MiB", 2**29), ("1.5 gib", 3 * 2**29),
        ("700 B", 700), (4096, 4096), ("2 TiB", 2**41), ("12kB", 12_000),
    ],
)  # fmt: skip
def test_memory_is_bytes_or_a_text_with_a_unit(text: object, size: int) -> None:
    requires = Requires.model_validate({"memory": text})
    assert requires.memory == size
    assert Requires.model_validate(requires.model_dump(mode="json")) == requires


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory": "20"}, {"memory": "twenty GB"}, {"memory": "20 iB"}, {"memory": 0},
        {"memory": -1}, {"memory": "0 GB"}, {"memory": "9" * 12 + " TB"}, {"memory": 1.5},
        {"memory": True}, {"device": "tpu"}, {"device": 1}, {"labels": {"pool": ""}},
        {"labels": {"": "x"}}, {"labels": {"a b": "x"}}, {"labels": {"pool": 7}},
        {"labels": {f"l{i}": "x" for i in range(17)}}, {"gpus": 2}, {"labels": {"a": "x" * 64}},
    ],
)  # fmt: skip
def test_anything_else_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises((ValidationError, MetaoptError)):
        StudySpec.model_validate({**SMALL, "requires": wrong})


def test_a_spec_that_requires_nothing_has_the_digest_that_it_had() -> None:
    plain = small_spec()
    assert not plain.requires
    assert spec_digest(plain) == spec_digest(small_spec(requires={}))
    assert spec_digest(plain) != spec_digest(small_spec(requires={"device": "cpu"}))
