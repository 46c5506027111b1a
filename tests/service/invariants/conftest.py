"""A dispatcher for the runs that are checked."""

from tests.service.dispatcher.conftest import run

__all__ = ["run"]
