"""Variables of the environment: one that is empty, or holds spaces alone, is as one not set.

Whoever passes variables on cannot always leave one out: compose and CI systems pass what is not
set as the empty text.
"""

from collections.abc import Mapping

OF_CLIENTS = ("METAOPT_URL", "METAOPT_API_KEY", "METAOPT_API_KEY_FILE", "METAOPT_PROJECT")
"""What clients read."""

OF_SETTINGS = (
    "METAOPT_DATA_DIRECTORY", "METAOPT_DATABASE_URL", "METAOPT_HOST", "METAOPT_PORT",
    "METAOPT_API_KEYS_FILE", "METAOPT_TRUSTED_PROXIES",
    "METAOPT_WEBHOOKS_FILE", "METAOPT_DASHBOARD_WRITABLE", "METAOPT_SLOTS",
    "METAOPT_DEVICES", "METAOPT_LABELS", "METAOPT_LANES", "METAOPT_COMPILE",
    "METAOPT_PROGRAMS_DIRECTORY", "METAOPT_BLOBS_URL", "METAOPT_BLOB_CACHE_BYTES",
    "METAOPT_UPLOAD_BYTES", "METAOPT_UPLOAD_WAITING_BYTES", "METAOPT_UPLOAD_FREE_BYTES",
    "METAOPT_PLUGINS", "METAOPT_LANE_BYTES", "METAOPT_EVALUATION_SECONDS",
    "METAOPT_QUEUED_PER_KEY", "METAOPT_SCHEDULES_PER_KEY", "METAOPT_STREAMS_PER_KEY",
    "METAOPT_SEGMENT_SECONDS",
    "METAOPT_HANG_SECONDS", "METAOPT_WORKER_BYTES", "METAOPT_KEEP_EVENTS_DAYS",
    "METAOPT_KEEP_SEGMENTS_DAYS", "METAOPT_KEEP_DELIVERIES_DAYS", "METAOPT_KEEP_RUNS_DAYS",
    "METAOPT_KEEP_IDEMPOTENCY_DAYS", "METAOPT_KEEP_PROGRAMS_BYTES", "METAOPT_KEEP_LOG_BYTES",
)  # fmt: skip
"""What the service reads (`service.settings`); a client that knows their names need not load it."""


def variable(variables: Mapping[str, str], name: str) -> str | None:
    """The value of a variable, or None."""
    value = variables.get(name, "")
    return None if is_blank(value) else value


def is_blank(value: object) -> bool:
    """Tell whether a value says nothing."""
    return isinstance(value, str) and not value.strip()
