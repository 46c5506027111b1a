"""The files of examples/ci as data: what each of them runs, in which environment."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parents[2] / "examples" / "ci"
NIGHTLY = FOLDER / ".github" / "workflows" / "tune-nightly.yml"
ON_PR = FOLDER / ".github" / "workflows" / "tune-on-pr.yml"
GITLAB = FOLDER / ".gitlab-ci.yml"
CRONTAB = FOLDER / "crontab"
SERVICE = FOLDER / "metaopt-tune.service"
TIMER = FOLDER / "metaopt-tune.timer"


class Script(NamedTuple):
    """What a shell is given, and the variables that its file sets."""

    text: str
    environment: Mapping[str, str] = {}

    def with_text(self, old: str, new: str) -> "Script":
        """Return it with another text in one place."""
        assert self.text.count(old) == 1, f"{old} is not there once: {self.text}"
        return self._replace(text=self.text.replace(old, new))


def workflow(path: Path) -> dict[Any, Any]:
    """Return a workflow; PyYAML reads its key `on` as True."""
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return document


def job(path: Path) -> dict[str, Any]:
    """Return the only job of a workflow."""
    (only,) = workflow(path)["jobs"].values()
    found: dict[str, Any] = only
    return found


def step(path: Path, name: str) -> Script:
    """Return the step of this name of a workflow."""
    (found,) = [one for one in job(path)["steps"] if one.get("name") == name]
    return Script(found["run"], {**workflow(path).get("env", {}), **found.get("env", {})})


def gitlab(part: str) -> Script:
    """Return a part of the GitLab job: before_script, script or after_script."""
    return Script("\n".join(yaml.safe_load(GITLAB.read_text())["tune"][part]))


def cron_line() -> tuple[str, Script]:
    """Return when the only job of the crontab runs, and what; `\\%` is how cron writes `%`."""
    lines = [line for line in CRONTAB.read_text().splitlines() if line and line[0] != "#"]
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    (only,) = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    *when, command = only.split(maxsplit=5)
    assert not re.search(r"(?<!\\)%", command), "an unescaped % is a new line for cron"
    return " ".join(when), Script(command.replace(r"\%", "%"), variables)


def unit(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the sections of a systemd unit; a key may come several times."""
    sections: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            name = heading[1]
            sections[name] = []
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals and key.isalpha(), line
            sections[name].append((key, value))
    return sections


def unit_script() -> Script:
    """Return what the service's shell is given, after systemd has read `%%` and `$$`."""
    settings = unit(SERVICE)["Service"]
    (start,) = [value for key, value in settings if key == "ExecStart"]
    shell, option, text = shlex.split(start)
    assert (shell, option) == ("/bin/sh", "-c")
    assert not re.search(r"\$", text.replace("$$", "")), "systemd would expand it"
    variables = dict(value.split("=", 1) for key, value in settings if key == "Environment")
    return Script(text.replace("$$", "$").replace("%%", "%"), variables)


def scripts() -> dict[str, Script]:
    """Return every script in the folder, by what it is called."""
    found = {"crontab": cron_line()[1], "systemd": unit_script()}
    for path in (NIGHTLY, ON_PR):
        names = [one["name"] for one in job(path)["steps"] if "run" in one]
        found |= {f"{path.stem}: {name}": step(path, name) for name in names}
    for part in ("before_script", "script", "after_script"):
        found[f"gitlab: {part}"] = gitlab(part)
    return found


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of metaopt in a script."""
    for line in text.replace("\\\n", " ").splitlines():
        for words in _simple_commands(line):
            program, *arguments = words[1:] if words[0] == "exec" else words
            if Path(program).name == "metaopt":
                yield arguments


def _simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the words between the operators of a line of shell."""
    operators = "|&;<>()"
    words = shlex.shlex(line, posix=True, punctuation_chars=operators)
    words.whitespace_split = True
    found: list[str] = []
    for word in words:
        if not set(word) <= set(operators):
            found.append(word)
        elif found:
            yield found
            found = []
    if found:
        yield found
