"""`veilmart broker token list|retire`."""

from typing import Annotated

from cyclopts import App, Parameter

from veilmart.broker import settings
from veilmart.broker.cli.books import open_books, with_amounts
from veilmart.broker.tokens.key_retirement import retire_key
from veilmart.broker.tokens.key_totals import find_living, key_lines, key_totals
from veilmart.errors import Declined
from veilmart.protocol.accounting import format_amount
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.tables import show_table

token_app = App(name="token", help="The keys under which this broker signs tokens.")
_ID_SHOWN = 8


@token_app.command(name="list")
@command
def list_keys(*, common: Common = Common()) -> None:
    """List token keys: tokens withdrawn, spent, returned and outstanding."""
    with open_books(common) as opened:
        lines = opened.database.read_now(key_lines, unix_now())
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (
            line.id[:_ID_SHOWN],
            format_amount(line.price, decimals),
            str(line.epoch),
            line.state,
            str(line.withdrawn + line.reissued),
            *map(str, (line.redeemed, line.returned, line.expired, line.outstanding)),
        )
        for line in lines
    ]
    heads = ("Key", "Price", "Epoch", "State", "Issued", "Spent", "Returned", "Expired", "Left")
    value = [with_amounts(line, decimals, "price") for line in lines]
    show_table(common.terminal(), value, heads, rows)


@token_app.command(name="retire")
@command
def retire_now(
    key: Annotated[str, Parameter(help="The beginning of the key's id.")],
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.")] = False,
    common: Common = Common(),
) -> None:
    """Retire a token key for ever: its tokens become worthless. For a stolen key only."""
    terminal = common.terminal()
    with open_books(common) as opened:
        run_now = opened.database.run_now
        living = run_now(find_living, key)
        decimals = run_now(settings.load).decimals
        totals = {line.id: line for line in opened.database.read_now(key_totals)}[living.id]
        terminal.say(
            f"Token key {living.id.hex()[:_ID_SHOWN]}, "
            f"price {format_amount(living.price, decimals)}, epoch {living.epoch}: "
            f"{totals.outstanding} tokens of customers become worthless, and there will "
            "be no other key for that price and epoch."
        )
        if not yes and not terminal.confirm("Retire it for ever? (y/n) "):
            raise Declined("The token key was not retired.")
        retired = run_now(retire_key, living, unix_now())
    expired = 0 if retired is None else retired.expired
    terminal.result(
        {"id": living.id.hex(), "expired": expired},
        lambda console: console.print(f"It is retired; {expired} tokens expired."),
    )
