"""What the operator's pages work with: the opened home, and acts that are confirmed once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker import settings
from veilmart.broker.home import BrokerHome
from veilmart.broker.settings import Settings
from veilmart.errors import FormInvalid, NameNotConfirmed
from veilmart.protocol.ports import Clock, Random
from veilmart.web.forms import Form, read_form
from veilmart.web.plan import Web
from veilmart.web.rendering import go_to

P = ParamSpec("P")
T = TypeVar("T")

WHOLE_DIGITS_MAX = 15


@dataclass(frozen=True)
class Act:
    """An act that a page asks to confirm.

    facts: (name, value) shown above the button. name: what has to be typed, empty if nothing has.
    perform: does it, on another thread, and returns the path that shows its result. back: where
    the page leads that does not confirm.
    """

    title: str
    text: str
    button: str
    back: str
    perform: Callable[[], str] = field(repr=False)
    name: str = ""
    facts: tuple[tuple[str, str], ...] = ()


class Desk:
    """The operator's side of an opened broker."""

    def __init__(self, opened: BrokerHome, clock: Clock, random: Random) -> None:
        self.opened, self.clock, self.random = opened, clock, random
        self._acting = asyncio.Lock()

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a transaction. Raises what it raises."""
        return await self.opened.database.run(function, *args, **kwargs)

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Read one snapshot on another thread; the running broker goes on writing."""
        return await asyncio.to_thread(
            lambda: self.opened.database.read_now(function, *args, **kwargs)
        )

    async def settings(self) -> Settings:
        return await self.read(settings.load)

    def ask(self, web: Web, request: Request, act: Act) -> Response:
        """The page that asks for the confirmation of `act`."""
        return web.pages.page(request, "confirm.html", act=act, nonce=web.offers.show(act))

    async def confirm(self, web: Web, request: Request) -> Response:
        """Perform what was shown, once. Raises PageOutdated, NameNotConfirmed."""
        form = await read_form(request)
        nonce = form.text("nonce")
        act = web.offers.shown(nonce)
        if act.name and form.text("name") != act.name:
            raise NameNotConfirmed
        async with self._acting:
            path = await asyncio.to_thread(web.offers.confirm, nonce, lambda shown: shown.perform())
        return go_to(path)


def whole_number(form: Form, name: str, least: int, most: int) -> int:
    """A whole number of a form, exactly as written. Raises FormInvalid."""
    text = form.text(name)
    if not (text.isascii() and text.isdigit() and len(text) <= WHOLE_DIGITS_MAX):
        raise FormInvalid("Give a whole number.")
    if not least <= int(text) <= most:
        raise FormInvalid(f"Give a number from {least} to {most}.")
    return int(text)
