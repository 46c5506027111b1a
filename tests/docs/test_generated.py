"""Pages of docs/ that are made from the code say what the code says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.presets import PRESETS
from service.api.problems import KINDS
from service.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
NAMES = (
    "cli.md",
    "settings.md",
    "algorithms.md",
    "meta-parameters.md",
    "presets.md",
    "errors.md",
    "events.md",
    "study-document.schema.json",
)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_page_has_a_writer(generate: ModuleType) -> None:
    assert tuple(generate.pages()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_page_is_what_the_code_would_write(generate: ModuleType, name: str) -> None:
    assert text(name) == generate.pages()[name](), "run `make fmt`"


def test_every_command_and_flag_is_documented(generate: ModuleType) -> None:
    page = text("cli.md")
    commands = dict(generate.commands())
    assert {"metaopt serve", "metaopt submit", "metaopt db upgrade"} <= set(commands)
    for path, command in commands.items():
        section = page.split(f"## `{path}`\n")[1].split("\n## ")[0]
        for parameter in command.params:
            named = parameter.opts if parameter.param_type_name == "option" else []
            assert all(f"`{flag}" in section for flag in named), (path, parameter.name)
            assert parameter.help, (path, parameter.name)


def test_every_setting_is_documented() -> None:
    page = text("settings.md")
    for name, field in Settings.model_fields.items():
        assert f"| `METAOPT_{name.upper()}` |" in page
        assert field.description and field.description in page


def test_every_meta_parameter_is_documented() -> None:
    page = text("meta-parameters.md")
    for algorithm in ALGORITHMS.kinds():
        section = page.split(f"## {algorithm.name}\n")[1].split("\n## ")[0]
        for parameter in algorithm.params:
            assert f"| `{parameter.name}` | {parameter.default} |" in section
            assert parameter.source in section


def test_every_preset_is_documented_with_its_sources() -> None:
    page = text("presets.md")
    for preset in PRESETS.values():
        section = page.split(f"## {preset.name}\n")[1].split("\n## ")[0]
        for name, published in preset.values.items():
            assert f"| `{name}` | {published.value} | {published.source} |" in section


def test_every_problem_code_is_documented() -> None:
    page = text("errors.md")
    for code, kind in KINDS.items():
        assert f"| `{code}` | {kind.status} |" in page
