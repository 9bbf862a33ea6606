"""Acts that a page asks to confirm, with a name to type where they cannot be taken back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from veilmart.errors import NameNotConfirmed
from veilmart.web.forms import read_form
from veilmart.web.plan import Web, WebRoute, post
from veilmart.web.rendering import go_to

CONFIRM_PATH = "/confirm"


@dataclass(frozen=True)
class Act:
    """One act. facts: (name, value) shown above the button. name: has to be typed, if not empty.

    perform: does it and returns the path that shows its result. back: where the page leads that
    does not confirm.
    """

    title: str
    text: str
    button: str
    back: str
    perform: Callable[[], Awaitable[str]] = field(repr=False)
    name: str = ""
    facts: tuple[tuple[str, str], ...] = ()


class Acts:
    """The two steps of every act of a face."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def routes(self) -> list[WebRoute]:
        return [post(CONFIRM_PATH, self.confirm)]

    def ask(self, request: Request, act: Act) -> Response:
        """The page that asks for the confirmation of `act`."""
        nonce = self._web.offers.show(act)
        return self._web.pages.page(request, "confirm.html", act=act, nonce=nonce)

    async def confirm(self, request: Request) -> Response:
        """Perform what was shown, once. Raises PageOutdated, NameNotConfirmed."""
        form = await read_form(request)
        nonce = form.text("nonce")
        act: Act = self._web.offers.shown(nonce)
        if act.name and form.text("name") != act.name:
            raise NameNotConfirmed
        return go_to(await self._web.offers.perform(nonce, lambda shown: shown.perform()))
