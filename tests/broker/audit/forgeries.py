"""Corruptions of the broker's database that need bytes to be made: signed records, answers."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from tests.broker.audit.audited_market import Life
from veilmart.broker.keys.descriptors import SECRETS_MAX_BYTES, Secrets
from veilmart.protocol.customer_messages import Released
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.order_key import operation_id

Forgery = Callable[[Connection, Life], None]


def flipped(data: bytes, at: int) -> bytes:
    """One bit of one byte."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def flip(table: str, column: str, where: str, at: int) -> Forgery:
    """Change one bit of a stored blob."""

    def forge(conn: Connection, life: Life) -> None:
        bound = {name.replace(" ", "_"): order for name, order in life.orders.items()}
        used = {name: value for name, value in bound.items() if f":{name}" in where}
        rows = conn.execute(text(f"SELECT {column} FROM {table} WHERE {where}"), used).scalars()
        old = bytes(rows.first())  # type: ignore[arg-type]
        change = text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old")
        conn.execute(change, {"new": flipped(old, at), "old": old})

    return forge


def set_answer(conn: Connection, order: bytes, action: str, answer: bytes) -> None:
    change = text("UPDATE operations SET answer = :new WHERE id = :of")
    conn.execute(change, {"new": answer, "of": operation_id(order, action)})


def answer_of(conn: Connection, order: bytes, action: str) -> Any:
    query = text("SELECT answer FROM operations WHERE id = :of")
    return conn.execute(query, {"of": operation_id(order, action)}).scalar_one()


def acknowledge_for_the_customer(conn: Connection, life: Life) -> None:
    add = text(
        'INSERT INTO operations (id, "order", body, answer, at) '
        'SELECT :new, "order", body, answer, at FROM operations WHERE id = :of'
    )
    held = life.orders["held"]
    conn.execute(add, {"new": operation_id(held, "acknowledge"), "of": operation_id(held, "pay")})


def hand_out_another_invoice(conn: Connection, life: Life) -> None:
    query = text('SELECT signed FROM invoices WHERE "order" = :of')
    other = conn.execute(query, {"of": life.orders["held"]}).scalar_one()
    set_answer(conn, life.orders["released"], "release", encode(Released(invoice=bytes(other))))


def give_the_receipt_of_another_order(conn: Connection, life: Life) -> None:
    other = answer_of(conn, life.orders["settled"], "pay")
    set_answer(conn, life.orders["held"], "pay", other)


def change_a_receipt(conn: Connection, life: Life) -> None:
    held = life.orders["held"]
    answer = bytes(answer_of(conn, held, "pay"))
    # The signature's last bytes lie well inside the answer.
    set_answer(conn, held, "pay", flipped(answer, 60))


def give_a_descriptor_other_keys(conn: Connection, life: Life) -> None:
    row = conn.execute(
        text("SELECT serial, secrets FROM descriptors WHERE secrets IS NOT NULL ORDER BY serial")
    ).first()
    secrets = decode(Secrets, bytes(row[1]), SECRETS_MAX_BYTES)  # type: ignore[index]
    swapped = encode(Secrets(tunnel_keys=secrets.tunnel_keys, signing_seed=bytes(32)))
    change = text("UPDATE descriptors SET secrets = :new WHERE serial = :of")
    conn.execute(change, {"new": swapped, "of": row[0]})  # type: ignore[index]


def fork_a_merchant(conn: Connection, life: Life) -> None:
    """With the merchant's help: what it signed second does not follow from the first."""
    _sign_again(conn, life, previous=bytes(31) + b"\1")


def let_a_merchant_deny_us(conn: Connection, life: Life) -> None:
    """With the merchant's help: a descriptor that names another broker."""
    life.market.merchant.broker = bytes(32)
    _sign_again(conn, life, previous=bytes(32))


def _sign_again(conn: Connection, life: Life, previous: bytes) -> None:
    signed = life.market.merchant.describe(2, previous)
    change = text("UPDATE merchant_descriptors SET signed = :new WHERE serial = 2")
    conn.execute(change, {"new": signed})


FORGERIES: dict[str, tuple[str, Forgery]] = {
    "a bit of an invoice's signature": (
        "invoice-signature",
        flip("invoices", "signed", '"order" = :held', 5),
    ),
    "a bit of a signed invoice": (
        "invoice-signature",
        flip("invoices", "signed", '"order" = :folded', 300),
    ),
    "an invoice that is none": (
        "invoice-signature",
        flip("invoices", "signed", '"order" = :offered', 64),
    ),
    "a bit of a merchant's descriptor": (
        "descriptor-signature",
        flip("merchant_descriptors", "signed", "serial = 1", 500),
    ),
    "a bit of our descriptor": (
        "descriptor-signature",
        flip("descriptors", "signed", "serial = 1", 500),
    ),
    "a bit of a folded month's statement": (
        "fold-signature",
        flip("folds", "statement", "id = 1", 400),
    ),
    "a bit of a request to join": (
        "join-request",
        flip("join_requests", "signed", "name = 'shop'", 5),
    ),
    "an acknowledgement that nobody sent": ("operation-state", acknowledge_for_the_customer),
    "another invoice handed out": ("operation-answer", hand_out_another_invoice),
    "the receipt of another order": ("receipt-differs", give_the_receipt_of_another_order),
    "a bit of a receipt": ("receipt-signature", change_a_receipt),
    "private keys of another descriptor": ("descriptor-keys", give_a_descriptor_other_keys),
    "a merchant's second chain": ("descriptor-chain", fork_a_merchant),
    "a merchant that does not name us": ("descriptor-broker", let_a_merchant_deny_us),
}
