"""Plug-ins: what the workers have, as they described it."""

from fastapi import APIRouter

from service.api.context import Ctx
from service.api.openapi import PROBLEMS
from service.auth.policy import READ
from service.operations import plugins
from service.wire.views.plugins import PluginList

router = APIRouter(prefix="/api/v1/plugins", tags=["plugins"], responses=PROBLEMS)


@router.get("", dependencies=READ, response_model=PluginList, operation_id="list_plugins")
def list_plugins(context: Ctx) -> PluginList:
    """Return what packages and files declare, and why some of it cannot be used."""
    with context.reading() as session:
        return plugins.list_plugins(session)
