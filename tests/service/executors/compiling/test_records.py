"""What a compiled program brings is believed as it was measured, of that program and of others."""

from dataclasses import replace

import pytest

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.registry import MODELS
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from service.executors.compiling.probe import Facts, faster_than_eager
from service.executors.compiling.records import expected
from service.executors.segment import Segments
from tests.service.executors.compiling.test_programs import (
    LIKE,
    LITTLE,
    SIGNATURE,
    programs,
    record,
)
from tests.service.executors.test_local import order

REPTILE = ALGORITHMS.get("reptile").structure(ALGORITHMS.get("reptile").complete({}))


def wide(width: int) -> Signature:
    """A signature of the same kinds with more weights."""
    return replace(SIGNATURE, model={**SIGNATURE.model, "widths": [width]})


def test_a_record_that_is_damaged_is_none(tmp_path):
    population = Population(SIGNATURE)
    none = expected(tmp_path / "nothing", population)
    for seconds, faster in ((-1, 2), (float("inf"), 2), (1, 0.0)):
        record(tmp_path, seconds, faster)
        assert expected(tmp_path, population) == none
    (path,) = tmp_path.iterdir()
    for data in ("", "[]", "{}", '{"seconds": 1, "faster": 2}'):
        path.write_text(data)
        assert expected(tmp_path, population) == none
    record(tmp_path, 7.0)
    assert expected(tmp_path, population) == (7.0, 3.0)


def test_a_slower_program_is_believed_of_its_size_and_a_faster_one_of_any(tmp_path):
    guess = MODELS.get("mlp").compile_guess.faster
    reptile = Population(replace(SIGNATURE, algorithm="reptile", structure=REPTILE))
    own, like, wider = (Population(each) for each in (SIGNATURE, LIKE, wide(16)))
    record(tmp_path, 7.0, 0.8, SIGNATURE)
    assert expected(tmp_path, own) == expected(tmp_path, like) == (7.0, 0.8)
    assert expected(tmp_path, wider) == expected(tmp_path, reptile) == (7.0, guess)
    longer = Population(replace(SIGNATURE, step_cap=4))
    assert expected(tmp_path, longer) == pytest.approx((2 * 7.0, guess))
    for width, faster in ((64, 1.5), (32, 4.0), (128, 6.0)):
        record(tmp_path, 9.0, faster, wide(width))
    assert expected(tmp_path, wider).faster == expected(tmp_path, reptile).faster == 4.0
    assert expected(tmp_path, own) == expected(tmp_path, like) == (7.0, 0.8)


def test_a_program_is_compared_with_as_many_eager_lanes(tmp_path, monkeypatch):
    monkeypatch.setattr(Population, "use_compiled", lambda *_: None)  # as fast as eager lanes are
    facts = Facts(lane_chunk=16, seconds=1.0, by_lanes={"8": 2.0, "16": 1.0})
    population = Population(SIGNATURE, lane_chunk=8, program_lanes=8)
    assert 0.25 < faster_than_eager(population, tmp_path, facts) < 1.0  # half of the best


def test_a_program_that_was_slower_is_neither_compiled_again_nor_used(tmp_path):
    record(tmp_path, 1e-3, 0.01, SIGNATURE)
    chosen = programs(tmp_path)
    report = Segments("cpu", chosen).run(order(ahead=10**6))
    assert report.program == "eager" and not chosen.compiling
    path = Population(SIGNATURE).program_path(tmp_path)
    path.write_bytes(b"PK nobody loads this")
    for ahead in (LITTLE, 10**6):
        assert Segments("cpu", programs(tmp_path)).run(order(ahead=ahead)).program == "eager"
        assert path.exists()
    Segments("cpu", programs(tmp_path, "always")).run(order(ahead=LITTLE))
    assert not path.exists()  # it was tried, and thrown away


def test_a_program_that_was_slower_says_nothing_of_other_sizes(tmp_path):
    record(tmp_path, 1e-3, 0.01, SIGNATURE)
    chosen = programs(tmp_path)
    Segments("cpu", chosen).run(order(ahead=10**6, signature=wide(16).to_json()))
    assert chosen.compiling
    chosen.close()
