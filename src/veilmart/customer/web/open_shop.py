"""A shop as it is open in the browser: catalogue and covers, fetched whole, searched here."""

import asyncio
import io
from dataclasses import dataclass, field

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper
from veilmart.errors import ProductGone
from veilmart.limits import (
    WEB_COVER_SIDE_MAX_PIXELS,
    WEB_COVERS_MAX_BYTES,
    WEB_PRODUCTS_PER_PAGE,
)
from veilmart.protocol.catalogue import Product
from veilmart.protocol.showcase import Picture
from veilmart.protocol.typed_text import sought
from veilmart.web.jobs import Report

_JPEG = b"\xff\xd8\xff"
TAGS_SHOWN_MAX = 40


@dataclass(frozen=True)
class Filter:
    """What of a shop is shown. page: from 1. order: "", "title" or "price"."""

    words: str = ""
    tag: str = ""
    order: str = ""
    page: int = 1


@dataclass(frozen=True)
class Listed:
    """One page of a shop's products. found: of all pages."""

    products: list[Product]
    found: int
    page: int
    pages: int


@dataclass(frozen=True)
class OpenShop:
    """covers, samples: by product id. searched: products with their folded text."""

    menu: Menu
    decimals: int
    currency: str
    fetched_at: int
    covers: dict[bytes, bytes] = field(repr=False)
    samples: dict[bytes, Picture] = field(repr=False)
    searched: list[tuple[Product, str]] = field(repr=False)
    by_id: dict[bytes, Product] = field(repr=False)
    tags: list[str]

    def price(self, product: Product) -> int:
        """Minor units."""
        return self.menu.shelf(product).price

    def listed(self, wanted: Filter) -> Listed:
        """Products with every word, in any case, and the tag; a page of them."""
        words = sought(wanted.words).split()
        found = [
            product
            for product, text in self.searched
            if all(word in text for word in words)
            and (not wanted.tag or wanted.tag in product.tags)
        ]
        if wanted.order == "title":
            found.sort(key=lambda product: product.title.casefold())
        elif wanted.order == "price":
            prices = {shelf.id: shelf.price for shelf in self.menu.merchant.descriptor.shelves}
            found.sort(key=lambda product: prices[product.shelf])
        pages = max(1, -(-len(found) // WEB_PRODUCTS_PER_PAGE))
        page = min(max(1, wanted.page), pages)
        start = (page - 1) * WEB_PRODUCTS_PER_PAGE
        return Listed(found[start : start + WEB_PRODUCTS_PER_PAGE], len(found), page, pages)


async def fetch_shop(shopper: Shopper, merchant: bytes, report: Report) -> OpenShop:
    """Catalogue and covers. shopper: on an anonymous connection.

    Which shelves' covers are fetched depends on the catalogue alone, so looking at a product tells
    nothing. Raises what `Shopper.browse` raises.
    """
    report.step("Fetching the catalogue")
    menu = await shopper.browse(merchant)
    pictures: dict[bytes, Picture] = {}
    shelves = shelves_within(menu, WEB_COVERS_MAX_BYTES)
    for number, shelf in enumerate(shelves, 1):
        report.step(f"Fetching the covers of shelf {number} of {len(shelves)}")
        try:
            pictures |= await shopper.showcase(menu, shelf)
        except ProductGone:
            continue  # replaced since the catalogue was made
    broker = shopper.broker.descriptor
    return await asyncio.to_thread(
        open_shop, menu, pictures, (broker.decimals, broker.currency), shopper.wallet.clock()
    )


def shelves_within(menu: Menu, budget_bytes: int) -> list[int]:
    """Shelves in the catalogue's order, as far as their covers fit into the budget together."""
    chosen, left = [], budget_bytes
    for entry in menu.catalogue.catalogue.showcases:
        if entry.size > left:
            break
        left -= entry.size
        chosen.append(entry.shelf)
    return chosen


def open_shop(
    menu: Menu, pictures: dict[bytes, Picture], money: tuple[int, str], now: int
) -> OpenShop:
    """Blocks: covers are looked at and texts are folded once."""
    products = menu.products
    counts: dict[str, int] = {}
    for product in products:
        for tag in product.tags:
            counts[tag] = counts.get(tag, 0) + 1
    common = sorted(counts, key=lambda tag: (-counts[tag], tag))[:TAGS_SHOWN_MAX]
    return OpenShop(
        menu=menu,
        decimals=money[0],
        currency=money[1],
        fetched_at=now,
        covers={key: p.cover for key, p in pictures.items() if is_small_jpeg(p.cover)},
        samples={key: picture for key, picture in pictures.items() if picture.sample},
        searched=[(product, _folded(product)) for product in products],
        by_id={product.id: product for product in products},
        tags=sorted(common),
    )


def is_small_jpeg(cover: bytes) -> bool:
    """Whether a browser may decode it: a JPEG of few pixels. Only its header is read here."""
    if not cover.startswith(_JPEG):
        return False
    from PIL import Image

    try:
        with Image.open(io.BytesIO(cover), formats=("JPEG",)) as picture:
            return max(picture.size) <= WEB_COVER_SIDE_MAX_PIXELS
    except Exception:  # the decoder's own errors are of many kinds
        return False


def _folded(product: Product) -> str:
    about = (product.title, product.description, product.file_name, *product.tags)
    return sought("\n".join(about))
