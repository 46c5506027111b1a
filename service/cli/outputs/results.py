"""What a command that waited leaves behind: the verdict, files for CI, and its exit code.

completed, gates passed or none   0     gate failed or undecided   1
failed, cancelled                 3     time is up                 4
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from service.cli.console import (
    STDOUT,
    check_writable,
    data,
    json_text,
    say,
    write_json,
    write_text,
)
from service.cli.exits import Exit, Stop, unwritable
from service.cli.outputs.junit import junit
from service.cli.pages.verdict import verdict_page
from service.client.client import ENDED, Client
from service.errors import ResultImpossible
from service.events import notifying
from service.output_file import is_same
from service.report.pages.ci_summary import summary_page
from service.variables import variable
from service.wire.views.document import StudyDocument
from service.wire.views.notifications import notification
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView
from service.wire.words.gates import not_passed


@dataclass(frozen=True)
class Outputs:
    """Files to write; none is fine.  `-` is stdout, and nothing else is printed there then.

    Args:
        json: The study's document.
        junit: Test cases.
        summary: Markdown.
        report: The page with figures.
        events: Whether stdout gets notifications, as webhooks do, instead of the verdict.
        resume_command: Goes on with a study that ends with this process; None where a server has
            the study, whose page can be opened too.
    """

    json: Path | None = None
    junit: Path | None = None
    summary: Path | None = None
    report: Path | None = None
    events: bool = False
    resume_command: str | None = None

    def check(self) -> None:
        """Make sure that all can be written, before a study is on its way.

        Raises:
            Stop: One cannot, or two want the same.
        """
        events = STDOUT if self.events else None
        check_apart({"--events": events, **self._files()})
        for path in self._files().values():
            check_writable(path)

    def finish(self, client: Client, study: StudyView) -> None:
        """Write and print what there is of a study.

        Raises:
            Stop: It failed or was cancelled, its gates did not pass, or it has not ended.
        """
        result = client.result(study.study_id) if study.status == "completed" else None
        if result is not None and not result.finalists:
            raise ResultImpossible("the study has no finalists")
        code = exit_code(study, result)
        url = f"{client.url}/#/studies/{study.study_id}" if self.resume_command is None else None
        document = StudyDocument(study=study, result=result, exit_code=code, url=url)
        self._write(client, document)
        if self.events:
            _tell_events(client, study)
        elif result is not None and STDOUT not in self._files().values():
            verdict_page(study, result)
        if code != Exit.DONE:
            raise Stop(code, self._why(study, result))

    def _files(self) -> dict[str, Path | None]:
        return {
            "--json": self.json,
            "--junit": self.junit,
            "--summary": self.summary,
            "--report": self.report,
        }

    def goes_on(self, study_id: str) -> str:
        """Hint for a study that nobody waits for any more: how to see or cancel it."""
        if self.resume_command is not None:
            return f"which stands still: `{self.resume_command}` goes on with it"
        see, end = f"`metaopt watch {study_id}` to see it", f"`metaopt cancel {study_id}` to end it"
        return f"which goes on: {see}, {end}"

    def _why(self, study: StudyView, result: StudyResult | None) -> str:
        if result is not None and result.gates is not None:
            return f"gates {not_passed(result.gates)}"
        if study.status in ("failed", "cancelled"):
            return f"study {study.study_id} {study.status}: {study.error or 'by request'}"
        return f"the time is up for {study.study_id}, {self.goes_on(study.study_id)}"

    def _write(self, client: Client, document: StudyDocument) -> None:
        write_json(self.json, document.model_dump(mode="json"))
        if self.report is not None:
            write_text(self.report, client.report_page(document.study.study_id))
        if self.junit is not None:
            write_text(self.junit, junit(document))
        if self.summary is not None:
            page = summary_page(client.report(document.study.study_id), document.url)
            if _is_step_summary(self.summary):
                _add(self.summary, page)
            else:
                write_text(self.summary, page)


def exit_code(study: StudyView, result: StudyResult | None) -> Exit:
    """The exit code for a study as it stands: its end, its gates, or still under way."""
    if study.status in ("failed", "cancelled"):
        return Exit.STUDY_FAILED
    if study.status != "completed":
        return Exit.WAIT_TIMED_OUT
    failed = result is not None and result.gates is not None and not result.gates.passed
    return Exit.GATE_FAILED if failed else Exit.DONE


def _tell_events(client: Client, study: StudyView) -> None:
    if study.status not in ENDED:  # its stream would be waited for
        return
    for event in client.events(study.study_id):
        if event.kind in notifying():
            line = notification(event, study).model_dump(mode="json")
            data(json_text(line, sys.stdout.encoding, indent=None))


def _is_step_summary(path: Path) -> bool:
    named = variable(os.environ, "GITHUB_STEP_SUMMARY")
    return named is not None and is_same(path, Path(named))


def _add(path: Path, text: str) -> None:
    """Add to a file that belongs to others too."""
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise unwritable(path, error) from None
    say(f"wrote {path}")


def check_apart(files: Mapping[str, Path | None]) -> None:
    """Make sure that no two options want the same file.

    Raises:
        Stop: Two do; names them.
    """
    given = [(option, path) for option, path in files.items() if path is not None]
    for (one, path), (other, also) in combinations(given, 2):
        if is_same(path, also):
            where = "stdout" if path == STDOUT else str(path)
            raise Stop(Exit.USAGE, f"{one} and {other} both write to {where}: name another file")
