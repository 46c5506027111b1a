"""A client of the API: one method for each thing it can do.

    with Client.from_environment() as client:
        study = client.submit(spec, idempotency_key="nightly-2026-11-21")
        study = client.wait(study.study_id)
        print(client.result(study.study_id).finalists[0].params)

What may be repeated safely (reading, steering, and submitting, which carries an Idempotency-Key) is
asked again with growing pauses while the server does not answer, or says that it cannot just now,
until the client's patience ends.  What adds something each time (`client.baselines.promote`) is
asked for once.
"""

import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from service.client.errors import ClientError, NotConfigured, ServerRefused
from service.client.http import BUSY, Http
from service.client.stream import StreamedEvent, read_events
from service.output_file import output_file, write_output
from service.variables import variable
from service.wire.parsing.encoding import NotText, decode
from service.wire.spec.study import StudySpec
from service.wire.views.document import StudyDocument
from service.wire.views.export import Format, What
from service.wire.views.problems import Problem
from service.wire.views.result import StudyResult
from service.wire.views.studies import (
    AskPage,
    AskView,
    EventView,
    ReportPage,
    ReportView,
    StudyPage,
    StudyView,
    TrialPage,
    TrialView,
)

if TYPE_CHECKING:
    from service.client.baselines import Baselines
    from service.client.datasets import Datasets
    from service.client.plugins import Plugins
    from service.client.schedules import Schedules
    from service.client.webhooks import Webhooks
    from service.wire.views.preview import Preview
    from service.wire.views.report import StudyReport
    from service.wire.views.timeline import Timeline

DEFAULT_URL = "http://127.0.0.1:8000"
PATIENCE_SECONDS = 20.0
WINNER_FILE = "winner.safetensors"
LONGEST_WAIT = 30.0  # of one call
ENDED = frozenset({"completed", "failed", "cancelled"})
PAGE_LIMIT = 500
MOST_ITEMS = 1_000_000

Page = TypeVar("Page", StudyPage, TrialPage, ReportPage, AskPage)


class Client:
    """A metaopt server.

    Args:
        url: Where it is, e.g. http://127.0.0.1:8000.
        api_key: Key, if the server needs one.
        patience_seconds: How long a call is repeated while the server cannot be reached.
        transport: How bytes travel; for tests.
        project: In which project to be at work; None is the first that the key is for.

    Raises:
        ServerUnreachable: By every method: nobody answers.
        ServerRefused: By every method: the server answers with a problem.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        transport: httpx2.BaseTransport | None = None,
        project: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.http = Http(self.url, api_key, patience_seconds, transport, project)

    # What few calls are about is loaded with the first of them.

    @cached_property
    def baselines(self) -> "Baselines":
        """Baselines."""
        from service.client.baselines import Baselines

        return Baselines(self.http)

    @cached_property
    def datasets(self) -> "Datasets":
        """Data sets."""
        from service.client.datasets import Datasets

        return Datasets(self.http)

    @cached_property
    def plugins(self) -> "Plugins":
        """Plug-ins of its workers."""
        from service.client.plugins import Plugins

        return Plugins(self.http)

    @cached_property
    def schedules(self) -> "Schedules":
        """Schedules."""
        from service.client.schedules import Schedules

        return Schedules(self.http)

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Webhooks and their deliveries."""
        from service.client.webhooks import Webhooks

        return Webhooks(self.http)

    @classmethod
    def from_environment(
        cls,
        variables: Mapping[str, str] | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Self:
        """A client of the server that variables name.

        They are METAOPT_URL (default http://127.0.0.1:8000), METAOPT_API_KEY, and where that is
        not given METAOPT_API_KEY_FILE, a file that holds the key; and METAOPT_PROJECT.

        Args:
            variables: By default those of this process.
            patience_seconds: As of `Client`.

        Raises:
            NotConfigured: METAOPT_URL is no URL, the key cannot be sent, or its file not be read.
        """
        variables = os.environ if variables is None else variables
        url = (variable(variables, "METAOPT_URL") or DEFAULT_URL).strip()
        if not url.startswith(("http://", "https://")):
            raise NotConfigured(f"METAOPT_URL must begin with http:// or https://, got {url!r}")
        project = variable(variables, "METAOPT_PROJECT")
        return cls(url, api_key_of(variables), patience_seconds=patience_seconds, project=project)

    def __enter__(self) -> Self:
        """The client."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self.http.close()

    def submit(
        self, spec: StudySpec | Mapping[str, Any], idempotency_key: str | None = None
    ) -> StudyView:
        """Queue a study, or return the one that the same key queued before."""
        data = spec.model_dump(mode="json") if isinstance(spec, StudySpec) else dict(spec)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key or uuid.uuid4().hex,
        }
        content = json.dumps(data).encode()
        return self.http.call(StudyView, "POST", "/studies", content=content, headers=headers)

    def preview(self, spec: StudySpec | Mapping[str, Any]) -> "Preview":
        """Preview a spec: trials, rungs, programs and cost; nothing is started."""
        from service.wire.views.preview import Preview

        data = spec.model_dump(mode="json") if isinstance(spec, StudySpec) else dict(spec)
        headers = {"Content-Type": "application/json"}
        content = json.dumps(data).encode()
        return self.http.call(Preview, "POST", "/studies/preview", content=content, headers=headers)

    def change_budget(self, study_id: str, budget: Mapping[str, Any], version: int) -> StudyView:
        """Change budgets of a study that is at `version`; None removes one.

        An answer that is lost on its way is asked for again and then refused, since the study has
        another version by then: nothing is ever changed twice.
        """
        headers = {"Content-Type": "application/merge-patch+json", "If-Match": f'"{version}"'}
        content = json.dumps({"budget": dict(budget)}).encode()
        path = self._path(study_id)
        return self.http.call(StudyView, "PATCH", path, content=content, headers=headers)

    def study(self, study_id: str, *, wait_seconds: float = 0) -> StudyView:
        """A study; wait up to 30 s for its end if asked to."""
        return self.http.call(StudyView, "GET", self._path(study_id), params={"wait": wait_seconds})

    def find(self, study: str) -> StudyView:
        """The study of that id, that name or those first digits of an id; `last` is the newest.

        Every other method takes such a reference too, in the place of an id.
        """
        return self.http.call(StudyView, "GET", "/studies:find", params={"ref": study})

    def wait(self, study_id: str, timeout_seconds: float | None = None) -> StudyView:
        """A study once it has ended, or as it stands when the time is up.

        A server that goes away meanwhile is waited for as long as the client is patient.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        study_id = self._id(study_id)
        while True:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            study = self.study(study_id, wait_seconds=max(0.0, min(LONGEST_WAIT, left)))
            if study.status in ENDED or left <= 0:
                return study

    def studies(self, *, status: str | None = None, limit: int = 50) -> list[StudyView]:
        """The newest studies, at most `limit`."""
        params = {"status": status} if status else {}
        pages = self._pages(StudyPage, "/studies", limit, params)
        return [study for page in pages for study in page.items]

    def trials(
        self,
        study_id: str,
        *,
        status: str | None = None,
        role: str | None = None,
        limit: int = 100_000,
    ) -> list[TrialView]:
        """A study's trials by number."""
        params = {k: v for k, v in (("status", status), ("role", role)) if v}
        pages = self._pages(TrialPage, f"{self._path(study_id)}/trials", limit, params)
        return [trial for page in pages for trial in page.items]

    def reports(
        self, study_id: str, trial_number: int, *, scores: bool = False
    ) -> list[ReportView]:
        """A trial's reports by meta-iteration, with a score for each task if asked for."""
        path = f"{self._path(study_id)}/trials/{trial_number}/reports"
        pages = self._pages(ReportPage, path, 1000, {"scores": str(scores).lower()})
        return [report for page in pages for report in page.items]

    def asks(self, study_id: str, branch: str) -> list[AskView]:
        """The whole log of what a branch's sampler was asked and told."""
        pages = self._pages(AskPage, f"{self._path(study_id)}/asks", MOST_ITEMS, {"branch": branch})
        return [entry for page in pages for entry in page.items]

    def result(self, study_id: str) -> StudyResult:
        """A completed study's verdict."""
        return self.http.call(StudyResult, "GET", f"{self._path(study_id)}/result")

    def report(self, study_id: str) -> "StudyReport":
        """A study's report so far."""
        from service.wire.views.report import StudyReport

        return self.http.call(StudyReport, "GET", f"{self._path(study_id)}/report")

    def timeline(self, study_id: str) -> "Timeline":
        """What each slot did with its time for a study."""
        from service.wire.views.timeline import Timeline

        return self.http.call(Timeline, "GET", f"{self._path(study_id)}/timeline")

    def report_page(self, study_id: str, form: Literal["html", "md"] = "html") -> str:
        """A study's report so far as one self-contained page with figures, or as Markdown."""
        return self.http.content("GET", f"{self._path(study_id)}/report.{form}").decode()

    @contextmanager
    def export(
        self, study_id: str, what: What = "trials", file_format: Format = "csv"
    ) -> Iterator[Iterator[bytes]]:
        """Yield a table of a study in pieces, as the server makes them; asked for once."""
        wanted = {"what": what, "format": file_format}
        try:
            with self.http.stream(f"{self._path(study_id)}/export", params=wanted) as response:
                yield response.iter_bytes()
        except httpx2.TransportError as error:
            raise self.http.unreachable(error) from None

    def weights(self, study_id: str) -> bytes:
        """The winner's model file (`metaopt.winner.read_winner`)."""
        return self.http.content("GET", f"{self._path(study_id)}/weights")

    def download(self, study_id: str, folder: Path) -> Path:
        """Write all there is of a completed study into a folder, made if needed; return it.

        They are `winner.safetensors`, `study.json` (spec and verdict), `report.html` and
        `trials.csv`.
        """
        study = self.study(study_id)
        study_id = study.study_id
        document = StudyDocument(study=study, result=self.result(study_id))
        folder.mkdir(parents=True, exist_ok=True)
        write_output(folder / "study.json", document.model_dump_json(indent=2))
        write_output(folder / "report.html", self.report_page(study_id))
        with self.export(study_id) as pieces, output_file(folder / "trials.csv") as file:
            file.writelines(pieces)
        write_output(folder / WINNER_FILE, self.weights(study_id))  # the only one that may be gone
        return folder

    def cancel(self, study_id: str) -> StudyView:
        """End a study."""
        return self.http.call(StudyView, "POST", f"{self._path(study_id)}:cancel")

    def pause(self, study_id: str) -> StudyView:
        """Take a study off the workers."""
        return self.http.call(StudyView, "POST", f"{self._path(study_id)}:pause")

    def resume(self, study_id: str) -> StudyView:
        """Queue a paused study again."""
        return self.http.call(StudyView, "POST", f"{self._path(study_id)}:resume")

    def events(self, study_id: str, after: int = 0) -> Iterator[EventView]:
        """Yield a study's events after an id until it has ended, reconnecting where needed."""
        study_id = self._id(study_id)
        ended = False  # whether the study had ended before the stream was opened
        while True:
            complete = False
            try:
                for event in self._stream(study_id, after):
                    after = event.event_id
                    yield event.view()
                complete = True
            except httpx2.TransportError:
                pass  # what was missed is sent again after the last id
            except ServerRefused as error:
                if error.problem.status not in BUSY:
                    raise
            if complete and ended:
                return
            ended = self.study(study_id, wait_seconds=1).status in ENDED

    def readiness(self) -> Problem | None:
        """Why the server is not ready, or None; asked once."""
        try:
            self.checks()
        except ServerRefused as error:
            return error.problem
        return None

    def checks(self) -> dict[str, str]:
        """What a server that is ready says of itself, in words by name; asked once.

        Raises:
            ServerRefused: It is not ready.
        """
        said = self.http.plain("/readyz")
        try:
            return TypeAdapter(dict[str, str]).validate_json(said)
        except ValidationError:
            raise ClientError(f"{self.url} answers, but not as metaopt does") from None

    def _id(self, study: str) -> str:
        return study if re.fullmatch("[0-9a-f]{32}", study) else self.find(study).study_id

    def _path(self, study: str) -> str:
        return f"/studies/{self._id(study)}"

    def _stream(self, study_id: str, after: int) -> Iterator[StreamedEvent]:
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        with self.http.stream(f"{self._path(study_id)}/events", headers=headers) as response:
            yield from read_events(response.iter_lines())

    def _pages(
        self, model: type[Page], path: str, limit: int, params: dict[str, Any]
    ) -> Iterator[Page]:
        while limit > 0:
            wanted = {**params, "limit": min(limit, PAGE_LIMIT)}
            page = self.http.call(model, "GET", path, params=wanted)
            yield page
            limit -= len(page.items)
            if page.next_cursor is None:
                return
            params = {**params, "cursor": page.next_cursor}


def api_key_of(variables: Mapping[str, str]) -> str | None:
    """The API key that variables name: METAOPT_API_KEY, else the one in its file.

    Raises:
        NotConfigured: The key cannot be sent, or the file cannot be read.
    """
    key = variable(variables, "METAOPT_API_KEY")
    file = variable(variables, "METAOPT_API_KEY_FILE")
    if key is not None and not (key.isascii() and key.strip().isprintable()):
        raise NotConfigured("METAOPT_API_KEY must be a key of ASCII characters")
    if key is not None or file is None:
        return key and key.strip()
    try:
        key = decode(Path(file).read_bytes()).strip()
        key.encode("ascii")  # as headers have it
        return key or None
    except (OSError, NotText, UnicodeEncodeError) as error:
        raise NotConfigured(f"METAOPT_API_KEY_FILE: {file} cannot be read: {error}") from None
