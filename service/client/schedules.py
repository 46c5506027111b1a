"""Schedules over the API: `client.schedules`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from service.client.errors import ServerRefused
from service.client.http import Http, in_path
from service.wire.views.problems import TYPE_PREFIX, Problem
from service.wire.views.schedules import (
    NewSchedule,
    RunPage,
    RunView,
    ScheduleHistory,
    SchedulePage,
    ScheduleView,
)

PAGE_LIMIT = 500


class Schedules:
    """Studies that the server starts by its own clock.

    Args:
        http: The way to the server; its errors are those of `Client`.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def add(self, schedule: NewSchedule | Mapping[str, Any]) -> ScheduleView:
        """Add a schedule; adding the very same again changes nothing."""
        whole = schedule.model_dump(mode="json") if isinstance(schedule, NewSchedule) else schedule
        content, headers = json.dumps(dict(whole)).encode(), {"Content-Type": "application/json"}
        return self._http.call(ScheduleView, "POST", "/schedules", content=content, headers=headers)

    def all(self) -> list[ScheduleView]:
        """Return all schedules, newest first."""
        schedules: list[ScheduleView] = []
        params: dict[str, Any] = {"limit": PAGE_LIMIT}
        while True:
            page = self._http.call(SchedulePage, "GET", "/schedules", params=params)
            schedules += page.items
            if page.next_cursor is None:
                return schedules
            params["cursor"] = page.next_cursor

    def show(self, schedule_id: str) -> ScheduleView:
        """A schedule."""
        return self._http.call(ScheduleView, "GET", f"/schedules/{in_path(schedule_id)}")

    def find(self, name_or_id: str) -> ScheduleView:
        """The schedule of that id or name."""
        if re.fullmatch("[0-9a-f]{32}", name_or_id):
            return self.show(name_or_id)
        page = self._http.call(SchedulePage, "GET", "/schedules", params={"name": name_or_id})
        if not page.items:
            raise ServerRefused(_not_found(name_or_id))
        return page.items[0]

    def pause(self, schedule_id: str) -> ScheduleView:
        """Let a schedule fire no more until it is resumed."""
        return self._http.call(ScheduleView, "POST", f"/schedules/{in_path(schedule_id)}:pause")

    def resume(self, schedule_id: str) -> ScheduleView:
        """Let a paused schedule fire again."""
        return self._http.call(ScheduleView, "POST", f"/schedules/{in_path(schedule_id)}:resume")

    def run_now(self, schedule_id: str) -> RunView:
        """Ask for a run now; asked for once."""
        return self._http.call(
            RunView, "POST", f"/schedules/{in_path(schedule_id)}:run-now", once=True
        )

    def remove(self, schedule_id: str) -> ScheduleView:
        """Remove a schedule; return what it was."""
        return self._http.call(ScheduleView, "DELETE", f"/schedules/{in_path(schedule_id)}")

    def runs(self, schedule_id: str, *, limit: int = 50) -> list[RunView]:
        """The schedule's newest runs, newest first; at most 500."""
        path, params = f"/schedules/{in_path(schedule_id)}/runs", {"limit": min(limit, PAGE_LIMIT)}
        return self._http.call(RunPage, "GET", path, params=params).items

    def history(self, schedule_id: str, *, limit: int = 100) -> ScheduleHistory:
        """The newest points of the schedule's control chart, oldest first; at most 500."""
        path, params = (
            f"/schedules/{in_path(schedule_id)}/history",
            {"limit": min(limit, PAGE_LIMIT)},
        )
        return self._http.call(ScheduleHistory, "GET", path, params=params)


def _not_found(name: str) -> Problem:
    return Problem(
        type=f"{TYPE_PREFIX}schedule-not-found",
        code="schedule-not-found",
        title="No such schedule",
        status=404,
        detail=f"there is no schedule named {name}; `metaopt schedule list` shows them",
    )
