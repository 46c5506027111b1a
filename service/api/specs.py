"""Specs as they come in: their data set and their plug-ins are looked up, then they are checked."""

from typing import Any

from service.api.context import Context
from service.operations.specs.cost import check_measured_cost
from service.operations.specs.datasets import read_spec
from service.plugins.needs import look_up
from service.wire.spec.study import StudySpec


def incoming_spec(context: Context, data: Any) -> StudySpec:
    """The spec that plain data describe.

    Raises:
        InvalidSpec: It breaks rules, names what is not there or cannot be used, or would cost more
            than this server allows.
    """
    with context.reading() as session:
        look_up(session, data)
    spec = read_spec(data, context.data_directory())
    with context.reading() as session:
        check_measured_cost(session, spec, context.most_cost)
    return spec
