"""Policies: which scope a route needs, declared where the route is.

    @router.post("", dependencies=SUBMIT, ...)

A route without one is an error when the application is put together, and when it starts
(`check_policies`), so none is open because somebody forgot: of a router, of the application itself,
or mounted.  An application that is mounted looks after itself, and says so by `policies`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from fastapi import Depends, Request
from starlette.routing import BaseRoute, Mount

from service.auth.identity import NOBODY, Identity, Scope
from service.errors import Forbidden


class Policy:
    """What somebody needs to ask a route; raises before anything of the request is read.

    Args:
        scope: The scope; None lets everybody in.
        everywhere: It shows or changes what belongs to no project, or to all of them.
    """

    def __init__(self, scope: Scope | None, *, everywhere: bool = False) -> None:
        self.scope, self.everywhere = scope, everywhere

    async def __call__(self, request: Request) -> None:
        """Refuse who lacks it."""
        self.check(identity_of(request))

    def check(self, identity: Identity) -> None:
        """Return if they may.

        Raises:
            Forbidden: The key lacks the scope, or is for some projects alone.
        """
        if self.scope is None:
            return
        if not identity.may(self.scope):
            scopes = ", ".join(identity.scopes) or "none"
            raise Forbidden(f"this needs a key of scope {self.scope}; yours has {scopes}")
        if self.everywhere and identity.projects is not None:
            raise Forbidden(
                "this shows what is of all projects, and needs a key that is for every project; "
                f"yours is for {', '.join(identity.projects)}"
            )


def identity_of(request: Request) -> Identity:
    """Return who asks; the gate has put it there, and what came in by none may do nothing."""
    return cast(Identity, request.scope.get("identity", NOBODY))


PUBLIC = [Depends(Policy(None))]
READ = [Depends(Policy(Scope.READ))]
SUBMIT = [Depends(Policy(Scope.SUBMIT))]
ADMIN = [Depends(Policy(Scope.ADMIN))]
READ_ALL = [Depends(Policy(Scope.READ, everywhere=True))]


def policy_of(route: BaseRoute) -> Policy | None:
    """The policy that a route declares."""
    declared: Iterable[Any] = getattr(route, "dependencies", ())
    found = [one.dependency for one in declared if isinstance(one.dependency, Policy)]
    return found[0] if len(found) == 1 else None


def every_route(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield the routes, and in the place of a router that is included those of it."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from every_route(included.routes)


def check_policies(routes: Iterable[BaseRoute]) -> None:
    """Return if each route declares one policy; one of an application that is mounted, its own.

    Raises:
        TypeError: One does not.
    """
    for route in every_route(routes):
        if policy_of(route) is None and not _looks_after_itself(route):
            raise TypeError(
                f"{route} declares no policy: give it one of service.auth.policy as dependencies"
            )


def _looks_after_itself(route: BaseRoute) -> bool:
    return isinstance(route, Mount) and bool(getattr(route.app, "policies", ()))
