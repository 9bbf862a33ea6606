"""`veilmart broker price-points|fee|registration`."""

from typing import Annotated

from cyclopts import App, Parameter

from veilmart.broker import settings
from veilmart.broker.cli.books import open_books
from veilmart.broker.keys import token_keys
from veilmart.broker.merchants import load_merchants, shelves_without
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.storage.files.names import visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.numbers import Share

points_app = App(name="price-points", help="The amounts that products may cost.")


@points_app.default
@command
def show_points(*, common: Common = Common()) -> None:
    """Show the price points."""
    _points(None, common)


@points_app.command(name="set")
@command
def set_points(
    amounts: Annotated[list[str], Parameter(help="All price points, like 1.00 5.00.")],
    *,
    common: Common = Common(),
) -> None:
    """Replace the price points."""
    _points(amounts, common)


def _points(amounts: list[str] | None, common: Common) -> None:
    with open_books(common) as opened:
        run_now = opened.database.run_now
        decimals = run_now(settings.load).decimals
        unsold: list[tuple[str, int]] = []
        if amounts is not None:
            fresh = tuple(parse_amount(text, decimals) for text in amounts)
            unsold = shelves_without(opened.database.read_now(load_merchants), fresh)
            run_now(token_keys.set_price_points, fresh, unix_now())
            token_keys.make_missing(run_now, run_now(token_keys.missing, unix_now()))
        current = run_now(settings.load)
    shown = [format_amount(amount, decimals) for amount in current.price_points]
    for merchant, price in unsold:
        common.terminal().say(
            f"Warning: {visible(merchant)} sells at {format_amount(price, decimals)}, which nobody "
            "can pay now. Tell the merchant: `veilmart merchant edit --price` moves a product."
        )
    common.terminal().result(
        {
            "price_points": shown,
            "currency": current.currency,
            "unsold": [
                {"merchant": merchant, "price": format_amount(price, decimals)}
                for merchant, price in unsold
            ],
        },
        lambda console: console.print(" ".join((*shown, current.currency))),
    )


@command
def fee(
    basis_points: Share = None,
    *,
    common: Common = Common(),
) -> None:
    """Set the broker's share of a sale, for sales invoiced from now on."""
    with open_books(common) as opened:
        if basis_points is not None:
            opened.database.run_now(settings.set_fee, basis_points)
        current = opened.database.run_now(settings.load).fee_basis_points
    common.terminal().result(
        {"basis_points": current},
        lambda console: console.print(f"Fee: {current} basis points ({current / 100:.2f} %)"),
    )


@command
def registration(
    mode: Annotated[
        str | None, Parameter(help="open, invitation or closed; without it, show the setting.")
    ] = None,
    *,
    common: Common = Common(),
) -> None:
    """Set who may open an account."""
    with open_books(common) as opened:
        if mode is not None:
            opened.database.run_now(settings.set_registration, mode)
        current = opened.database.run_now(settings.load).registration
    common.terminal().result(
        {"registration": current}, lambda console: console.print(f"Registration: {current}")
    )
