"""What is loaded for a command: its line for help, and nothing heavy for whoever asks a server."""

import json
import subprocess
import sys

import pytest

from service.cli.catalogue import COMMANDS
from service.cli.main import command_line
from service.settings import Settings
from service.variables import OF_SETTINGS
from tests.fakes.installations import HEAVY

CLIENT_MODULES = """
from pkgutil import walk_packages
import service.client, service.wire
for package in (service.wire, service.client):
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        if module.name != "service.client.winner":  # which uses the model itself
            import_module(module.name)
"""

CLIENT_COMMANDS = [name for name, command in COMMANDS.items() if not command.works_here]


def loaded_after(programs: dict[str, str]) -> dict[str, list[str]]:
    """Return which modules are there after each of some programs, run in turn in one process."""
    program = (
        "import json, sys\nfrom importlib import import_module\nloaded = {}\n"
        f"for name, program in {programs!r}.items():\n"
        "    exec(program)\n"
        "    loaded[name] = sorted(sys.modules)\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, list[str]] = json.loads(done.stdout)
    return loaded


def heavy(modules: list[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules} & set(HEAVY)


def test_help_and_a_name_that_is_none_load_no_command() -> None:
    quietly = "from contextlib import redirect_stdout as to\nwith to(sys.stderr): code = run({!r})"
    program = f"from service.cli.main import run\n{quietly}\nassert code == {{}}"
    asked = {"help": program.format(["--help"], 0), "none": program.format(["dance"], 2)}
    loaded = loaded_after(asked)
    ours = ("service.cli.commands.", "service.client.", "service.wire.views")
    for modules in loaded.values():
        assert "service.cli.catalogue" in modules
        assert [name for name in modules if name.startswith(ours)] == []
    assert "pydantic" not in loaded["help"] and "rich" not in loaded["help"]


def test_who_asks_a_server_loads_nothing_that_a_server_needs() -> None:
    load = "from service.cli.catalogue import COMMANDS; COMMANDS[{!r}].whole"
    programs = {"wire and client": CLIENT_MODULES}
    programs |= {name: load.format(name) for name in CLIENT_COMMANDS}
    loaded = loaded_after(programs)
    assert {name: heavy(modules) for name, modules in loaded.items()} == {
        name: set() for name in programs
    }
    assert len(CLIENT_COMMANDS) > 20 and "service.cli.commands.studies" in loaded["webhooks"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_line_of_the_list_is_the_first_of_the_command_s_help(name: str) -> None:
    listed = COMMANDS[name]
    assert listed.help == listed.whole.help.splitlines()[0]
    assert listed.whole.name == name == listed.name


def test_the_list_is_all_that_the_command_line_has() -> None:
    assert list(command_line().commands.items()) == list(COMMANDS.items())


def test_names_of_settings_stand_as_they_are_read() -> None:
    assert list(OF_SETTINGS) == [f"METAOPT_{name.upper()}" for name in Settings.model_fields]
