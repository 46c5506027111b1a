"""A client of the API: one method for each thing it can do.

Every call may be repeated safely (submitting carries an Idempotency-Key), so a server that does
not answer, or says it cannot just now, is asked again with growing pauses until the client's
patience ends.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
import stamina
from pydantic import BaseModel, ValidationError

from service.client.errors import ClientError, ServerRefused, ServerUnreachable
from service.client.stream import StreamedEvent, read_events
from service.client.webhooks import Webhooks
from service.wire.export import Format, What
from service.wire.preview import Preview
from service.wire.problems import Problem
from service.wire.report import StudyReport
from service.wire.result import StudyResult
from service.wire.spec import StudySpec
from service.wire.studies import (
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

DEFAULT_URL = "http://127.0.0.1:8000"
BUSY = frozenset({429, 502, 503, 504})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ENDED = frozenset({"completed", "failed", "cancelled"})
PAGE_LIMIT = 500
MOST_ITEMS = 1_000_000
READ_SECONDS = 60.0  # a stream sends something every 15 s

Model = TypeVar("Model", bound=BaseModel)
Page = TypeVar("Page", StudyPage, TrialPage, ReportPage, AskPage)


class Client:
    """A metaopt server.

    Args:
        url: Where it is, e.g. http://127.0.0.1:8000.
        api_key: Key, if the server needs one.
        patience_seconds: How long a call is repeated while the server cannot be reached.
        transport: How bytes travel; for tests.

    Raises:
        ServerUnreachable: By every method: nobody answers.
        ServerRefused: By every method: the server answers with a problem.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        patience_seconds: float = 20.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._patience_seconds = patience_seconds
        self.webhooks = Webhooks(self._call)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            self._http = httpx2.Client(
                base_url=self.url,
                headers=headers,
                transport=transport,
                timeout=httpx2.Timeout(READ_SECONDS, connect=5.0),
                trust_env=httpx2.URL(self.url).host not in LOOPBACK,  # no proxy to ourselves
            )
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise ServerUnreachable(f"{url} is no URL of a server: {error}") from None

    def __enter__(self) -> Self:
        """Return the client."""
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
        self._http.close()

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
        return self._call(StudyView, "POST", "/studies", content=content, headers=headers)

    def preview(self, spec: StudySpec | Mapping[str, Any]) -> Preview:
        """Return what a spec would do; nothing is started."""
        data = spec.model_dump(mode="json") if isinstance(spec, StudySpec) else dict(spec)
        headers = {"Content-Type": "application/json"}
        content = json.dumps(data).encode()
        return self._call(Preview, "POST", "/studies/preview", content=content, headers=headers)

    def change_budget(self, study_id: str, budget: Mapping[str, Any], version: int) -> StudyView:
        """Change budgets of a study that is at `version`; None removes one.

        An answer that is lost on its way is asked for again and then refused, since the study has
        another version by then: nothing is ever changed twice.
        """
        headers = {"Content-Type": "application/merge-patch+json", "If-Match": f'"{version}"'}
        content = json.dumps({"budget": dict(budget)}).encode()
        path = f"/studies/{study_id}"
        return self._call(StudyView, "PATCH", path, content=content, headers=headers)

    def study(self, study_id: str, *, wait_seconds: float = 0) -> StudyView:
        """Return a study; wait up to 30 s for its end if asked to."""
        return self._call(StudyView, "GET", f"/studies/{study_id}", params={"wait": wait_seconds})

    def studies(self, *, status: str | None = None, limit: int = 50) -> list[StudyView]:
        """Return the newest studies, at most `limit`."""
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
        """Return a study's trials by number."""
        params = {k: v for k, v in (("status", status), ("role", role)) if v}
        pages = self._pages(TrialPage, f"/studies/{study_id}/trials", limit, params)
        return [trial for page in pages for trial in page.items]

    def reports(
        self, study_id: str, trial_number: int, *, scores: bool = False
    ) -> list[ReportView]:
        """Return a trial's reports by meta-iteration, with a score for each task if asked for."""
        path = f"/studies/{study_id}/trials/{trial_number}/reports"
        pages = self._pages(ReportPage, path, 1000, {"scores": str(scores).lower()})
        return [report for page in pages for report in page.items]

    def asks(self, study_id: str, branch: str) -> list[AskView]:
        """Return the whole log of what a branch's sampler was asked and told."""
        pages = self._pages(AskPage, f"/studies/{study_id}/asks", MOST_ITEMS, {"branch": branch})
        return [entry for page in pages for entry in page.items]

    def result(self, study_id: str) -> StudyResult:
        """Return a completed study's verdict."""
        return self._call(StudyResult, "GET", f"/studies/{study_id}/result")

    def report(self, study_id: str) -> StudyReport:
        """Return a study's report so far."""
        return self._call(StudyReport, "GET", f"/studies/{study_id}/report")

    @contextmanager
    def export(
        self, study_id: str, what: What = "trials", file_format: Format = "csv"
    ) -> Iterator[Iterator[bytes]]:
        """Yield a table of a study in pieces, as the server makes them; asked for once."""
        path = f"/api/v1/studies/{study_id}/export"
        wanted = {"what": what, "format": file_format}
        try:
            with self._http.stream("GET", path, params=wanted) as response:
                if not response.is_success:
                    response.read()
                    _answer(response)
                yield response.iter_bytes()
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    def cancel(self, study_id: str) -> StudyView:
        """End a study."""
        return self._call(StudyView, "POST", f"/studies/{study_id}:cancel")

    def pause(self, study_id: str) -> StudyView:
        """Take a study off the workers."""
        return self._call(StudyView, "POST", f"/studies/{study_id}:pause")

    def resume(self, study_id: str) -> StudyView:
        """Queue a paused study again."""
        return self._call(StudyView, "POST", f"/studies/{study_id}:resume")

    def events(self, study_id: str, after: int = 0) -> Iterator[EventView]:
        """Yield a study's events after an id until it has ended, reconnecting where needed."""
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
        """Return what keeps the server from being ready, or None; asked once."""
        try:
            _answer(self._http.get("/readyz"))
        except ServerRefused as error:
            return error.problem
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        return None

    def _stream(self, study_id: str, after: int) -> Iterator[StreamedEvent]:
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        path = f"/api/v1/studies/{study_id}/events"
        with self._http.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                _answer(response)
            yield from read_events(response.iter_lines())

    def _pages(
        self, model: type[Page], path: str, limit: int, params: dict[str, Any]
    ) -> Iterator[Page]:
        while limit > 0:
            wanted = {**params, "limit": min(limit, PAGE_LIMIT)}
            page = self._call(model, "GET", path, params=wanted)
            yield page
            limit -= len(page.items)
            if page.next_cursor is None:
                return
            params = {**params, "cursor": page.next_cursor}

    def _call(self, model: type[Model], method: str, path: str, **arguments: Any) -> Model:
        for attempt in stamina.retry_context(
            on=_worth_another_try, attempts=None, timeout=self._patience_seconds, wait_max=2.0
        ):
            with attempt:
                try:
                    response = self._http.request(method, f"/api/v1{path}", **arguments)
                except httpx2.TransportError as error:
                    raise self._unreachable(error) from None
                try:
                    return model.model_validate_json(_answer(response))
                except ValidationError:
                    raise ClientError(
                        f"{self.url} answers, but not as this version of metaopt understands"
                    ) from None
        raise AssertionError("a retry context ends with a result or an error")

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        return ServerUnreachable(f"no server answers at {self.url} ({error})")


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, ServerRefused):
        return error.problem.status in BUSY
    return isinstance(error, ServerUnreachable)


def _answer(response: httpx2.Response) -> bytes:
    if response.is_success:
        return response.content
    try:
        raise ServerRefused(Problem.model_validate_json(response.content))
    except ValidationError:
        raise ServerRefused(_foreign(response)) from None


def _foreign(response: httpx2.Response) -> Problem:
    code = f"http-{response.status_code}"
    return Problem(
        type="about:blank",
        code=code,
        title=response.reason_phrase,
        status=response.status_code,
        detail=f"{response.request.url} answered {response.status_code}, not as metaopt does",
    )
