"""The log of a process: a line of JSON for each event, its time in UTC."""

import logging
import sys
from typing import TextIO

import structlog


def configure_logging(stream: TextIO) -> None:
    """Have what this process logs from now on written there."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )


def log_on_stderr() -> None:
    """Have what this process logs written, for people, on what is stderr by then."""
    structlog.configure(logger_factory=lambda *_: structlog.WriteLogger(sys.stderr))
