"""Write the pages of docs/ that are made from the code: `python docs/generate.py` (`make fmt`).

    cli.md  settings.md  algorithms.md  meta-parameters.md  presets.md  errors.md  events.md
    study-document.schema.json

A test fails while a page differs from what this program would write.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import service.errors
from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.metaparams import MetaParam
from metaopt.presets import PRESETS
from service.api.problems import KINDS
from service.cli.catalogue import COMMANDS
from service.events import EVENTS
from service.settings import Settings
from service.wire.schemas import titled_by_name, without_titles
from service.wire.views.document import StudyDocument

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py: change the code, then run `make fmt`. -->"

CLI = f"""\
# Command line
{MADE}

Data goes to stdout, everything else to stderr: progress is a live panel on a terminal and a line
for each event elsewhere. The server is found by `METAOPT_URL` (default `http://127.0.0.1:8000`),
the key by `METAOPT_API_KEY` or in the file that `METAOPT_API_KEY_FILE` names.

A `STUDY_ID` is a study's id, or `last` for the newest study, or the study's name, or four or more
of the first digits of its id; where two of these fit, the one that stands first here counts. What
several studies could mean is refused with their ids and times. The API takes the same: `GET
/api/v1/studies/last`, `POST /api/v1/studies/3f2a:cancel`, and `GET /api/v1/studies:find?ref=NAME`
where a name has a slash in it; so does the Python client, in the place of an id.

`--json F` writes what a command says as JSON, `-` to stdout and nothing else there. A listing is
an array of the API's objects; one thing is the API's object; whatever is about one study, from
`submit` to `extend`, is a [study document](study-document.schema.json), with trials and result
where the command knows them. Times are in UTC, as `2026-11-30T01:30:00Z`; for people they name
their zone.

`-h` is `--help`. With `--install-completion`, once, bash, zsh or fish complete commands, options,
files and studies (ids, names and `last`, if the server of `METAOPT_URL` answers at once);
`--show-completion` prints the script.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | gate failed or undecided ([gates.md](gates.md)); `replay` found that a suggestion differs |
| 2 | usage or spec error; also what `doctor` finds broken on this machine |
| 3 | the study failed or was cancelled |
| 4 | the wait timed out or the verdict is not there yet; the study goes on |
| 5 | the server or the database cannot be reached, or refuses |
| 130 | interrupted (Ctrl-C, SIGTERM); the study goes on, unless `--cancel-on-interrupt` |
| 70 | a bug of metaopt, with a traceback |
| 74 | this machine: a full disk, a closed stdout, too many open files; the message says which |

Where a command is given a file to write, the file is there whole or not at all: a new one takes the
place of an old one at the end, with its owner and permissions. A link is followed and stays a link;
a pipe or a device is written as it comes; `/dev/stdout` is what `-` is. What stdout has no
characters for is escaped, in JSON as JSON does it; files are always in UTF-8. A reader that closes
the pipe is no error."""

SETTINGS = f"""\
# Settings
{MADE}

Environment variables, read when a command starts. `serve` and `api` take some of them as flags
too ([cli.md](cli.md)). One that is empty, or holds spaces alone, is as one that is not set, for
compose files and CI systems pass on so what they have not got; an option that is given an empty
text is as one that is not given. A relative path is relative to where the command starts, and
nothing in it has a special meaning: `%`, `?`, `#` and `~` are characters.

| variable | default | meaning |
|---|---|---|"""

CLIENT_SETTINGS = """
The client and the commands that talk to a server read three more:

| variable | default | meaning |
|---|---|---|
| `METAOPT_URL` | `http://127.0.0.1:8000` | Where the server is. |
| `METAOPT_API_KEY` | | Key to send, if the server needs one. |
| `METAOPT_API_KEY_FILE` | | File that holds the key, where the variable does not. |
| `METAOPT_PROJECT` | | Project to be at work in; without it the first that the key is for. |"""

ALGORITHM_PAGE = f"""\
# Algorithms
{MADE}

What a branch's `algorithm` can be. φ is what is meta-learned, θ what a task has of it, f the
study's model, T the tasks of a meta-batch, K the inner steps; losses are means over all examples
([meta-learning.md](meta-learning.md)). The names in **bold** are searched by a branch without
`space`; [meta-parameters.md](meta-parameters.md) has all of them. Tasks ask for classes, for
numbers, or for actions of a policy ([meta-learning.md](meta-learning.md#tasks-that-are-acted-in)).
Each meta-gradient is held to an explicit loop over lanes and tasks in float64
(`tests/metaopt/algorithms/`). Your own: [own-algorithm.md](own-algorithm.md).

| algorithm | tasks of | inner loop | searched |
|---|---|---|---|"""

META_PARAMETERS = f"""\
# Meta-hyperparameters
{MADE}

What a branch's `space` can name. `"default"` searches the default range; a parameter that is not
named is fixed at its default. A branch without `space` searches the ranges in **bold**
([search.md](search.md#spaces)). Trials that differ in *lane* parameters only train as lanes of one
program; a *structural* one makes a program for each of its values. Losses are means over all
examples: [meta-learning.md](meta-learning.md) says how rates of papers translate."""

MEASURED = DOCS.parent / "benchmarks" / "results" / "presets.json"

PRESET_PAGE = f"""\
# Presets
{MADE}

Published recipes that a study can [begin with](warm-start.md). Inner rates are translated to
losses that are means over all examples ([meta-learning.md](meta-learning.md)); what a source does
not mention has its default ([meta-parameters.md](meta-parameters.md)). `paper:` is the paper's own
experiment, `code:` another example. Beside the published figure is one measured here by `python -m
benchmarks.presets`, mostly with a smaller network and far fewer meta-iterations, as two cores can
([figures](../benchmarks/results/presets.json)): it says that the recipe trains, and no more. What
was not read at its source is marked **not read**."""

ERRORS = f"""\
# Errors
{MADE}

Every error of the API is a problem (RFC 9457, `application/problem+json`). `type` is
`urn:metaopt:problem:CODE`; `code` and `type` are stable, the sentences are not. `detail` says what
happened and what to do, `errors` lists each field that breaks a rule, with the rule.

| code | status | title | meaning |
|---|---|---|---|"""


EVENT_PAGE = f"""\
# Events
{MADE}

What `GET /studies/ID/events` streams, in order. Webhooks, and `--events` of the command line, can
be told of those with a yes ([webhooks.md](webhooks.md)).

| event | when | data | webhooks |
|---|---|---|---|"""


def pages() -> dict[str, Callable[[], str]]:
    """Return what writes each page."""
    return {
        "cli.md": cli_page,
        "settings.md": settings_page,
        "algorithms.md": algorithms_page,
        "meta-parameters.md": meta_parameters_page,
        "presets.md": presets_page,
        "errors.md": errors_page,
        "events.md": events_page,
        "study-document.schema.json": document_schema,
    }


def document_schema() -> str:
    """Return the JSON Schema of what `--json` writes."""
    schema = without_titles(StudyDocument.model_json_schema(mode="serialization"))
    named = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": StudyDocument.__name__,
        **schema,
        "$defs": titled_by_name(schema["$defs"]),
    }
    return json.dumps(named, indent=2) + "\n"


def cli_page() -> str:
    """Return the page of commands."""
    lines = [CLI]
    for path, command in commands():
        lines += ["", f"## `{path}`", "", *_command(path, command)]
    return _text(lines)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its path, depth first."""
    listed = [(f"metaopt {name}", command.whole) for name, command in COMMANDS.items()]
    stack: list[tuple[str, Any]] = listed[::-1]
    while stack:
        path, command = stack.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path, command
        else:
            stack.extend((f"{path} {name}", inner[name]) for name in reversed(inner))


def settings_page() -> str:
    """Return the page of settings."""
    lines = [SETTINGS]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `METAOPT_{name.upper()}` | {default} | {field.description} |")
    lines.append(CLIENT_SETTINGS)
    return _text(lines)


def algorithms_page() -> str:
    """Return the page of algorithms."""
    kinds = ALGORITHMS.kinds()
    lines = [ALGORITHM_PAGE, *map(_algorithm_row, kinds)]
    for algorithm in kinds:
        lines += ["", *_algorithm(algorithm)]
    return _text(lines)


def _algorithm_row(algorithm: Algorithm) -> str:
    cells = (
        f"[`{algorithm.name}`](#{algorithm.name})",
        ", ".join(algorithm.targets),
        "yes" if algorithm.has_inner_loop else "",
        ", ".join(f"**{param.name}**" for param in algorithm.params if param.searched),
    )
    return f"| {' | '.join(cells)} |"


def _algorithm(algorithm: Algorithm) -> Iterator[str]:
    about = algorithm.about
    assert about is not None, f"{algorithm.name} says nothing of itself"
    yield from (f"## {algorithm.name}", "", algorithm.doc, "")
    yield from (f"    {line}" for line in about.rule.splitlines())
    yield from ("", f"- Source: {about.source}.", f"- Cost: {about.cost}", f"- When: {about.when}")
    recipes = [preset for preset in PRESETS.values() if preset.algorithm == algorithm.name]
    measured = json.loads(MEASURED.read_text())
    for preset in recipes:
        link = f"[`{preset.name}`](presets.md#{preset.name.replace(':', '')})"
        yield f"- Published, {link}: {preset.experiment}."
        yield f"- {_measured(measured.get(preset.name))}"


def meta_parameters_page() -> str:
    """Return the page of meta-hyperparameters."""
    lines = [META_PARAMETERS]
    for algorithm in ALGORITHMS.kinds():
        lines += [
            "",
            f"## {algorithm.name}",
            "",
            "| name | default | default range | allowed | unit | kind | meaning | source |",
            "|---|---|---|---|---|---|---|---|",
            *(_meta_parameter(parameter) for parameter in algorithm.params),
        ]
    return _text(lines)


def presets_page() -> str:
    """Return the page of published recipes."""
    lines, measured = [PRESET_PAGE], json.loads(MEASURED.read_text())
    for preset in PRESETS.values():
        lines += ["", f"## {preset.name}", "", f"{preset.algorithm}. Published: "]
        lines[-1] += f"{preset.experiment}."
        if preset.unread:
            lines[-1] += f" **Not read:** {preset.unread}."
        lines += ["", _measured(measured.get(preset.name)), ""]
        lines += ["| name | value | source |", "|---|---|---|"]
        lines += [f"| `{n}` | {one.value} | {one.source} |" for n, one in preset.values.items()]
    return _text(lines)


def _measured(row: dict[str, Any] | None) -> str:
    """Return a row of `benchmarks.presets` as a sentence."""
    if row is None:
        return "Measured here: not yet."
    diverged = f", {row['diverged']} of which diverged" if row["diverged"] else ""
    return (
        f"Measured here: {row['said']}, {row['meta_iterations']:,} of {row['of']:,} "
        f"meta-iterations, {row['model']}, {row['seeds']} seeds{diverged}; {row['tasks']}; "
        f"{row['device']}."
    )


def errors_page() -> str:
    """Return the page of problem codes."""
    meanings = {
        error.code: (error.__doc__ or "").strip().splitlines()[0]
        for error in vars(service.errors).values()
        if isinstance(error, type)
        and issubclass(error, service.errors.ServiceError)
        and error is not service.errors.ServiceError
    }
    lines = [ERRORS]
    for code, kind in KINDS.items():
        meaning = meanings.get(code, f"{kind.title}.")
        lines.append(f"| `{code}` | {kind.status} | {kind.title} | {meaning} |")
    local = sorted(set(meanings) - set(KINDS))
    lines += ["", "Said by the command line alone, never by the API:", ""]
    lines += [f"- `{code}`: {meanings[code]}" for code in local]
    return _text(lines)


def events_page() -> str:
    """Return the page of events."""
    lines = [EVENT_PAGE]
    for kind in EVENTS:
        data = ", ".join(f"`{name}`" for name in kind.data)
        told = "yes" if kind.notifies else ""
        lines.append(f"| `{kind.name}` | {kind.doc} | {data} | {told} |")
    return _text(lines)


def _command(path: str, command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    words = [_argument_name(one) for one in arguments]
    yield f"    {' '.join([path, *(['[OPTIONS]'] if options else []), *words])}"
    yield ""
    yield (command.help or "").strip()
    if arguments or options:
        yield ""
    for argument in arguments:
        yield f"- `{_argument_name(argument)}`: {argument.help}{_default(argument)}"
    for option in options:
        value = "" if option.is_flag else f" {option.metavar}"
        yield f"- `{', '.join(option.opts)}{value}`: {option.help}{_default(option)}"


def _argument_name(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _default(parameter: Any) -> str:
    has_one = parameter.default not in (None, False) and not parameter.required
    return f" Default: {parameter.default}." if has_one else ""


def _meta_parameter(parameter: MetaParam) -> str:
    if parameter.kind == "choice":
        searched = allowed = ", ".join(parameter.choices)
    else:
        searched = f"{parameter.low:g} to {parameter.high:g}{', log' if parameter.log else ''}"
        allowed = f"{parameter.minimum:g} to {parameter.maximum:g}"
    searched = f"**{searched}**" if parameter.searched else searched
    cells = (
        f"`{parameter.name}`",
        str(parameter.default),
        searched,
        allowed,
        parameter.unit,
        "lane" if parameter.lane else "structural",
        parameter.doc,
        parameter.source,
    )
    return f"| {' | '.join(cells)} |"


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name, write in pages().items():
        (DOCS / name).write_text(write(), encoding="utf-8")
