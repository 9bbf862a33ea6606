"""`veilmart merchant import` and `codes`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.errors import BadArgument, Declined
from veilmart.merchant.cli.shelves import DEFAULTS, K_USUAL, Alone, home_of
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.goods.shelves import code_shelves
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.goods.showcases import Look
from veilmart.merchant.home import open_merchant
from veilmart.merchant.sales.code_stock_windows import certain_stock, recount
from veilmart.merchant.sales.codes import (
    Stock,
    code_count,
    confirm_codes,
    stock,
    unconfirmed_codes,
)
from veilmart.merchant.stocking.adding import check_price
from veilmart.merchant.stocking.comparing import Comparison, compare
from veilmart.merchant.stocking.foreseeing import foresee_import
from veilmart.merchant.stocking.importing import Imported, import_folder
from veilmart.merchant.stocking.packing import look_at
from veilmart.merchant.stocking.restocking import restock_in_parts
from veilmart.merchant.stocking.shop_folder import CODES_SUFFIX, Entry, code_lines, read_folder
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.protocol.typed_text import name_of_file
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Console
from veilmart.terminal.numbers import ProductCount
from veilmart.terminal.tables import show_table

_IN_STOCK = (
    "Customers see new codes from the next full hour; on a new shelf within a minute, while "
    "`merchant run` serves."
)
Price = Annotated[str | None, Parameter(help="A price point of the broker, as 5.00.")]


@command
def import_shop(
    folder: Annotated[
        Path, Parameter(help="Folder of products, and shop.toml that describes them.")
    ],
    *,
    price: Price = None,
    k: ProductCount = K_USUAL,
    dry_run: Annotated[bool, Parameter(help="Only show what would change.", negative="")] = False,
    prune: Annotated[
        bool,
        Parameter(help="Take products that are not in the folder off their shelves.", negative=""),
    ] = False,
    skip_bad: Annotated[
        bool, Parameter(help="Import the other files when some cannot be sold.", negative="")
    ] = False,
    alone: Alone = False,
    common: Common = DEFAULTS,
) -> None:
    """Make the shop equal to a folder; only changed products are packed."""
    terminal = common.terminal()
    with open_merchant(home_of(common), common.database) as market:
        decimals = market.database.run_now(read_shop).decimals
        amount = None if price is None else parse_amount(price, decimals)
        usual = market.database.run_now(check_price, amount)
        entries = read_folder(folder, usual, decimals, skip_bad=skip_bad, tell=terminal.say)
        comparison = market.database.read_now(compare, entries, k)
        if dry_run:
            market.database.read_now(foresee_import, comparison, prune=prune, alone=alone)
            terminal.result(
                _as_json(comparison, decimals, prune),
                lambda console: _draw(console, comparison, decimals, prune),
            )
            return
        imported: Imported | None = None
        now = unix_now()
        steps = import_folder(
            market, comparison, prune=prune, alone=alone, now=now, random=os.urandom
        )
        for step in steps:
            if isinstance(step, Imported):
                imported = step
            else:
                terminal.say(f"{step.done}/{step.total} {step.file_name}")
    if imported is None:
        raise BadArgument("Nothing was imported.")
    done = imported
    codes = any(entry.codes for entry in entries) and bool(done.new or done.changed)
    terminal.result(done, lambda console: _draw_imported(console, done, codes=codes))


def _draw_imported(console: Console, done: Imported, *, codes: bool) -> None:
    console.print(
        f"{done.new} new, {done.changed} changed, {done.same} as before, "
        f"{done.removed} removed; {done.shelves} new shelves."
    )
    if codes:
        console.print(_IN_STOCK)


def _as_json(comparison: Comparison, decimals: int, prune: bool) -> dict[str, object]:
    return {
        "changes": [
            {"file_name": change.entry.source.file_name, "what": change.what}
            for change in comparison.changes
            if change.what
        ],
        "shelves": [
            {
                "price": format_amount(shelf.price, decimals),
                "size": shelf.size,
                "products": len(shelf.items),
                "padding": shelf.padding,
                "short": shelf.short,
            }
            for shelf in comparison.planned
        ],
        "removed": [product.file_name for product in comparison.gone] if prune else [],
    }


def _draw(console: Console, comparison: Comparison, decimals: int, prune: bool) -> None:
    for change in comparison.changes:
        if change.what:
            name = change.entry.source.file_name
            console.print(f"{', '.join(change.what):<16} {name}")
    for shelf in comparison.planned:
        few = ", fewer than k" if shelf.short else ""
        console.print(
            f"new shelf        {format_amount(shelf.price, decimals)}: {len(shelf.items)} products "
            f"of {shelf.size:,} bytes, {shelf.padding:,} of padding{few}"
        )
    for product in comparison.gone:
        what = "removed" if prune else "not in folder"
        console.print(f"{what:<16} {product.file_name}")
    if not any(change.what for change in comparison.changes):
        console.print("Nothing changed.")


# ---- codes ---------------------------------------------------------------------------------------


@command
def add(
    *files: Annotated[Path, Parameter(help="Files with one product each; one code a line.")],
    price: Price = None,
    title: Annotated[str | None, Parameter(help="Title of a single product.")] = None,
    description: Annotated[str, Parameter(help="Text for a single product.")] = "",
    alone: Alone = False,
    common: Common = DEFAULTS,
) -> None:
    """Put unique codes on sale, or add codes. More stock shows within an hour."""
    _add(files, price, title, description, alone, common)


def _add(
    files: tuple[Path, ...],
    price: str | None,
    title: str | None,
    description: str,
    alone: bool,
    common: Common,
) -> None:
    if not files or (len(files) > 1 and (title is not None or description)):
        raise BadArgument("Give files of codes; --title and --description go with a single one.")
    with open_merchant(home_of(common), common.database) as market:
        decimals = market.database.run_now(read_shop).decimals
        amount = None if price is None else parse_amount(price, decimals)
        standing = {p.file_name: p for p in market.database.read_now(load_products) if p.codes}
        entries, given, added = [], 0, 0
        for path in files:
            stem = name_of_file(path.name).removesuffix(CODES_SUFFIX).removesuffix(".txt")
            lines = code_lines(path)
            given += len(lines)
            product = standing.get(f"{stem}.txt")
            if product is not None:
                added += restock_in_parts(market, product, lines, os.urandom)
                continue
            source = look_at(
                path, file_name=f"{stem}.txt", title=title or stem, description=description
            )
            cost = market.database.run_now(check_price, amount)
            entries.append(Entry(source, cost, "", Look(), b"", tuple(lines)))
        if entries:
            before = market.database.run_now(code_count)
            comparison = market.database.read_now(compare, entries, len(entries))
            now = unix_now()
            for _ in import_folder(
                market, comparison, prune=False, alone=alone, now=now, random=os.urandom
            ):
                continue
            added += market.database.run_now(code_count) - before
    common.terminal().result(
        {"added": added, "known": given - added},
        lambda console: _draw_codes(console, added, given - added),
    )


def _draw_codes(console: Console, added: int, known: int) -> None:
    console.print(f"{added} codes added, {known} were known already.")
    if added:
        console.print(_IN_STOCK)


@command
def recount_codes(
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Count the true stock again, so that leftover codes can be sold.

    Stock is shown as if every order of a shelf had been for every product of it. A recount reveals,
    at the next full hour, how the orders were spread over the products. Adding codes does not.
    """
    terminal = common.terminal()
    question = "A recount reveals to others which products were sold. Continue? (y/n) "
    if not (yes or terminal.confirm(question)):
        raise Declined("Nothing was changed.")
    with open_merchant(home_of(common), common.database) as market:
        for shelf in sorted(market.database.run_now(code_shelves)):
            market.database.run_now(recount, shelf)
    terminal.result(
        {"recounted": True},
        lambda console: console.print("The true stock is shown from the next full hour on."),
    )


@command
def confirm(
    file: Annotated[Path | None, Parameter(help="Codes that were not sold, one a line.")] = None,
    *,
    all_of_them: Annotated[
        bool, Parameter(name="--all", help="None was sold since the backup.", negative="")
    ] = False,
    common: Common = DEFAULTS,
) -> None:
    """After a restore: confirm codes that were not sold since the backup, or list them."""
    now = unix_now()
    with open_merchant(home_of(common), common.database) as market:
        run_now = market.database.run_now
        waiting = run_now(unconfirmed_codes, now)
        good = waiting if all_of_them else [] if file is None else code_lines(file)
        confirmed = run_now(confirm_codes, good, now)
        left = run_now(unconfirmed_codes, now)

    def draw(console: Console) -> None:
        if good:
            console.print(f"Offered again from the next full hour on: {confirmed}.")
        for line in left:
            console.print(line)
        if left:
            console.print(f"{len(left)} codes wait: they may have been sold since the backup.")

    common.terminal().result({"confirmed": confirmed, "waiting": left}, draw)


@command
def list_stock(*, common: Common = DEFAULTS) -> None:
    """Show the stock of every product of codes. Only the merchant sees it.

    "orders it is good for": what customers see, as if all orders of its shelf had been for it.
    """
    with open_merchant(home_of(common), common.database) as market:
        counts = market.database.read_now(stock)
        certain = market.database.read_now(certain_stock)
        named = [
            (
                product.title,
                counts.get(product.id, Stock(product.id, 0, 0, 0)),
                certain.get(product.id, 0),
            )
            for product in market.database.read_now(load_products)
            if product.codes
        ]
    show_table(
        common.terminal(),
        [
            {
                "title": title,
                "free": f.free,
                "reserved": f.reserved,
                "sold": f.sold,
                "certain": left,
                "unconfirmed": f.unconfirmed,
            }
            for title, f, left in named
        ],
        ("title", "free", "offered", "sold", "orders it is good for", "unknown since backup"),
        [(title, f.free, f.reserved, f.sold, left, f.unconfirmed) for title, f, left in named],
    )


codes_app = App(name="codes", help="Unique codes: licence keys, gift cards; one per sale.")
codes_app.command(add, name="add")
codes_app.command(list_stock, name="list")
codes_app.command(recount_codes, name="recount")
codes_app.command(confirm, name="confirm")
