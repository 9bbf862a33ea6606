"""What each party really has afterwards, read from its own database and its own printed lines."""

from pathlib import Path
from typing import Any

import msgspec
from pysqlite3 import dbapi2 as sqlite


class Purchase(msgspec.Struct, frozen=True):
    """One purchase as the customer's wallet knows it. order: hexadecimal."""

    customer: str
    order: str
    title: str
    price: str
    suite: str
    file: Path
    identical: bool


class BrokerRow(msgspec.Struct, frozen=True):
    """What the broker's database says about the same order."""

    order: str
    account: str
    merchant: str
    amount: int
    state: str
    sealed_bytes: int


class AnonymitySet(msgspec.Struct, frozen=True):
    """Who could have made an anonymous purchase: broker's and merchant's records put together.

    tokens: how many of that price and key were withdrawn by them.
    """

    order: str
    title: str
    price: int
    accounts: list[str]
    tokens: int


class MerchantRow(msgspec.Struct, frozen=True):
    """What the merchant's database says about the same order.

    k: products on its shelf, among which the broker cannot tell it.
    """

    order: str
    title: str
    amount: int
    state: str
    shelf: str
    k: int


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return list(connection.execute(query))
    finally:
        connection.close()


def broker_rows(home: Path) -> list[BrokerRow]:
    """Every paid order, with the account that the hold transaction's postings name, if any."""
    query = """
        SELECT i."order", coalesce(c.username, 'somebody with a token'), m.name, i.amount,
            i.state, length(i.signed)
        FROM invoices i
        JOIN merchants m ON m.fingerprint = i.merchant
        JOIN postings p ON p.entry = i.hold AND p.amount < 0
        LEFT JOIN customers c ON c.account = p.account
        ORDER BY i.hold
    """
    return [
        BrokerRow(order.hex(), name, merchant, amount, state, size)
        for order, name, merchant, amount, state, size in _rows(home / "broker.sqlite", query)
    ]


def anonymity_sets(broker_home: Path, merchant_home: Path) -> list[AnonymitySet]:
    """For each order that a token paid: every account that withdrew under the token's key."""
    query = """
        SELECT s."order", k.price, c.username, sum(t.count)
        FROM spent_tokens s
        JOIN token_keys k ON k.number = s.key
        JOIN token_issues t ON t.key = s.key
        JOIN customers c ON c.account = t.account
        WHERE s."order" IS NOT NULL
        GROUP BY s."order", k.price, c.username
        ORDER BY s."order", c.username
    """
    sold = {row.order: row.title for row in merchant_rows(merchant_home)}
    found: dict[str, AnonymitySet] = {}
    for order, price, name, count in _rows(broker_home / "broker.sqlite", query):
        before = found.get(order.hex())
        accounts, tokens = ([], 0) if before is None else (before.accounts, before.tokens)
        found[order.hex()] = AnonymitySet(
            order=order.hex(),
            title=sold.get(order.hex(), ""),
            price=price,
            accounts=[*accounts, name],
            tokens=tokens + count,
        )
    return list(found.values())


def merchant_rows(home: Path) -> list[MerchantRow]:
    query = """
        SELECT o."order", p.title, o.price, o.state, s.name,
            (SELECT count(*) FROM products q WHERE q.shelf = o.shelf AND NOT q.removed)
        FROM orders o
        JOIN products p ON p.id = o.product
        JOIN shelves s ON s.id = o.shelf
        WHERE o.state <> 'offered'
        ORDER BY o.offered_at
    """
    return [
        MerchantRow(order.hex(), title, amount, state, shelf, k)
        for order, title, amount, state, shelf, k in _rows(home / "merchant.sqlite", query)
    ]


def product_secrets(merchant_home: Path) -> list[bytes]:
    """Everything that would tell which product is meant: ids, roots, titles, file names."""
    rows = _rows(
        merchant_home / "merchant.sqlite", "SELECT id, root, title, file_name FROM products"
    )
    return [v if isinstance(v, bytes) else v.encode() for row in rows for v in row]


def search(folder: Path, lines: list[str], words: list[bytes]) -> tuple[int, list[bytes]]:
    """(bytes looked through, words found) in every file below `folder` and every printed line."""
    contents = [file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()]
    contents.append("\n".join(lines).encode())
    found = [word for word in words if any(word in content for content in contents)]
    return sum(map(len, contents)), found
