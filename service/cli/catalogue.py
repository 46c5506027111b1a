"""What commands there are: a line for each, and where the rest of it is once it is called.

Whoever asks for help, completes a name or misspells one loads none of them; a command that is
called loads what it needs itself, and not what others do.
"""

from functools import cached_property
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from service.cli.arguments import without_blank_options


class Listed(TyperCommand):
    """A command, or a family of them, as the list has it.

    Args:
        name: What it is called by.
        home: `module:attribute` in `service.cli.commands`: a function, or a family's `typer.Typer`.
        line: The first line of its help.
        works_here: Whether parts of the service run in this process, whose log is on stderr then;
            others ask a server.
    """

    def __init__(self, name: str, home: str, line: str, *, works_here: bool = False) -> None:
        super().__init__(name, help=line, rich_markup_mode=None)
        self.home = home
        self.works_here = works_here

    @cached_property
    def whole(self) -> Any:
        """The command itself."""
        module, _, attribute = self.home.partition(":")
        found = getattr(import_module(f"service.cli.commands.{module}"), attribute)
        if self.works_here:
            import_module("service.logs").log_on_stderr()
        holder = typer.Typer(rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=self.name)
        else:
            holder.command(self.name)(found)
        return typer.main.get_group(holder).commands[str(self.name)]

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """The context of a call, which is one of the command itself."""
        given = without_blank_options(self.whole, args)
        return self.whole.make_context(info_name, given, parent, **extra)


COMMANDS = {
    str(command.name): command
    for command in (
        Listed("serve", "server:serve",
               "Start the whole service: API, dashboard, dispatcher and workers.",
               works_here=True),
        Listed("api", "server:api",
               "Start the API and dashboard alone, on a database with tables; the dispatcher is "
               "elsewhere.", works_here=True),
        Listed("dispatcher", "server:dispatcher",
               "Start the dispatcher and its workers alone; the API runs elsewhere.",
               works_here=True),
        Listed("submit", "submit:submit",
               "Submit a study; print its id, or with --wait its verdict and what its gates say."),
        Listed("run", "run:run",
               "Run a study here, without a server, in a directory; stopped, it goes on the next "
               "time.", works_here=True),
        Listed("studies", "studies:studies", "List studies, newest first."),
        Listed("show", "studies:show",
               "Show a study: how it stands, its verdict, trials, and what its spec says."),
        Listed("watch", "watch:watch", "Follow a study until it ends, then print its verdict."),
        Listed("result", "watch:result",
               "Print the verdict of a completed study; exit code 1 if its gates did not pass."),
        Listed("cancel", "studies:cancel", "End a study; what it has found so far stays."),
        Listed("pause", "studies:pause",
               "Take a study off the workers; its trials keep their checkpoints."),
        Listed("resume", "studies:resume", "Let a paused study go on."),
        Listed("extend", "extend:extend",
               "Change what a study's search may spend, while it goes on."),
        Listed("preview", "preview:preview",
               "Say what a spec would do: trials, rungs, cost and space; nothing is started."),
        Listed("evaluate", "evaluate:evaluate",
               "Judge one trial on the study's sealed tasks, as a small study; print its id or "
               "verdict."),
        Listed("task", "task:task",
               "Show tasks of a study: what they are, and their examples as dots, numbers or a "
               "picture."),
        Listed("replay", "replay:replay",
               "Derive every suggestion again from the log of asks and tells; exit code 1 if one "
               "differs."),
        Listed("report", "report:report",
               "Write a study's report: a page with figures, Markdown, JSON; a page by default."),
        Listed("export", "report:export",
               "Write a study's trials, reports or scores by task as a table."),
        Listed("download", "download:download",
               "Write winner.safetensors, study.json, report.html and trials.csv into a folder."),
        Listed("adapt", "adapt:adapt",
               "Adapt a winner to examples and print its predictions, one row for each input."),
        Listed("demo", "demo:demo",
               "Tune MAML and Reptile on sinusoids and on Omniglot, and print both verdicts."),
        Listed("doctor", "doctor:doctor",
               "Check this installation and the server, and say what to do about what is wrong.",
               works_here=True),
        Listed("data", "data:app",
               "Your own data: look at them, pack them, store them here or at a server."),
        Listed("plugins", "operator.plugins:plugins",
               "List the server's plug-ins, and why some cannot be used; with --import, those of a "
               "file."),
        Listed("db", "operator.database:app", "Make, change and look at the database's tables.",
               works_here=True),
        Listed("keys", "operator.keys:app", "Make, rotate and revoke API keys."),
        Listed("baseline", "baselines:app", "Results that later studies are compared with."),
        Listed("schedule", "schedules:app", "Submit a spec again and again."),
        Listed("webhooks", "operator.webhooks:app", "Show and test who is told of events."),
    )
}  # fmt: skip
"""By name, in the order in which `--help` lists them."""
