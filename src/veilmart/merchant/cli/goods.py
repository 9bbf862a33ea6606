"""`veilmart merchant add|remove|list|edit` and `shelf ...`."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.errors import BadArgument, BadName
from veilmart.limits import SAMPLE_MAX_BYTES
from veilmart.merchant.cli.views import draw_products, product_views, shelf_views
from veilmart.merchant.goods.products import (
    edit_product,
    find_product,
    load_products,
    remove_product,
)
from veilmart.merchant.goods.shelves import create_shelf
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.goods.showcases import Sample, change_look
from veilmart.merchant.home import MerchantHome, open_merchant
from veilmart.merchant.stocking.adding import Added, Plan, add_products, check_price, plan_batch
from veilmart.merchant.stocking.covers import encode_cover, read_bounded
from veilmart.merchant.stocking.packing import Source, look_at, sold_name, sources_in
from veilmart.merchant.stocking.repricing import reprice
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Terminal
from veilmart.terminal.tables import show_table

DEFAULTS = Common()
MUCH_LARGER = 8
"""So many times as large as its goods is a shelf that is worth a word."""
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def _home(common: Common) -> Path:
    return common.home or default_home("merchant")


@command
def add(
    *paths: Annotated[
        str,
        Parameter(
            help="Files, folders of files, or - for standard input.", allow_leading_hyphen=True
        ),
    ],
    shelf: Annotated[str | None, Parameter(help="Name of the shelf.")] = None,
    price: Annotated[str | None, Parameter(help="A price point of the broker, as 5.00.")] = None,
    title: Annotated[str | None, Parameter(help="Title of a single product.")] = None,
    description: Annotated[str | None, Parameter(help="Text for a single product.")] = None,
    file_name: Annotated[str | None, Parameter(help="Name of the customer's file.")] = None,
    alone: Annotated[bool, Parameter(help="Accept a product alone on its shelf.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Put files on sale. The same file name on the same shelf becomes a new version."""
    _add(paths, shelf, price, (title, description, file_name), alone, common)


def _add(
    paths: tuple[str, ...],
    shelf: str | None,
    price: str | None,
    words: tuple[str | None, str | None, str | None],
    alone: bool,
    common: Common,
) -> None:
    terminal = common.terminal()
    with ExitStack() as stack:
        market = stack.enter_context(open_merchant(_home(common), common.database))
        sources = _sources(paths, words, market, stack, terminal.say)
        decimals = market.database.run_now(read_shop).decimals
        amount = None if price is None else parse_amount(price, decimals)
        if sources:
            plan = market.database.read_now(plan_batch, sources, shelf, amount, alone)
            for line in _chosen(plan, sources, price is None and shelf is None, decimals):
                terminal.say(line)
        added: Added | None = None
        steps = add_products(
            market,
            sources,
            shelf=shelf,
            price=amount,
            alone=alone,
            now=unix_now(),
            random=os.urandom,
        )
        for step in steps:
            if isinstance(step, Added):
                added = step
            else:
                terminal.say(f"{step.done}/{step.total} {step.file_name}")
        report_added(terminal, added, decimals)


def _chosen(
    plan: Plan, sources: tuple[Source, ...], by_itself: bool, decimals: int
) -> Iterator[str]:
    """What was chosen that nobody asked for, before anything is packed."""
    price = format_amount(plan.price, decimals)
    if by_itself:
        yield f"Price {price} (another one: --price)."
    largest = max(source.packed_size for source in sources)
    if plan.shelf is not None and plan.size >= MUCH_LARGER * largest:
        yield (
            f"On the shelf {plan.name} every download has {plan.size:,} bytes; these need "
            f"{largest:,} at most."
        )
        yield "A smaller shelf: `veilmart merchant shelf create`, then --shelf."


def report_added(terminal: Terminal, added: Added | None, decimals: int) -> None:
    """Print what was put on sale."""
    if added is None:
        raise BadArgument("Give at least one file.")
    price = format_amount(added.shelf.price, decimals)
    names = [product.title for product in added.products]
    terminal.result(
        {
            "shelf": added.shelf.name,
            "price": price,
            "products": [
                {"id": p.id.hex(), "title": p.title, "version": p.version} for p in added.products
            ],
        },
        lambda console: console.print(
            f"On sale at {price} on the shelf {added.shelf.name}: {', '.join(names)}"
        ),
    )


def _sources(
    paths: tuple[str, ...],
    words: tuple[str | None, str | None, str | None],
    market: MerchantHome,
    stack: ExitStack,
    tell: Callable[[str], None],
) -> tuple[Source, ...]:
    title, description, file_name = words
    if any(words) and (len(paths) != 1 or Path(paths[0]).is_dir()):
        raise BadArgument("--title, --description and --file-name go with a single file.")
    found: list[Source] = []
    for text in paths:
        path = Path(text)
        if text == "-":
            if file_name is None:
                raise BadName("Standard input has none; pass --file-name.")
            path = stack.enter_context(_Spooled(market.home.path)).path
        elif path.is_dir() and not path.is_symlink():
            found += sources_in(path, tell)
            continue
        found.append(look_at(path, file_name=file_name, title=title, description=description))
    if not found:
        raise BadArgument("Give at least one file.")
    return tuple(found)


class _Spooled:
    """Standard input copied to a file in the home folder: its size has to be known first."""

    def __init__(self, folder: Path) -> None:
        with typed_file_errors("The home folder"):
            self._folder = tempfile.TemporaryDirectory(dir=folder, prefix="stdin-")
        self.path = Path(self._folder.name) / "content"

    def __enter__(self) -> "_Spooled":
        with typed_file_errors("The home folder"), self.path.open("wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


@command
def remove(
    product: Annotated[str, Parameter(help="Number, title or id of a product.")],
    *,
    alone: Annotated[bool, Parameter(help="Accept leaving a product alone on its shelf.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Take a product off its shelf. Sold orders are still delivered."""
    with open_merchant(_home(common), common.database) as market:
        found = find_product(market.database.read_now(load_products), product)
        market.database.run_now(remove_product, found.id, alone)
    common.terminal().result(
        {"removed": found.id.hex()},
        lambda console: console.print(f"{found.title} is no longer on sale."),
    )


@command
def list_products(*, common: Common = DEFAULTS) -> None:
    """List all products on sale, numbered as in the menu."""
    with open_merchant(_home(common), common.database) as market:
        views = market.database.read_now(product_views)
    common.terminal().result(views, lambda console: draw_products(console, views))


@command
def edit(
    product: Annotated[str, Parameter(help="Number, title or id of a product.")],
    *,
    title: str | None = None,
    description: str | None = None,
    tags: Annotated[
        list[str] | None, Parameter(name="--tag", negative="", help="All its tags, one each time.")
    ] = None,
    no_tag: Annotated[bool, Parameter(negative="", help="Remove all tags.")] = False,
    price: Annotated[
        str | None, Parameter(help="Move it to a shelf of this price point, now.")
    ] = None,
    alone: Annotated[bool, Parameter(help="With --price: accept one alone on a shelf.")] = False,
    wish: Annotated[str | None, Parameter(help="Price wanted in the next plan.")] = None,
    cover: Annotated[Path | None, Parameter(help="A picture, shown before the sale.")] = None,
    no_cover: Annotated[bool, Parameter(negative="", help="Remove the cover.")] = False,
    sample: Annotated[Path | None, Parameter(help="A file that anybody may have.")] = None,
    no_sample: Annotated[bool, Parameter(negative="", help="Remove the sample.")] = False,
    available: Annotated[bool, Parameter(negative="", help="It can be bought.")] = False,
    out: Annotated[bool, Parameter(negative="", help="It cannot be bought.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Change a product's words, price, cover or sample, or whether it can be bought."""
    if available and out:
        raise BadArgument("Either --available or --out.")
    if tags and no_tag:
        raise BadArgument("Either --tag or --no-tag.")
    chosen = True if available else False if out else None
    look = _look(cover, no_cover, sample, no_sample)
    with open_merchant(_home(common), common.database) as market:
        found = find_product(market.database.read_now(load_products), product)
        decimals = market.database.run_now(read_shop).decimals

        def price_point(text: str | None) -> int | None:
            if text is None:
                return None
            return market.database.run_now(check_price, parse_amount(text, decimals))

        wished, asked = price_point(wish), price_point(price)
        changes = (title, description, chosen, [] if no_tag else tags, wished)
        moved = ""
        if asked is not None:
            shelf = reprice(market, found, asked, alone=alone, random=os.urandom)
            moved = f" It costs {format_amount(asked, decimals)} now, on the shelf {shelf.name}."
        if look != _KEPT:
            market.database.run_now(change_look, found.id, cover=look[0], sample=look[1])
        words = any(change is not None for change in changes)
        if words or (asked is None and look == _KEPT):
            market.database.run_now(edit_product, found.id, *changes)
    common.terminal().result(
        {"changed": found.id.hex()},
        lambda console: console.print(f"{found.title} was changed.{moved}"),
    )


_KEPT = (None, None)


def _look(
    cover: Path | None, no_cover: bool, sample: Path | None, no_sample: bool
) -> tuple[bytes | None, Sample | None]:
    """The new cover and sample, empty to remove them, None to keep them.

    Raises BadArgument, BadSourceFile, BadName.
    """
    if (cover and no_cover) or (sample and no_sample):
        raise BadArgument("Either a new one, or --no-cover and --no-sample to remove it.")
    picture = b"" if no_cover else encode_cover(cover) if cover else None
    shown: Sample | None = ("", b"") if no_sample else None
    if sample:
        shown = sold_name(sample.name), read_bounded(sample, SAMPLE_MAX_BYTES)
    return picture, shown


@command
def list_shelves(*, common: Common = DEFAULTS) -> None:
    """List shelves with price, padded size and number of products."""
    with open_merchant(_home(common), common.database) as market:
        views = market.database.read_now(shelf_views)
    show_table(
        common.terminal(),
        views,
        ("#", "name", "price", "bytes", "products"),
        [(v.number, v.name, v.price, v.size, v.products) for v in views],
    )


@command
def create(
    name: str,
    *,
    price: Annotated[str, Parameter(help="A price point of the broker, as 5.00.")],
    size: Annotated[str, Parameter(help="Bytes, or with K, M, G: the largest product.")],
    common: Common = DEFAULTS,
) -> None:
    """Make a shelf. Its price and size never change."""
    with open_merchant(_home(common), common.database) as market:
        decimals = market.database.run_now(read_shop).decimals
        amount = market.database.run_now(check_price, parse_amount(price, decimals))
        shelf = market.database.run_now(create_shelf, name, amount, parse_size(size))
    common.terminal().result(
        {"number": shelf.id, "name": shelf.name, "size": shelf.size},
        lambda console: console.print(
            f"Shelf {shelf.name}: {shelf.size} bytes at {format_amount(amount, decimals)}"
        ),
    )


def parse_size(text: str) -> int:
    """ "256K" → 262144. Raises BadArgument."""
    digits, unit = (
        (text[:-1], _UNITS[text[-1].upper()]) if text[-1:].upper() in _UNITS else (text, 1)
    )
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise BadArgument(f"{text[:20]!r} is not a size.")
    return int(digits) * unit
