"""What a process logs: JSON, its time in UTC."""

import io
import json
from datetime import datetime, timedelta

import pytest
import structlog

from service.logs import configure_logging


@pytest.fixture
def stream() -> io.StringIO:
    log = io.StringIO()
    configure_logging(log)
    return log


def test_a_line_is_json_and_its_time_is_in_utc(stream: io.StringIO) -> None:
    structlog.get_logger().warning("database_unavailable", path="/api/v1/studies")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"]) == ("database_unavailable", "warning")
    assert line["timestamp"].endswith("Z")
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta()
