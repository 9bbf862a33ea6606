"""What the operator sets: fee, price points, who may register; token keys."""

from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker import settings
from veilmart.broker.keys import token_keys
from veilmart.broker.settings import Settings
from veilmart.broker.tokens.key_retirement import retire_key
from veilmart.broker.tokens.key_totals import find_living, key_lines
from veilmart.broker.web.desk import Desk, in_thread
from veilmart.errors import VeilmartError
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.web.acts import Act, Acts
from veilmart.web.forms import read_form
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to

KEY_ID_SHOWN = 8


class SettingPages:
    """Each change is published in the next descriptor."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts

    def routes(self) -> list[WebRoute]:
        return [
            get("/settings", self.settings),
            post("/settings/fee", self.fee),
            post("/settings/registration", self.registration),
            post("/settings/points", self.points),
            post("/settings/retire", self.retire),
        ]

    async def settings(self, request: Request) -> Response:
        return await self._settings(request)

    async def _settings(self, request: Request, error: VeilmartError | None = None) -> Response:
        current = await self._desk.settings()
        keys = await self._desk.read(key_lines, self._desk.clock())
        return self._web.pages.page(
            request,
            "settings.html",
            settings=current,
            points=" ".join(format_amount(p, current.decimals) for p in current.price_points),
            keys=[(key, self._web.names.name("key", key.id.encode())) for key in keys],
            modes=(settings.OPEN, settings.INVITATION, settings.CLOSED),
            error=error,
        )

    async def fee(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            await self._desk.write(settings.set_fee, parse_amount(form.text("fee"), 2))  # per cent
        except VeilmartError as error:
            return await self._settings(request, error)
        return go_to("/settings")

    async def registration(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            await self._desk.write(settings.set_registration, form.text("mode"))
        except VeilmartError as error:
            return await self._settings(request, error)
        return go_to("/settings")

    async def points(self, request: Request) -> Response:
        """Replace the price points, after a confirmation that says which go."""
        form = await read_form(request)
        current = await self._desk.settings()
        try:
            texts = form.text("points").replace(",", " ").split()
            fresh = tuple(sorted({parse_amount(text, current.decimals) for text in texts}))
        except VeilmartError as error:
            return await self._settings(request, error)
        return self._acts.ask(request, self._new_points(current, fresh))

    def _new_points(self, current: Settings, fresh: tuple[int, ...]) -> Act:
        def perform() -> str:
            run_now, now = self._desk.opened.database.run_now, self._desk.clock()
            run_now(token_keys.set_price_points, fresh, now)
            token_keys.make_missing(run_now, run_now(token_keys.missing, now))
            return "/settings"

        def shown(points: set[int]) -> str:
            return " ".join(format_amount(p, current.decimals) for p in sorted(points)) or "none"

        before, after = set(current.price_points), set(fresh)
        return Act(
            title="Replace the price points",
            text="Merchants cannot open new shelves at a price that goes. Shelves at that price "
            "take no new orders.",
            button="Replace",
            back="/settings",
            perform=in_thread(perform),
            facts=(
                ("From now on", shown(after)),
                ("New", shown(after - before)),
                ("These go", shown(before - after)),
            ),
        )

    async def retire(self, request: Request) -> Response:
        """End a token key for ever; for a stolen key only."""
        form = await read_form(request)
        wanted = self._web.names.value("key", form.text("key")).decode()
        current = await self._desk.settings()
        lines = await self._desk.read(key_lines, self._desk.clock())
        living = await self._desk.read(find_living, wanted)
        outstanding = next(line.outstanding for line in lines if line.id == wanted)
        short = wanted[:KEY_ID_SHOWN]

        def perform() -> str:
            self._desk.opened.database.run_now(retire_key, living, self._desk.clock())
            return "/settings"

        act = Act(
            title="Retire a token key for ever",
            text="For a stolen key only. Its outstanding tokens become worthless, and the price "
            "and epoch get no other key. Type the key's short name to confirm.",
            button="Retire for ever",
            back="/settings",
            perform=in_thread(perform),
            name=short,
            facts=(
                ("Key", short),
                ("Price", format_amount(living.price, current.decimals)),
                ("Tokens that become worthless", str(outstanding)),
            ),
        )
        return self._acts.ask(request, act)
