"""Baselines over the API: `client.baselines`."""

from service.client.http import Http, in_path
from service.wire.views.baselines import BaselinePage, BaselineView, Promotion, Rollback


class Baselines:
    """Named, versioned results that later studies are compared with.

    Args:
        http: The way to the server; its errors are those of `Client`.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[BaselineView]:
        """The present version of every baseline, by name."""
        return self._http.call(BaselinePage, "GET", "/baselines").items

    def show(self, name: str, version: int | None = None) -> BaselineView:
        """Return one version, by default the present one, with its scores by task."""
        wanted = {} if version is None else {"version": version}
        return self._http.call(BaselineView, "GET", f"/baselines/{in_path(name)}", params=wanted)

    def versions(self, name: str) -> list[BaselineView]:
        """Every version of a baseline, newest first."""
        return self._http.call(BaselinePage, "GET", f"/baselines/{in_path(name)}/versions").items

    def weights(self, name: str, version: int | None = None) -> bytes:
        """A version's model file, by default the present one's."""
        wanted = {} if version is None else {"version": version}
        return self._http.content("GET", f"/baselines/{in_path(name)}/weights", params=wanted)

    def promote(self, study_id: str, name: str) -> BaselineView:
        """Make a completed study's best finalist the next version; asked for once."""
        wanted = Promotion.model_construct(study_id=study_id).model_dump()
        path = f"/baselines/{in_path(name)}:promote"
        return self._http.call(BaselineView, "POST", path, once=True, json=wanted)

    def roll_back(self, name: str, version: int | None = None) -> BaselineView:
        """Repeat an older version, by default the one before the present; asked for once."""
        wanted = Rollback(version=version).model_dump()
        path = f"/baselines/{in_path(name)}:roll-back"
        return self._http.call(BaselineView, "POST", path, once=True, json=wanted)
