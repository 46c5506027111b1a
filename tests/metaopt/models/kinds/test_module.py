"""`model: {kind: module, ref: …}`: a declared class as a model, checked without it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metaopt.errors import InvalidModel, InvalidPlugin
from metaopt.models.constructor import constructor_of
from metaopt.models.lift import lift
from metaopt.models.module_kind import module_kind
from metaopt.models.registry import MODELS, MODULES
from metaopt.plugins.description import describe, learn
from metaopt.plugins.load import load_plugins
from metaopt.population.train import train
from service.wire.spec.refusals import parse_spec
from tests.fakes.plugins import importable, install, install_toys

REF = "metaopt_toys.nets:Net"
SINUSOID = {"kind": "sinusoid", "k_shot": 3, "q_query": 3}
KIND = MODELS.get("module")


@pytest.fixture(autouse=True)
def site(tmp_path: Path) -> Iterator[Path]:
    with importable(tmp_path):
        yield tmp_path


def trained(model: Any, **more: Any) -> Tensor:
    return train("maml", tasks=SINUSOID, model=model, meta_iterations=3, **more).phi


def test_a_declared_class_trains_as_the_class_does_in_a_notebook(site: Path) -> None:
    install_toys(site)
    load_plugins("metaopt-toys")
    from metaopt_toys.nets import Net  # type: ignore[import-not-found]

    assert torch.equal(trained({"kind": "module", "ref": REF}), trained(Net))
    head = trained({"kind": "module", "ref": REF, "adapt": "head"})
    assert torch.equal(head, trained(lift(Net, adapt="head")))
    assert not torch.equal(head, trained(Net))


def test_options_are_those_of_the_constructor(site: Path) -> None:
    install_toys(site)
    load_plugins("metaopt-toys==1.0")
    spec = {"kind": "module", "ref": REF, "options": {"hidden": 3}}
    assert KIND.complete(spec)["options"] == {"hidden": 3, "activation": "tanh"}
    assert trained(spec).shape == (1, 3 + 3 + 3 + 1)
    wrong = {**spec, "options": {"activation": "tahn"}}
    with pytest.raises(InvalidModel, match="Net cannot compute inputs|cannot be made .*tahn"):
        trained(wrong)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"ref": "os:system"}, f"model.ref must be one of {REF}, got 'os:system'.  A package"),
        (
            {"ref": "metaopt_toys.nets:net"},
            f"did you mean {REF}\\?  .*by an entry point of metaopt.m",
        ),
        ({"ref": "os.system"}, "model.ref must be as package.module:Net, got 'os.system'"),
        ({"ref": REF, "options": {"hiden": 3}}, "has no option 'hiden', did you mean hidden"),
        ({"ref": REF, "options": {"hidden": "x"}}, "model.options.hidden must be a whole number"),
        ({"ref": REF, "options": [3]}, "model.options must be a mapping of options"),
        ({"ref": REF, "option": {}}, "model module has no option 'option', did you mean options"),
    ],
)
def test_what_is_not_declared_is_refused_with_the_way_out(
    site: Path, model: dict[str, Any], words: str
) -> None:
    install_toys(site)
    load_plugins("metaopt-toys")
    with pytest.raises(InvalidModel, match=words):
        KIND.complete(model)


def test_without_any_declared_class_it_says_so() -> None:
    with pytest.raises(InvalidModel, match="must be that of a declared class; there is none, got"):
        KIND.complete({"ref": REF})


def test_a_spec_is_checked_by_a_description_alone(site: Path) -> None:
    install_toys(site)
    (described,) = [one for one in load_plugins("metaopt-toys") if one.family == "modules"]
    MODULES.forget(REF)
    learn(described)
    spec = parse_spec(
        {
            "name": "own",
            "tasks": SINUSOID,
            "model": {"kind": "module", "ref": REF, "options": {"hidden": 5}},
            "branches": [{"algorithm": "maml"}],
        }
    )
    stored = spec.model_dump(mode="json")
    assert stored["model"]["options"] == {"hidden": 5, "activation": "tanh"}
    assert parse_spec(stored) == spec
    with pytest.raises(InvalidPlugin, match="is only described here"):
        trained({"kind": "module", "ref": REF})


def test_a_proof_is_done_once(site: Path) -> None:
    text = (
        "import torch\nfrom torch import nn\n\nMADE = []\n\n\nclass Net(nn.Linear):\n"
        "    def __init__(self):\n        MADE.append(1)\n        super().__init__(1, 1)\n"
    )
    install(
        site,
        "counting",
        "1.0",
        {"counting/nets.py": text},
        {"metaopt.models": {"n": "counting.nets:Net"}},
    )
    load_plugins("counting")
    from counting.nets import MADE  # type: ignore[import-not-found]

    model = {"kind": "module", "ref": "counting.nets:Net"}
    trained(model)
    once = len(MADE)
    trained(model)
    assert len(MADE) - once < once / 2  # weights alone are drawn anew


class ByName(nn.Module):
    def __init__(self, hidden: int, outputs: int, *, input_shape: Any, rate: float = 1) -> None:
        super().__init__()


class InPlace(nn.Module):
    def __init__(
        self, shape: Any, classes: int, depth: int | None = None, act: Any = nn.ReLU
    ) -> None:
        super().__init__()


class Half(nn.Module):
    def __init__(self, outputs: int = 3, widths: tuple[int, ...] = (3, 4)) -> None:
        super().__init__()


class Swapped(nn.Module):
    def __init__(self, outputs: int, hidden: int) -> None:
        super().__init__()


class Anything(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("made", "shapes", "options"),
    [
        (ByName, ("input_shape", "outputs"), {"hidden": "int", "rate": "float"}),
        (InPlace, "in place", {"depth": "any", "act": "code"}),
        (Half, ("outputs",), {"widths": "list"}),
        (Swapped, ("outputs",), {"hidden": "int"}),
        (Anything, (), {}),
        (nn.Linear, "in place", {"bias": "bool", "device": "any", "dtype": "any"}),
    ],
)
def test_the_signature_says_where_shapes_go_and_which_options_there_are(
    made: Any, shapes: Any, options: dict[str, str]
) -> None:
    constructor = constructor_of(made)
    assert ("in place" if constructor.in_place else constructor.by_name) == shapes
    kind = module_kind("x:Y", made)
    assert {option.name: option.type for option in kind.options} == options
    assert kind.takes_any == (made is Anything)
    assert describe(kind)["name"] == "x:Y"


def test_a_module_of_any_options_takes_plain_data_alone() -> None:
    kind = module_kind("x:Any", Anything)
    assert kind.complete({"a": (1, 2), "b": torch.tensor(2)}) == {"a": [1, 2], "b": 2}
    with pytest.raises(InvalidModel, match="must be plain data, got"):
        kind.complete({"a": nn.ReLU})


def test_what_code_makes_cannot_be_chosen() -> None:
    kind = module_kind("x:InPlace", InPlace)
    assert kind.complete({}) == {"depth": None}
    assert kind.complete({"depth": 3}) == {"depth": 3}
    with pytest.raises(InvalidModel, match="act is made by code and cannot be chosen by a spec"):
        kind.complete({"act": "relu"})
