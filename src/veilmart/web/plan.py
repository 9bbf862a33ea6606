"""What a role gives for its face, and what it is given for it.

A role gives a `Plan`: its title, its menu, where its templates lie, and a function that makes its
routes from the `Web` that it gets.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from veilmart.errors import VeilmartError
from veilmart.web.jobs import Jobs
from veilmart.web.names import OpaqueNames
from veilmart.web.offers import Offers
from veilmart.web.rendering import MenuEntry, Pages
from veilmart.web.sessions import Entrance, WebSession
from veilmart.web.stream import Streams

Endpoint = Callable[[Request], Awaitable[Response]]
SESSION_KEY = "veilmart.session"


@dataclass(frozen=True)
class WebRoute:
    """method: GET, POST or PUT. path: as Starlette writes it, "/orders/{order}"."""

    method: str
    path: str
    endpoint: Endpoint


def get(path: str, endpoint: Endpoint) -> WebRoute:
    """A page. It changes nothing."""
    return WebRoute("GET", path, endpoint)


def post(path: str, endpoint: Endpoint) -> WebRoute:
    """What a form does. It ends in `go_to`, or in a page that shows what was wrong."""
    return WebRoute("POST", path, endpoint)


def put(path: str, endpoint: Endpoint) -> WebRoute:
    """A part of a file that a script sends."""
    return WebRoute("PUT", path, endpoint)


@dataclass(frozen=True)
class Web:
    """What the pages of a role are given."""

    pages: Pages
    jobs: Jobs
    names: OpaqueNames
    offers: Offers[Any]
    streams: Streams
    entrance: Entrance

    def still_open(self, request: Request) -> Callable[[], bool]:
        """Whether the session of this request is unlocked: for streams, which outlive a look."""
        session: WebSession = request.scope[SESSION_KEY]
        return lambda: not session.locked


@dataclass(frozen=True)
class Plan:
    """A role's face. unlock: says whether a passphrase is right, None if the role has none.

    unlockable: whether there is a passphrase now; one may be chosen while the face runs.
    on_lock: forget what was decrypted for the person.
    hints: what to do next after an error, where its own text names a command.
    """

    title: str
    package: str
    menu: Sequence[MenuEntry]
    routes: Callable[[Web], Sequence[WebRoute]]
    unlock: Callable[[str], Awaitable[bool]] | None = None
    unlockable: Callable[[], bool] = lambda: True
    on_lock: Callable[[], None] = lambda: None
    hints: Mapping[type[VeilmartError], str] = field(default_factory=dict)


def build_web(plan: Plan, stop: asyncio.Event) -> Web:
    """What the routes of `plan` share. Inside a running event loop."""
    return Web(
        pages=Pages(plan.title, plan.package, plan.menu, plan.hints),
        jobs=Jobs(),
        names=OpaqueNames(secrets.token_bytes(32)),
        offers=Offers(time.monotonic),
        streams=Streams(stop),
        entrance=Entrance(time.monotonic, plan.on_lock),
    )
