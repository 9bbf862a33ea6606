"""What the operator's pages work with: the opened home, and the forms' numbers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.home import BrokerHome
from veilmart.broker.settings import Settings
from veilmart.errors import FormInvalid
from veilmart.protocol.ports import Clock, Random
from veilmart.web.forms import Form

P = ParamSpec("P")
T = TypeVar("T")

WHOLE_DIGITS_MAX = 15


class Desk:
    """The operator's side of an opened broker."""

    def __init__(self, opened: BrokerHome, clock: Clock, random: Random) -> None:
        self.opened, self.clock, self.random = opened, clock, random

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


def in_thread(act: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    """`act`, which blocks on the database, as something to wait for."""

    async def perform() -> str:
        return await asyncio.to_thread(act)

    return perform


def whole_number(form: Form, name: str, least: int, most: int) -> int:
    """A whole number of a form, exactly as written. Raises FormInvalid."""
    text = form.text(name)
    if not (text.isascii() and text.isdigit() and len(text) <= WHOLE_DIGITS_MAX):
        raise FormInvalid("Give a whole number.")
    if not least <= int(text) <= most:
        raise FormInvalid(f"Give a number from {least} to {most}.")
    return int(text)
