"""`veilmart broker token list|retire`."""

from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.cli.merchants import open_books, show_table
from veilmart.broker.keys import token_keys
from veilmart.broker.keys.token_keys import KeyRow
from veilmart.broker.tokens.key_retirement import Retired, retire
from veilmart.broker.tokens.key_totals import KeyTotals, solvency
from veilmart.errors import Declined, NoSuchTokenKey
from veilmart.protocol.accounting import format_amount
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command

token_app = App(name="token", help="The keys under which this broker signs tokens.")
_ID_SHOWN = 8


class KeyLine(msgspec.Struct, frozen=True):
    """id: hexadecimal. price: minor units. state: early, issuing, ending or retired.

    until: when that state ends, Unix seconds; 0 for never. The rest are numbers of tokens.
    """

    id: str
    price: int
    epoch: int
    state: str
    until: int
    withdrawn: int
    reissued: int
    redeemed: int
    returned: int
    expired: int
    outstanding: int


def register_tokens(app: App) -> None:
    """Mount these commands on the broker's app."""
    app.command(token_app)


def key_lines(conn: Connection, now: int) -> list[KeyLine]:
    """Every key there ever was, oldest epoch first."""
    living = {row.id: row for row in token_keys.living(conn)}
    return [_line(totals, living.get(totals.id), now) for totals in solvency(conn)]


def find_living(conn: Connection, prefix: str) -> KeyRow:
    """By the beginning of its id, in hexadecimal. Raises NoSuchTokenKey if not just one."""
    wanted = prefix.strip().lower()
    found = [row for row in token_keys.living(conn) if wanted and row.id.hex().startswith(wanted)]
    if len(found) != 1:
        raise NoSuchTokenKey(f"{len(found)} keys begin with {prefix[:80]!r}.")
    return found[0]


def retire_key(conn: Connection, key: KeyRow, now: int) -> Retired | None:
    """Retire it, and let a running broker know. None if it was retired."""
    retired = retire(conn, key, now)
    settings.touch(conn)
    return retired


@token_app.command(name="list")
@command
def list_keys(*, common: Common = Common()) -> None:
    """Every token key: what was withdrawn, spent, returned, and is outstanding."""
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
    show_table(common.terminal(), lines, heads, rows)


@token_app.command(name="retire")
@command
def retire_now(
    key: Annotated[str, Parameter(help="The beginning of the key's id.")],
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.")] = False,
    common: Common = Common(),
) -> None:
    """End a token key for ever: its tokens are worth nothing any more. For a stolen key only."""
    terminal = common.terminal()
    with open_books(common) as opened:
        run_now = opened.database.run_now
        living = run_now(find_living, key)
        decimals = run_now(settings.load).decimals
        totals = {line.id: line for line in opened.database.read_now(solvency)}[living.id]
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
        lambda console: console.print(f"It is retired; {expired} tokens expired.", markup=False),
    )


def _line(totals: KeyTotals, living: KeyRow | None, now: int) -> KeyLine:
    state, until = "retired", 0
    if living is not None and not living.is_over(now):
        state, until = "ending", token_keys.spend_until(living.epoch)
        if living.epoch >= token_keys.epoch_of(now):
            early = living.epoch > token_keys.epoch_of(now)
            state = "early" if early else "issuing"
            until = token_keys.issue_from(living.epoch + (not early))
    fields = msgspec.structs.asdict(totals) | {"id": totals.id.hex()}
    return KeyLine(state=state, until=until, **fields)
