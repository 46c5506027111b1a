"""How long requests wait for their answers: what each API process counts of its own requests."""

from prometheus_client import Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def request_seconds() -> Histogram:
    """A histogram of its own for each application, in no registry."""
    return Histogram(
        "metaopt_request_seconds",
        "Seconds from the head of a request to that of its answer.",
        labelnames=("method", "route", "status"),
        buckets=BUCKETS,
        registry=None,
    )
