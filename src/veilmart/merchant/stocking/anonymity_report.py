"""`merchant report`: how well each shelf hides what was bought, and what that costs.

The broker sees the shelf of every sale. Its best guess is the shelf's best-selling product, right
with that product's share of the sales. 2^H, H the entropy of the shares in bits, is how many
equally popular products would hide as well.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from veilmart.merchant.goods.products import load_products
from veilmart.merchant.goods.shelves import load_shelves
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.schema.tables import orders
from veilmart.merchant.stocking.shelf_moves import packed_size
from veilmart.protocol.accounting import format_amount

_SALES = (
    select(orders.c.shelf, orders.c.product, func.count())
    .where(orders.c.state.in_(["paid", "settled"]))
    .group_by(orders.c.shelf, orders.c.product)
)


@dataclass(frozen=True)
class ShelfReport:
    """k: products on the shelf. effective: 2^H over the sales, k before the first sale.

    guess: the best guess is right with this probability. overhead: filler per byte of content.
    """

    shelf: str
    price: str
    size: int
    k: int
    sales: int
    effective: float
    guess: float
    overhead: float


def effective_set(counts: Iterable[int]) -> float:
    """2^H of sales per product; 0 without any."""
    shares = [count for count in counts if count]
    total = sum(shares)
    if not total:
        return 0.0
    entropy = -sum(count / total * math.log2(count / total) for count in shares)
    return float(2**entropy)


def best_guess(counts: Iterable[int]) -> float:
    """The largest share; 0 without sales."""
    shares = list(counts)
    return max(shares) / sum(shares) if sum(shares) else 0.0


def shelf_reports(connection: Connection) -> list[ShelfReport]:
    """Transaction: every shelf on which something stands."""
    decimals = read_shop(connection).decimals
    standing = load_products(connection)
    sold: dict[int, list[int]] = {}
    for shelf_id, _product, count in connection.execute(_SALES):
        sold.setdefault(shelf_id, []).append(count)
    reports = []
    for shelf in load_shelves(connection):
        here = [product for product in standing if product.shelf == shelf.id]
        if not here:
            continue
        counts = sold.get(shelf.id, [])
        content = sum(0 if product.codes else packed_size(product) for product in here)
        stored = shelf.size * len(here)
        reports.append(
            ShelfReport(
                shelf=shelf.name,
                price=format_amount(shelf.price, decimals),
                size=shelf.size,
                k=len(here),
                sales=sum(counts),
                effective=effective_set(counts) or float(len(here)),
                guess=best_guess(counts) or 1 / len(here),
                overhead=(stored - content) / content if content else 0.0,
            )
        )
    return reports


# ---- charts ------------------------------------------------------------------------------------

BAR_CHARACTERS = 40
_ROW, _BAR, _LEFT, _WIDTH = 34, 16, 190, 420


def bar(report: ShelfReport, largest: int) -> str:
    """2^H as full blocks, the rest up to k as light ones."""
    scale = BAR_CHARACTERS / max(largest, 1)
    whole = max(1, round(report.k * scale))
    full = min(whole, max(1, round(report.effective * scale)))
    return "█" * full + "░" * (whole - full)


def chart_svg(reports: list[ShelfReport]) -> str:
    """A bar for each shelf: outlined to k, filled to 2^H."""
    largest = max((report.k for report in reports), default=1)
    height = 60 + _ROW * len(reports)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="760" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="26" font-size="16">Effective anonymity set of each shelf</text>',
    ]
    for number, report in enumerate(reports):
        top = 46 + _ROW * number
        full = _WIDTH * min(report.effective, report.k) / largest
        whole = _WIDTH * report.k / largest
        parts += [
            f'<text x="16" y="{top + 13}">{_escaped(report.shelf)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{full:.1f}" height="{_BAR}" fill="#2a6f97"/>',
            f'<rect x="{_LEFT}" y="{top}" width="{whole:.1f}" height="{_BAR}" fill="none" '
            'stroke="#2a6f97"/>',
            f'<text x="{_LEFT + whole + 8:.1f}" y="{top + 13}">{report.effective:.1f} of '
            f"{report.k}, guess {report.guess:.0%}</text>",
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
