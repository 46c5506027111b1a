"""Plug-ins over the API: `client.plugins`."""

from service.client.http import Http
from service.wire.views.plugins import PluginList, PluginView


class Plugins:
    """What the server's workers may import.

    Args:
        http: The way to the server; its errors are those of `Client`.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def there(self) -> list[PluginView]:
        """Every one, those included that cannot be used."""
        return self._http.call(PluginList, "GET", "/plugins").items
