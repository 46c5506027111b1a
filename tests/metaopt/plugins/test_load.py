"""Somebody's code, imported: what it brings is for use, and what it breaks is its own affair."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidPlugin
from metaopt.models.registry import MODULES
from metaopt.plugins.allowed import parse_allowed
from metaopt.plugins.described import Described, Needed
from metaopt.plugins.description import FAMILIES
from metaopt.plugins.load import describe_all, load, provide, provide_again, provided
from metaopt.plugins.sources import Sources
from metaopt.population.train import train
from metaopt.tasks.registry import TASKS
from tests.fakes.plugins import ALGORITHM, MODULE, install, install_toys
from tests.fakes.plugins import TASKS as TASKS_TEXT

TOYS = Sources(parse_allowed("metaopt-toys==1.0"))
POINT = {"metaopt.tasks": {"parabola": "toys.tasks:KIND"}}


STRANGE = """
class Strange:
    def __getattribute__(self, name):
        raise ValueError("no words")


KIND = Strange()
"""


def one_of(
    site: Path, text: str, value: str = "toys.tasks:KIND", name: str = "parabola"
) -> Described:
    install(site, "toys", "1.0", {"toys/tasks.py": text}, {"metaopt.tasks": {name: value}})
    (described,) = describe_all(Sources(parse_allowed("toys==1.0")))
    return described


def as_needed(one: Described) -> Needed:
    return Needed(one.family, one.name, one.package, one.version, one.digest)


def test_a_package_is_described_and_then_used_by_name(site: Path) -> None:
    install_toys(site)
    found = describe_all(TOYS)
    assert [(one.family, one.name, one.refused) for one in found] == [
        ("algorithms", "pulled", None),
        ("modules", "metaopt_toys.nets:Net", None),
        ("tasks", "parabola", None),
    ]
    trained = train(
        "pulled",
        tasks={"kind": "parabola", "k_shot": 3, "q_query": 3},
        model={"kind": "linear"},
        meta_iterations=3,
    )
    assert bool(trained.phi.isfinite().all())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "1 / 0\n",
            r"importing toys.tasks fails: ZeroDivisionError: division by zero \(.*line 1\)",
        ),
        ("raise SystemExit(3)\n", "importing toys.tasks fails: SystemExit: 3"),
        ("def f(:\n", "importing toys.tasks fails: SyntaxError"),
        ("import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of"),
        (STRANGE, "ValueError: no words"),
        ("KIND = 3\n", "toys.tasks:KIND must be of TaskKind, got 3"),
        ("", "toys.tasks has no KIND"),
        (TASKS_TEXT.replace('"parabola"', '"other"'), "leads to 'other': they need one name"),
        (TASKS_TEXT.replace('("features",)', "lambda o: (1,)"), "input_shape of tasks parabola is"),
    ],
)
def test_a_package_that_fails_says_why(site: Path, text: str, words: str) -> None:
    described = one_of(site, text)
    assert described.record is None and described.refused is not None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(described.refused)
    assert "parabola" not in TASKS.names()


def test_a_package_that_fails_leaves_the_others_alone(site: Path) -> None:
    install_toys(site)
    install(
        site,
        "broken",
        "1.0",
        {"broken/code.py": "1/0\n"},
        {"metaopt.tasks": {"a": "broken.code:A"}},
    )
    found = describe_all(Sources(parse_allowed("metaopt-toys==1.0 broken==1.0")))
    assert [one.package for one in found if one.refused] == ["broken"]
    assert len(found) == 4


def test_a_name_that_is_taken_is_refused(site: Path) -> None:
    ours = one_of(site, TASKS_TEXT.replace('"parabola"', '"sinusoid"'), name="sinusoid")
    assert ours.refused is not None and "'sinusoid' is one of metaopt's own" in ours.refused
    install_toys(site)
    install_toys(site, "metaopt-zoo", "2.0")
    found = describe_all(Sources(parse_allowed("metaopt-toys==1.0 metaopt-zoo==2.0")))
    refused = {one.name: one.refused for one in found if one.package == "metaopt-zoo"}
    assert refused["metaopt_zoo.nets:Net"] is None
    assert refused["parabola"] == "parabola is declared by metaopt-toys already: rename it"


def test_only_what_is_needed_is_imported(site: Path) -> None:
    install_toys(site)
    (one,) = load(TOYS, ["parabola"])
    assert one.name == "parabola" and "metaopt_toys.nets:Net" not in MODULES.names()
    (net,) = load(TOYS, ["metaopt_toys.nets:Net"])
    assert net.family == "modules"


def test_what_is_not_allowed_is_not_imported(site: Path) -> None:
    install(site, "toys", "1.0", {"toys/tasks.py": "raise RuntimeError\n"}, POINT)
    (one,) = describe_all(Sources())
    assert one.refused is not None and "add toys==1.0 to METAOPT_PLUGINS" in one.refused


@pytest.fixture
def file(site: Path) -> Iterator[Path]:
    path = site / "own_things.py"
    path.write_text("\n".join((TASKS_TEXT, ALGORITHM.replace("KIND =", "PULLED ="), MODULE)))
    yield path


def test_a_file_brings_all_that_stands_in_it(file: Path) -> None:
    found = describe_all(Sources(files=(str(file),)))
    assert [(one.family, one.name, one.version, one.refused) for one in found] == [
        ("tasks", "parabola", "", None),
        ("algorithms", "pulled", "", None),
        ("modules", "own_things:Net", "", None),
    ]
    assert {one.package for one in found} == {str(file)}


def test_a_file_is_run_again_when_it_has_changed(file: Path) -> None:
    sources = Sources(files=(str(file),))
    text = "import torch\n" + file.read_text() + "\nCOUNT = torch.rand(())\n"
    file.write_text(text)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = describe_all(sources)
    after = torch.get_rng_state()
    assert not torch.equal(before, after)
    assert describe_all(sources) == first
    assert torch.equal(torch.get_rng_state(), after)
    file.write_text(text.replace('steepest", "float", 2.0', 'steepest", "float", 3.0'))
    second = describe_all(sources)
    assert second[0].digest != first[0].digest
    assert TASKS.get("parabola").complete({})["steepest"] == 3.0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("own_things.txt", "", "must be a Python file, as ./mine.py"),
        ("own-things.py", "", "must be a Python file, as ./mine.py"),
        ("json.py", "A = 1", "json.py has the name of another module, json: rename it"),
        ("own_things.py", "A = 1", "declares nothing: it has no TaskKind"),
        ("own_things.py", "exit(1)", "importing own_things.py fails: SystemExit: 1"),
        ("own_things.py", "from metaopt.tasks.kinds.sinusoid import KIND", "declares nothing"),
    ],
)
def test_a_file_that_is_none_says_why(site: Path, name: str, text: str, words: str) -> None:
    (site / name).write_text(text)
    (one,) = describe_all(Sources(files=(str(site / name),)))
    assert one.name == "" and one.refused is not None and words in one.refused
    (one,) = describe_all(Sources(files=(str(site / "nowhere.py"),)))
    assert one.refused is not None and "must be a Python file" in one.refused


def test_an_order_is_given_what_it_needs_once(site: Path) -> None:
    install_toys(site)
    needed = [as_needed(one) for one in describe_all(TOYS)]
    for one in needed:
        provide([one], TOYS)
    names = [("tasks", "parabola"), ("modules", "metaopt_toys.nets:Net")]
    told = provided(names)
    assert [one["needed"]["name"] for one in told] == ["metaopt_toys.nets:Net", "parabola"]
    for one in needed:
        FAMILIES[one.family].forget(one.name)
    assert provided(names) == []
    provide_again(json.loads(json.dumps(told)))
    assert "parabola" in TASKS.names() and "pulled" not in ALGORITHMS.names()
    provide(needed, TOYS)
    (site / "metaopt_toys" / "tasks.py").write_text("1 / 0\n")
    provide(needed, TOYS)  # what is here is not looked at again


def test_an_order_is_refused_what_is_another_or_not_here(site: Path) -> None:
    install_toys(site)
    (*_, tasks) = describe_all(TOYS)
    needed = as_needed(tasks)
    other = Needed("tasks", "parabola", "metaopt-toys", "1.0", "0" * 64)
    with pytest.raises(InvalidPlugin, match=f"needs 1.0 .sha256:{'0' * 64}., here is 1.0 .sha256:"):
        provide([other], TOYS)
    TASKS.forget("parabola")
    with pytest.raises(InvalidPlugin, match=f"sha256:{'0' * 64}.*{needed.digest}"):
        provide([other], TOYS)
    with pytest.raises(InvalidPlugin, match="add metaopt-toys==1.0 to METAOPT_PLUGINS"):
        provide([needed], Sources())
    with pytest.raises(InvalidPlugin, match="tasks x of nowhere 1 is not installed here"):
        provide([Needed("tasks", "x", "nowhere", "1", "")], TOYS)


def test_an_order_is_given_a_file_as_it_was(file: Path) -> None:
    sources = Sources(files=(str(file),))
    (tasks, *_) = describe_all(sources)
    TASKS.forget("parabola")
    provide([as_needed(tasks)], sources)
    assert "parabola" in TASKS.names()
    file.write_text(file.read_text() + "\n")
    provide([as_needed(tasks)], sources)
    TASKS.forget("parabola")
    with pytest.raises(InvalidPlugin, match="the study needs .sha256"):
        provide([as_needed(tasks)], sources)
