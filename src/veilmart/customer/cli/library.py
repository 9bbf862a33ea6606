"""`veilmart customer fetch|redeem|export|backup|restore`, and the copies' part of `sync`."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from veilmart.customer.backup_layout import LAYOUT
from veilmart.customer.cli.connect import broker_url, visited
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.progress import Drawer
from veilmart.customer.cli.prompts import Person
from veilmart.customer.display.order_lines import order_line
from veilmart.customer.library.updates import (
    fetch_again,
    fetch_due,
    owned_orders,
    plan_updates,
)
from veilmart.customer.wallet.copies import Copy
from veilmart.customer.wallet.orders import Order, stream_orders
from veilmart.customer.wallet.wallet import Wallet, find_order
from veilmart.errors import VeilmartError
from veilmart.protocol.accounting import format_amount
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import restore
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import MONEY, PURCHASE, Common, command, command_about
from veilmart.terminal.console import Terminal
from veilmart.terminal.csv_file import show_export
from veilmart.terminal.kept import OverNewer, Target, draw_backup, draw_restored

Outcome = tuple[Order, str, str, int]
"""(order, outcome, sentence, exit code)"""


# ---- fetching again ------------------------------------------------------------------------------


@command_about(PURCHASE)
async def fetch(
    order: Annotated[str, Parameter(help="Beginning of the order's name.")],
    *,
    newest: Annotated[
        bool, Parameter(help="The newest version instead of the one bought.")
    ] = False,
    out: Annotated[Path | None, Parameter(help="Folder; default: the one used before.")] = None,
    common: Common = Common(),
) -> None:
    """Download a product that you own again, without paying and without a login."""
    person = Person(common.terminal())
    drawer = Drawer(person.terminal)
    with opened_wallet(common) as wallet, wallet.purchasing():
        owned = find_order(wallet, order)
        target = Path(owned.out_folder) if out is None else out
        url = broker_url(wallet, owned.broker)
        async with visited(
            wallet, person, url, observe=drawer, mention=False, anonymous=True
        ) as shopper:
            try:
                copy = await fetch_again(shopper, owned, target, newest=newest)
            finally:
                drawer.close()
    result = {"order": owned.order.hex(), "version": copy.version, "path": copy.file_path}
    person.terminal.result(result, lambda console: None)


async def look_for_updates(wallet: Wallet, person: Person, *, everywhere: bool) -> list[Outcome]:
    """Schedule new versions, of one merchant drawn at random or of all."""
    owned = list(_by_merchant(wallet))
    if owned and not everywhere:
        owned = [owned[int.from_bytes(wallet.random(8), "big") % len(owned)]]
    outcomes: list[Outcome] = []
    for (broker, merchant), orders in owned:
        try:
            async with visited(
                wallet, person, broker_url(wallet, broker), mention=False, anonymous=True
            ) as shopper:
                plan_updates(wallet, await shopper.browse(merchant), orders)
        except VeilmartError as error:
            outcomes.append((orders[0], "error", error.explain(), error.exit_code))
    return outcomes


async def fetch_one(wallet: Wallet, person: Person, copy: Copy, order: Order) -> list[Outcome]:
    drawer = Drawer(person.terminal)
    try:
        url = broker_url(wallet, order.broker)
        async with visited(
            wallet, person, url, observe=drawer, mention=False, anonymous=True
        ) as shopper:
            done = await fetch_due(shopper, copy, order)
    except VeilmartError as error:
        return [(order, "error", error.explain(), error.exit_code)]
    finally:
        drawer.close()
    if done is None:
        return []
    return [(order, "updated", f"version {done.version} saved to {done.file_path}", 0)]


def _by_merchant(wallet: Wallet) -> Iterator[tuple[tuple[bytes, bytes], list[Order]]]:
    def place(order: Order) -> tuple[bytes, bytes]:
        return order.broker, order.merchant

    for key, orders in groupby(sorted(owned_orders(wallet), key=place), key=place):
        yield key, list(orders)


# ---- vouchers ------------------------------------------------------------------------------------


@command_about(MONEY)
async def redeem(
    *,
    code_file: Annotated[
        Path | None,
        Parameter(
            help="Read the code from this file; - is standard input.", allow_leading_hyphen=True
        ),
    ] = None,
    common: Common = Common(),
) -> None:
    """Add a voucher's amount to the account; the code is asked for or read from standard input."""
    person = Person(common.terminal())
    with opened_wallet(common) as wallet:
        async with visited(wallet, person) as shopper:
            redeemed = await shopper.account.redeem(person.secret("Voucher: ", code_file))
            decimals = shopper.broker.descriptor.decimals
    value = format_amount(redeemed.value, decimals)
    after = format_amount(redeemed.balance, decimals)
    said = f"{value} already redeemed by you" if redeemed.again else f"{value} redeemed"
    person.terminal.result(
        {"value": value, "balance": after, "again": redeemed.again},
        lambda console: console.print(f"{said}. Balance: {after}"),
    )


# ---- keeping -------------------------------------------------------------------------------------


@command
def export_orders(
    file: Annotated[Path, Parameter(help="CSV file to write.")], *, common: Common = Common()
) -> None:
    """Write every purchase as CSV, newest first."""
    with opened_wallet(common) as wallet:
        wallet.database.read_long(_write_orders, file, common.terminal())


def _write_orders(connection: Connection, file: Path, terminal: Terminal) -> None:
    """A reading; memory does not grow with the library."""
    heads = ("order", "state", "title", "version", "price", "made_at", "file")
    lines = (order_line(order) for order in stream_orders(connection))
    rows = ((v.order, v.state, v.title, v.version, v.price, v.made_at, v.path) for v in lines)
    show_export(terminal, file, heads, rows)


@command
def backup(file: Target, *, common: Common = Common()) -> None:
    """Back up the wallet: pins, login, purchases with keys. Keep the file as safe as money."""
    with opened_wallet(common) as wallet:
        done = back_up(wallet.home, LAYOUT, file, identity=b"", now=unix_now())
    common.terminal().result(done, lambda console: draw_backup(console, done))


@command
def restore_home(
    file: Annotated[Path, Parameter(help="A backup.")],
    *,
    over_newer: OverNewer = False,
    common: Common = Common(),
) -> None:
    """Restore a backup; the present home is moved aside."""
    path = common.home or default_home("customer")
    done = restore(file, path, LAYOUT, identity=None, over_newer=over_newer)
    common.terminal().result(done, lambda console: draw_restored(console, done))
