"""Plug-ins as users see them."""

from sqlalchemy.orm import Session

from service.db.plugins import rows
from service.wire.views.plugins import PluginList, PluginView


def list_plugins(session: Session) -> PluginList:
    """All that the workers have, those included that cannot be used."""
    return PluginList(
        items=[
            PluginView(
                **told.described.to_json(),
                described_at=told.described_at,
                lane_by_lane=told.lane_by_lane,
            )
            for told in rows.present(session)
        ]
    )
