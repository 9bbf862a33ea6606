"""A catalogue of 10,000 products at the customer's: opened, checked and searched."""

import os
import time
from statistics import median

from veilmart.crypto import signing
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.display.lists import menu_lines
from veilmart.protocol.catalogue import Catalogue, Product, open_catalogue, sign_catalogue
from veilmart.protocol.descriptor import Descriptor, Shelf, SignedDescriptor

PRODUCTS = 10_000
BOUND_MS = 150.0
ROUNDS = 9
WORDS = [
    "atlas",
    "of",
    "the",
    "northern",
    "sky",
    "with",
    "eighty",
    "maps",
    "tables",
    "and",
    "notes",
    "for",
    "every",
    "month",
]


def _product(number: int) -> Product:
    words = [WORDS[(number * step) % len(WORDS)] for step in range(1, 40)]
    return Product(
        id=number.to_bytes(16, "big"),
        shelf=1 + number % 8,
        version=1,
        file_name=f"product-{number}.pdf",
        title=f"{' '.join(words[:4])} {number}",
        description=" ".join(words),
        size=1000 + number,
        root=os.urandom(32),
        available=True,
        tags=words[4:8],
    )


def _papers() -> SignedDescriptor:
    shelves = [
        Shelf(
            id=number,
            name=f"shelf {number}",
            price=100 * number,
            size=1 << 20,
            pay_within=900,
            deliver_within=86400,
            settle_within=259200,
        )
        for number in range(1, 9)
    ]
    descriptor = Descriptor(
        role="merchant",
        name="shop",
        identity=b"",
        tunnel_keys=[],
        signing_key=bytes(32),
        shelves=shelves,
        price_points=[],
        currency="EUR",
        decimals=2,
        brokers=[],
        serial=1,
        previous=bytes(32),
        not_before=0,
        not_after=1,
        extensions={},
    )
    return SignedDescriptor(b"", descriptor, bytes(32), bytes(32))


def rows() -> list[dict[str, object]]:
    """One row; ratio 1 means 150 ms."""
    seed, merchant = os.urandom(32), bytes(32)
    catalogue = Catalogue(
        merchant=merchant,
        serial=1,
        previous=bytes(32),
        made_at=0,
        products=[_product(number) for number in range(PRODUCTS)],
        showcases=[],
    )
    blob = sign_catalogue(seed, catalogue)
    public, papers = signing.public_key(seed), _papers()
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        menu = Menu(papers, open_catalogue(blob, public, merchant))
        found = menu_lines(menu, 2, "NORTHERN 999")
        took.append((time.perf_counter() - began) * 1000)
        assert 0 < len(found) < 100
    milliseconds = median(took)
    return [
        {
            "name": f"catalogue of {PRODUCTS} products opened, checked and searched / 150 ms",
            "ratio": round(BOUND_MS / milliseconds, 3),
            "reach": 1.0,
            "milliseconds": round(milliseconds, 1),
        }
    ]


if __name__ == "__main__":
    print(rows())
