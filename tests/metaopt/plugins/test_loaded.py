"""Programs and winners of plug-ins: named by their code, and used with it alone."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidPlugin
from metaopt.models.registry import MODULES
from metaopt.plugins.load import load_plugins
from metaopt.population.population import Population
from metaopt.population.signature import Signature, signature_of
from metaopt.registry import Origin
from metaopt.tasks.registry import TASKS
from metaopt.winner import read_winner
from tests.fakes.plugins import ALGORITHM, install, install_toys
from tests.fakes.toys import PULLED

NET = {"kind": "module", "ref": "metaopt_toys.nets:Net", "options": {"hidden": 3}}


def signature(model: Any = NET) -> Signature:
    return signature_of(
        tasks={"kind": "parabola", "k_shot": 3, "q_query": 3, "steepest": 2.0, "features": 1},
        model=model,
        algorithm="pulled",
        params={},
    )


def population() -> Population:
    found = Population(signature())
    found.admit("a", {"pull": 0.1}, seed=1, horizon=5)
    found.advance(5)
    return found


def test_a_program_is_named_by_the_code_of_a_plugin(tmp_path: Path) -> None:
    sinusoid = {"kind": "sinusoid", "k_shot": 3, "q_query": 3}
    same, twice = replace(PULLED), replace(PULLED, meta_gradient=_twice)
    paths = []
    try:
        for kind, digest in ((PULLED, "1"), (same, "1"), (PULLED, "2"), (twice, "1")):
            ALGORITHMS.learn(kind, Origin("toys", "1.0", digest, imported=True))
            made = signature_of(
                tasks=sinusoid, model={"kind": "linear"}, algorithm="pulled", params={}
            )
            paths.append(Population(made, program_lanes=2).program_path(tmp_path))
    finally:
        ALGORITHMS.forget("pulled")
    assert paths[0] == paths[1] and len({*paths}) == 3


def _twice(*given: Any, **named: Any) -> Any:
    result = PULLED.meta_gradient(*given, **named)
    return result._replace(gradient=2 * result.gradient)


def test_a_checkpoint_goes_on(site: Path, tmp_path: Path) -> None:
    install_toys(site)
    load_plugins("metaopt-toys")
    begun, whole = (Population(signature()) for _ in range(2))
    for found in (begun, whole):
        found.admit("a", {"pull": 0.1}, seed=1, horizon=5)
    begun.advance(2)
    path = tmp_path / "a.safetensors"
    digest = begun.checkpoint("a", path)
    again = Population(signature())
    again.admit("a", {"pull": 0.1}, seed=1, horizon=5, checkpoint=path, digest=digest)
    again.advance(3)
    whole.advance(5)
    assert torch.equal(again.trained().phi, whole.trained().phi)


def test_a_winner_says_which_plugins_it_needs(site: Path, tmp_path: Path) -> None:
    install_toys(site)
    load_plugins("metaopt-toys==1.0")
    path = tmp_path / "winner.safetensors"
    found = population()
    found.write_model("a", path, transductive=True)
    winner = read_winner(path)
    assert [(one["family"], one["package"], one["version"]) for one in winner.card.plugins] == [
        (family, "metaopt-toys", "1.0") for family in ("tasks", "modules", "algorithms")
    ]
    from metaopt_toys.nets import Net  # type: ignore[import-not-found]

    Net((1,), 1, hidden=3).load_state_dict(winner.weights)
    TASKS.forget("parabola")
    x, y = torch.rand(4, 1), torch.rand(4, 1)
    assert read_winner(path).adapt(x, y).predict(x).shape == (4, 1)  # tasks are not needed for that
    MODULES.forget(NET["ref"])
    words = r"needs modules metaopt_toys.nets:Net .*load_plugins\('metaopt-toys==1.0'\)"
    with pytest.raises(InvalidPlugin, match=words):
        read_winner(path)


def test_a_winner_of_other_code_is_told(site: Path, tmp_path: Path) -> None:
    install_toys(site)
    load_plugins("metaopt-toys")
    path = tmp_path / "winner.safetensors"
    population().write_model("a", path, transductive=True)
    changed = site / "metaopt_toys" / "algorithms.py"
    changed.write_text(changed.read_text() + "\n")
    ALGORITHMS.forget("pulled")
    MODULES.forget(NET["ref"])
    with pytest.raises(InvalidPlugin, match="has changed since it was imported here"):
        load_plugins("metaopt-toys")
    for name in [name for name in sys.modules if name.startswith("metaopt_toys")]:
        del sys.modules[name]  # as in another process
    load_plugins("metaopt-toys")
    with pytest.warns(UserWarning, match="trained with .*, here is metaopt-toys 1.0 .sha256:"):
        read_winner(path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere", "a plug-in is an installed package, or a Python file .* got 'nowhere'"),
        ("nowhere==1.0", "nowhere: nowhere==1.0 is allowed in METAOPT_PLUGINS and not installed"),
        ("./nowhere.py", "a file to import must be a Python file"),
        ("broken", "pulled: importing broken.a fails: ZeroDivisionError"),
        ("broken==3", "broken==3 is allowed and 1.0 is installed"),
    ],
)
def test_what_cannot_be_loaded_is_an_error(site: Path, source: str, words: str) -> None:
    points = {"metaopt.algorithms": {"pulled": "broken.a:KIND"}}
    install(site, "broken", "1.0", {"broken/a.py": f"{ALGORITHM}\n1 / 0\n"}, points)
    with pytest.raises(InvalidPlugin, match=words):
        load_plugins(source)
