"""A dispatcher for the runs that are audited."""

from tests.service.dispatcher.conftest import run

__all__ = ["run"]
