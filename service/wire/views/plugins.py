"""What the API says about plug-ins: what workers may import, and what of it can be used."""

from typing import Any

from metaopt.plugins.described import Family
from service.wire.base import Instant
from service.wire.views.studies import View


class PluginView(View):
    """A kind that an installed package, or an imported file, declares.

    `family` and `name` are what a spec names it by: `tasks.kind`, `model.kind`, an `algorithm`, and
    of modules the `ref` of a model of kind module.  `digest` is a SHA-256 of its sources, and
    `record` what a spec is checked by: options or meta-parameters; null where it cannot be used,
    which `refused` gives the reason of.  `lane_by_lane` is why a worker that trained it could not
    map it over lanes; null where none found so.
    """

    family: Family
    name: str
    package: str
    version: str
    digest: str
    refused: str | None
    described_at: Instant
    record: dict[str, Any] | None
    lane_by_lane: str | None = None


class PluginList(View):
    """The plug-ins of the dispatcher that is live, or was last."""

    items: list[PluginView]
