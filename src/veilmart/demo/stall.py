"""Stocking the demonstration's shop: which file goes on which shelf."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from veilmart.demo.goods import Good, make_goods
from veilmart.errors import AloneOnShelf, BadSourceFile, CannotDo
from veilmart.merchant.home import open_merchant
from veilmart.merchant.stocking.adding import Added, add_products
from veilmart.merchant.stocking.packing import Source, files_in, look_at, said_of
from veilmart.protocol.accounting import parse_amount
from veilmart.storage.files.names import shown_path, visible
from veilmart.terminal.clock import unix_now

SMALL_MAX_BYTES = 16 * 1024
MEDIUM_MAX_BYTES = 256 * 1024
PRICES = ("1.00", "2.00", "5.00")


def built_in_goods(folder: Path) -> list[Source]:
    """Make the built-in goods in `folder`, with their titles and descriptions."""
    goods: list[Good] = make_goods(folder)
    return [
        look_at(folder / good.file_name, title=good.title, description=good.description)
        for good in goods
    ]


def folder_goods(folder: Path, tell: Callable[[str], None] = lambda _line: None) -> list[Source]:
    """The files of any folder; files that are passed over are named.

    Raises BadSourceFile when there are none, AloneOnShelf for a single one.
    """
    if not folder.is_dir():
        raise BadSourceFile(f"{shown_path(folder)} is not a folder.")
    sources = []
    for path in files_in(folder, tell):
        try:
            sources.append(look_at(path))
        except CannotDo as error:
            tell(f"Skipped: {said_of(path, error)}")
    if not sources:
        raise BadSourceFile(f"{shown_path(folder)} has no file that can be sold.")
    if len(sources) == 1:
        alone = AloneOnShelf(f"{visible(sources[0].file_name)} would be.")
        alone.hint = "The demonstration takes a folder with two files or more."
        raise alone
    return sources


def shelve(sources: Sequence[Source]) -> list[tuple[str, list[Source]]]:
    """(price, products) of each shelf: small, medium, large. A shelf has two products or more.

    Groups that are too small to hide in join the next larger one.
    """
    bounds = (SMALL_MAX_BYTES, MEDIUM_MAX_BYTES, None)
    groups: list[list[Source]] = [[], [], []]
    for source in sources:
        place = next(i for i, bound in enumerate(bounds) if bound is None or source.size <= bound)
        groups[place].append(source)
    shelves: list[tuple[str, list[Source]]] = []
    carried: list[Source] = []
    for price, group in zip(PRICES, groups, strict=True):
        carried = carried + group
        if len(carried) > 1:
            shelves.append((price, carried))
            carried = []
    if carried and shelves:
        price, last = shelves.pop()
        shelves.append((price, last + carried))
    elif carried:
        shelves.append((PRICES[-1], carried))
    return shelves


def stock(
    merchant_home: Path, sources: Sequence[Source], tell: Callable[[str], None]
) -> list[Added]:
    """Put everything on sale; returns what stands on each shelf. tell: progress."""
    placed: list[Added] = []
    with open_merchant(merchant_home) as market:
        for price, group in shelve(sources):
            steps = add_products(
                market,
                tuple(group),
                price=parse_amount(price, 2),
                now=unix_now(),
                random=os.urandom,
            )
            for step in steps:
                if isinstance(step, Added):
                    placed.append(step)
                else:
                    tell(f"Merchant: packed {step.done} of {step.total}: {visible(step.file_name)}")
    return placed
