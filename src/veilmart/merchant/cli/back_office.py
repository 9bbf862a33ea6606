"""`veilmart merchant join|refund|withdraw-request|export|backup|restore`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from veilmart.crypto import identity as keys
from veilmart.errors import Declined
from veilmart.merchant.back_office.exports import KINDS, export
from veilmart.merchant.back_office.operator_requests import ask_to_join, ask_to_withdraw
from veilmart.merchant.back_office.refunds import find_refundable, refund_order
from veilmart.merchant.backup_layout import LAYOUT
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import IDENTITY_FILE, open_merchant
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.storage.backup.backup import back_up
from veilmart.storage.files.home import default_home
from veilmart.storage.files.names import visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import MONEY, ServerCommon as Common, command, command_about
from veilmart.terminal.console import Terminal
from veilmart.terminal.csv_file import show_export
from veilmart.terminal.kept import OverNewer, Target, draw_backup, restore_server

DEFAULTS = Common()
WhichBroker = Annotated[
    str | None,
    Parameter(
        name="--broker", help="Which broker, by address or fingerprint, if several are accepted."
    ),
]


def _home(common: Common) -> Path:
    return common.home or default_home("merchant")


@command
async def join(
    url: Annotated[
        str, Parameter(help="Address at which the broker reaches this merchant: http://HOST:PORT.")
    ],
    *,
    broker: WhichBroker = None,
    common: Common = DEFAULTS,
) -> None:
    """Ask the broker's operator to admit this merchant."""
    with open_merchant(_home(common), common.database) as market:
        address = await ask_to_join(market, url, unix_now(), os.urandom, broker)
        shown = keys.format_fingerprint(market.fingerprint)
    common.terminal().result(
        {"address": address, "fingerprint": shown},
        lambda console: console.print(
            f"The broker's operator was asked to admit {address}.\nTell them your fingerprint: "
            f"{shown}",
        ),
    )


@command_about(MONEY)
async def withdraw_request(
    amount: str,
    *,
    note: Annotated[str, Parameter(help="For the operator: an account number, for example.")] = "",
    broker: WhichBroker = None,
    common: Common = DEFAULTS,
) -> None:
    """Ask the broker's operator for a payout from the balance."""
    with open_merchant(_home(common), common.database) as market:
        decimals = market.database.run_now(read_shop).decimals
        minor = parse_amount(amount, decimals)
        await ask_to_withdraw(market, minor, note, unix_now(), os.urandom, broker)
    shown = format_amount(minor, decimals)
    common.terminal().result(
        {"amount": shown},
        lambda console: console.print(f"The operator was asked for {shown}."),
    )


@command_about(MONEY)
async def refund(
    order: Annotated[
        str, Parameter(help="Beginning of the order's name, as the customer sees it.")
    ],
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Refund an order's whole price: before settlement, or later if the balance covers it."""
    terminal = common.terminal()
    with open_merchant(_home(common), common.database) as market:
        found = market.database.run_now(find_refundable, order)
        line = found.line
        question = f"Refund {line.price} for {visible(line.title)} ({line.state})? (y/n) "
        if not yes and not terminal.confirm(question):
            raise Declined("Nothing was refunded.")
        await refund_order(market, found, unix_now(), os.urandom)
    terminal.result(
        line,
        lambda console: console.print(
            f"{line.price} was refunded to the buyer of {visible(line.title)}."
        ),
    )


@command
def export_table(
    kind: Annotated[str, Parameter(help=f"One of: {', '.join(KINDS)}.")],
    file: Annotated[Path, Parameter(help="CSV file to write.")],
    *,
    common: Common = DEFAULTS,
) -> None:
    """Write a table as CSV; amounts as 5.00, times in Unix seconds."""
    with open_merchant(_home(common), common.database) as market:
        market.database.read_long(_write, kind, file, common.terminal())


def _write(connection: Connection, kind: str, file: Path, terminal: Terminal) -> None:
    """A reading, which does not block the server."""
    exported = export(connection, kind)
    show_export(terminal, file, exported.heads, exported.rows, read_shop(connection).decimals)


@command
def backup(file: Target, *, common: Common = DEFAULTS) -> None:
    """Back up identity, orders and products, also while the merchant runs. Keep the file secret."""
    with open_merchant(_home(common), common.database) as market:
        done = back_up(
            market.home,
            LAYOUT,
            file,
            identity=market.fingerprint,
            now=unix_now(),
            database=market.database,
        )
    common.terminal().result(done, lambda console: draw_backup(console, done))


@command
def restore_home(
    file: Annotated[Path, Parameter(help="A backup.")],
    *,
    over_newer: OverNewer = False,
    common: Common = DEFAULTS,
) -> None:
    """Restore a backup while the merchant is stopped; the present home is moved aside."""
    restore_server(file, _home(common), LAYOUT, IDENTITY_FILE, common, over_newer=over_newer)
