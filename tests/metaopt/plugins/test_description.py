"""Records as plain data: a described record checks as its original does, and runs nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidModel, InvalidPlugin, MetaoptError
from metaopt.metaparams import MetaParam
from metaopt.models.module_kind import ModuleKind, ModuleOption
from metaopt.models.registry import MODELS
from metaopt.options import Option
from metaopt.plugins.described import Described
from metaopt.plugins.description import FAMILIES, Kind, describe, family_of, learn, record_of
from metaopt.tasks.kind import SHOTS, TaskKind
from metaopt.tasks.registry import TASKS
from tests.fakes.toys import PARABOLA, PULLED, QUADRATIC
from tests.properties import examples

NET = ModuleKind(
    "toys.nets:Net",
    "A net.",
    (ModuleOption("hidden", "int", 8), ModuleOption("name", "text", required=True)),
    lambda: None,
)
PLAIN: list[Kind] = [
    *(kind for kind in TASKS.kinds() if kind.name != "dataset"),
    *(kind for kind in MODELS.kinds() if kind.name != "module"),
    *ALGORITHMS.kinds(),
    PARABOLA,
    QUADRATIC,
    PULLED,
    NET,
]


def described(kind: Any) -> Described:
    record = json.loads(json.dumps(describe(kind)))
    return Described(family_of(kind), kind.name, "toys", "1.0", "d1", record)


def with_param(**changes: Any) -> Algorithm:
    """PULLED with one more parameter, from 0 to 2, that is changed so."""
    given = {"kind": "float", "low": 0.0, "high": 2.0, "searched": True, **changes}
    param = MetaParam("x", default=1.0, unit="1", doc="", source="", **given)
    return replace(PULLED, params=(*PULLED.params, param))


def outcome(check: Callable[..., Any], *given: Any) -> Any:
    try:
        return "good", check(*given)
    except MetaoptError as error:
        return "bad", type(error), str(error)


numbers = st.integers(-5, 5) | st.floats(-5, 5)
anything = st.one_of(
    numbers, st.sampled_from([True, None, "a", "b", "a1", "", [1, 2], [2, 1], [0.5], {}, 10**40]),
    st.floats(allow_nan=True),
)  # fmt: skip


@st.composite
def options(draw: Any) -> Option:
    name = draw(st.sampled_from(["one", "two", "three"]))
    low, high = sorted(draw(st.lists(st.integers(-4, 4), min_size=2, max_size=2, unique=True)))
    minimum = draw(st.sampled_from([low, -float("inf")]))
    maximum = draw(st.sampled_from([high, float("inf")]))
    bounds = {"minimum": minimum, "maximum": maximum}
    match draw(st.sampled_from(["int", "float", "bool", "text", "choice", "interval", "widths"])):
        case "int":
            return Option(name, "int", low, "x", **bounds)
        case "float":
            return Option(name, "float", (low + high) / 2, "x", **bounds)
        case "bool":
            return Option(name, "bool", draw(st.booleans()))
        case "text":
            return Option(name, "text", "a1", pattern=r"[a-z]\d?", form="a letter")
        case "choice":
            return Option(name, "choice", "b", choices=("a", "b"))
        case "interval":
            return Option(name, "interval", (low, high), **bounds)
        case _:
            return Option(name, "widths", (low, low), **bounds)


@settings(max_examples=examples(100))
@given(
    option=options(), chosen=st.dictionaries(st.sampled_from(["one", "two", "k_shot"]), anything)
)
def test_options_are_checked_the_same_by_a_described_kind(
    option: Option, chosen: dict[str, Any]
) -> None:
    tasks = replace(PARABOLA, options=(*SHOTS, option), check=lambda options: None)
    model = replace(QUADRATIC, options=(option,))
    for kind in (tasks, model):
        again: Any = record_of(described(kind))
        assert outcome(again.complete, chosen) == outcome(kind.complete, chosen)


@settings(max_examples=examples(100))
@given(
    low=st.integers(1, 3), width=st.integers(1, 5), log=st.booleans(), whole=st.booleans(),
    bounded=st.booleans(), lane=st.booleans(), chosen=anything,
)  # fmt: skip
def test_parameters_are_checked_the_same_by_a_described_algorithm(
    low: int, width: int, log: bool, whole: bool, bounded: bool, lane: bool, chosen: Any
) -> None:
    param = MetaParam(
        "own", "int" if whole else "float", low, "1", "x", "ours", low, low + width, log=log,
        minimum=low, maximum=low + width if bounded else float("inf"), lane=lane,
    )  # fmt: skip
    kind = replace(PULLED, params=(*PULLED.params, param))
    again: Any = record_of(described(kind))
    assert again.params == kind.params
    values = {"own": chosen}
    assert outcome(again.complete, values) == outcome(kind.complete, values)


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: f"{family_of(kind)}-{kind.name}")
def test_a_description_survives_being_made_again(kind: Kind) -> None:
    again = record_of(described(kind))
    assert describe(again) == describe(kind)


def test_shapes_and_unrolling_are_those_of_the_original() -> None:
    omniglot: Any = record_of(described(TASKS.get("omniglot")))
    options = omniglot.complete({"n_way": 7})
    assert (omniglot.shape(options), omniglot.width(options)) == ((1, 28, 28), 7)
    assert omniglot.classes(options) == 7 and omniglot.metric(options).name == "accuracy"
    linear: Any = record_of(described(TASKS.get("linear")))
    assert linear.shape(linear.complete({"features": 3})) == (3,)
    maml: Any = record_of(described(ALGORITHMS.get("maml")))
    assert [maml.unrolled({"order": order}) for order in ("second", "first")] == [True, False]
    passes = {
        name: again.support_passes({"inner_steps": 2} if again.has_inner_loop else {})
        for name in ("maml", "proto_maml", "protonet")
        if isinstance(again := record_of(described(ALGORITHMS.get(name))), Algorithm)
    }
    assert passes == {"maml": 2, "proto_maml": 3, "protonet": 1}


def test_whether_it_meta_learns_and_asks_for_numbered_classes_is_described() -> None:
    pretrain, scratch, maml = (
        record_of(described(ALGORITHMS.get(name))) for name in ("pretrain", "scratch", "maml")
    )
    assert isinstance(pretrain, Algorithm) and isinstance(scratch, Algorithm)
    assert pretrain.numbered_classes and not pretrain.meta_learns
    assert scratch.outer_rate is None and not scratch.numbered_classes
    assert isinstance(maml, Algorithm) and maml.meta_learns
    omniglot = record_of(described(TASKS.get("omniglot")))
    assert isinstance(omniglot, TaskKind) and omniglot.numbered_classes


def test_options_of_a_module_are_checked_without_it() -> None:
    net: Any = record_of(described(NET))
    assert net.complete({"name": "x"}) == {"hidden": 8, "name": "x"}
    for chosen, words in (
        ({"name": "x", "hiden": 1}, "has no option 'hiden', did you mean hidden"),
        ({}, "needs model.options.name"),
        ({"name": 3}, "model.options.name must be text, got 3"),
        ({"name": "x", "hidden": 1.5}, "model.options.hidden must be a whole number, got 1.5"),
        ({"name": "x", "hidden": True}, "model.options.hidden must be a whole number, got True"),
        ({"name": float("nan")}, "must be plain data"),
    ):
        with pytest.raises(InvalidModel, match=words):
            net.complete(chosen)


def test_what_would_run_code_says_that_it_is_only_described() -> None:
    calls = [
        record_of(described(PARABOLA)).make,  # type: ignore[union-attr]
        record_of(described(QUADRATIC)).make,  # type: ignore[union-attr]
        record_of(described(NET)).source,  # type: ignore[union-attr]
        *(getattr(record_of(described(PULLED)), name) for name in ("draw", "meta_gradient")),
    ]
    for call in calls:
        with pytest.raises(InvalidPlugin, match="of toys 1.0 is only described here"):
            call(1, x=2)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (replace(PARABOLA, input_shape=lambda o: (1,)), "input_shape of tasks parabola is a func"),
        (replace(PARABOLA, outputs=lambda o: 1), 'give a number or .* as "n_way"'),
        (replace(PARABOLA, classifies=lambda o: False), "classifies of tasks parabola is a func"),
        (replace(PULLED, unrolls=lambda o: True), "unrolls of algorithm pulled is a function"),
        (replace(PULLED, params=(*PULLED.params, MetaParam("x", "int", -1, "", "", ""))), "x must"),
        (replace(PARABOLA, name="a b"), "a kind's name must have up to 64 letters.* got 'a b'"),
        (replace(PARABOLA, options=(*SHOTS, SHOTS[0])), "has two of the name k_shot"),
        (replace(PULLED, params=(*PULLED.params, PULLED.params[0])), "two of the name inner_lr"),
        (with_param(kind="number"), "x of algorithm pulled must be an int, a float or a choice"),
        (with_param(low=3.0), "must have minimum <= low < high <= maximum, got 0, 3, 2, inf"),
        (with_param(log=True), "x of algorithm pulled is logarithmic: low must be above 0"),
        (replace(PARABOLA, doc=object()), "the record 'parabola' is none: "),
        (replace(PARABOLA, doc="\0"), "a text of 'parabola' cannot be printed"),
        (replace(PARABOLA, doc="x" * 3000), "is longer than 2000"),
        (replace(QUADRATIC, options=(Option("a b", "int", 1),)), "must be called by a word"),
        (replace(QUADRATIC, options=(Option("facts", "record", None),)), "its own code checks"),
        (3, "a plug-in must be a TaskKind, a ModelKind, an Algorithm or a class of"),
    ],
)
def test_what_cannot_be_described_is_refused_with_the_reason(kind: Any, words: str) -> None:
    with pytest.raises(InvalidPlugin, match=words):
        describe(kind)


@pytest.mark.parametrize("shape", [(0,), ("steepest",), ("axis",), ("nothing",), (1.5,), 3, [1]])
def test_shapes_must_be_lengths(shape: Any) -> None:
    with pytest.raises(MetaoptError, match="of tasks parabola must be"):
        replace(PARABOLA, input_shape=shape)


def test_an_algorithm_unrolls_by_structural_parameters() -> None:
    always = replace(PULLED, unrolls={})
    assert always.unrolled({}) and not PULLED.unrolled({})
    with pytest.raises(MetaoptError, match="pulled has no structural parameter 'inner_lr'"):
        replace(PULLED, unrolls={"inner_lr": (1.0,)})


def test_learning_puts_a_record_in_the_place_of_an_earlier_one() -> None:
    first = described(PARABOLA)
    try:
        learn(first)
        newer = replace(first, version="2.0", digest="d2")
        again = learn(newer)
        assert TASKS.get("parabola") is again
        origin = TASKS.origin("parabola")
        assert origin is not None and (origin.version, origin.digest) == ("2.0", "d2")
        assert not origin.imported
    finally:
        TASKS.forget("parabola")
    assert TASKS.origin("parabola") is None and "parabola" not in TASKS.names()
    with pytest.raises(MetaoptError, match="one of metaopt's own"):
        learn(described(TASKS.get("sinusoid")))


def test_what_cannot_be_used_cannot_be_learnt() -> None:
    refused = Described("tasks", "x", "toys", "1.0", "", None, "toys is not allowed")
    with pytest.raises(InvalidPlugin, match="toys is not allowed"):
        learn(refused)
    newer = described(PARABOLA)
    newer.record["colour"] = "red"  # type: ignore[index]
    with pytest.raises(InvalidPlugin, match="described by another version of metaopt"):
        learn(newer)


def test_descriptions_need_no_torch() -> None:
    program = "import sys, metaopt.plugins.description; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_family_has_its_registry() -> None:
    kinds = {"tasks": TaskKind, "algorithms": Algorithm}
    for family, kind in kinds.items():
        assert all(isinstance(one, kind) for one in FAMILIES[family].kinds())  # type: ignore[index]
