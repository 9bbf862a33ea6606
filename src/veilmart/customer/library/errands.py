"""The due work after purchases, by identity; one run of a program serves one identity.

A person has several identities: the account at each broker, each order that a token paid, each
later fetch. Two that are served within seconds of each other, or one that is always served when
another is, belong together for whoever sees the connections. So each anonymous task has a time of
its own, drawn at random over hours when it arises and kept in the wallet, and a run takes one
identity whose time has come, by lot (docs/protocol/11-tokens.md, 11.7).
"""

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.library.holdings import to_exchange
from veilmart.customer.library.updates import due_copies
from veilmart.customer.purchase.recovery_rules import may_be_refunded, to_sync
from veilmart.customer.schema.token_tables import errands
from veilmart.customer.wallet.copies import DONE, Copy, find_copy, save_copy
from veilmart.customer.wallet.orders import Order
from veilmart.customer.wallet.tokens import StoredToken, known_keys
from veilmart.customer.wallet.wallet import Wallet
from veilmart.limits import (
    ERRAND_SPREAD_SECONDS,
    EXCHANGE_SPREAD_SECONDS,
    REFUND_LOOK_SPREAD_SECONDS,
)

SUBJECT_BYTES = 32
Kind = Literal["account", "order", "refund", "copy", "exchange"]


@dataclass(frozen=True)
class Errand:
    """The work of one identity. due_at: Unix seconds.

    account: `orders` to finish and `settled` ones to ask about, all paid from the account at
    `broker`. order, refund: one order that a token paid, to finish or to ask about. copy: one
    fetch. exchange: one token that ends soon.
    """

    kind: Kind
    broker: bytes
    due_at: int
    orders: tuple[Order, ...] = ()
    settled: tuple[Order, ...] = ()
    copy: Copy | None = None
    token: StoredToken | None = None

    @property
    def subject(self) -> bytes:
        if self.token is not None:
            return self.token.signature[:SUBJECT_BYTES]
        return self.broker if self.kind == "account" else (self.orders + self.settled)[0].order


def all_errands(wallet: Wallet) -> list[Errand]:
    """Everything there is to do; tasks that are new get their time now."""
    unfinished, settled = to_sync(wallet), may_be_refunded(wallet)
    found = [
        Errand(
            kind="account",
            broker=broker,
            due_at=0,
            orders=tuple(_of_account(unfinished, broker)),
            settled=tuple(_of_account(settled, broker)),
        )
        for broker in sorted({o.broker for o in unfinished + settled if o.spend is None})
    ]
    for kind, orders, spread in (
        ("order", unfinished, ERRAND_SPREAD_SECONDS),
        ("refund", settled, REFUND_LOOK_SPREAD_SECONDS),
    ):
        for order in orders:
            if order.spend is None:
                continue
            due_at = wallet.database.run_now(_due_at, kind, order.order, _later(wallet, spread))
            work = {"orders" if kind == "order" else "settled": (order,)}
            found.append(Errand(kind, order.broker, due_at, **work))  # type: ignore[arg-type]
    found += [
        Errand("copy", order.broker, copy.due_at, (order,), copy=copy)
        for copy, order in due_copies(wallet, at_once=True)
    ]
    return found + _exchanges(wallet)


def _exchanges(wallet: Wallet) -> list[Errand]:
    """Each token alone, spread over the days that are left of it; the public key says how many."""
    found = []
    now = wallet.clock()
    for token in wallet.database.run_now(to_exchange, now):
        until = wallet.database.run_now(known_keys, token.broker)[token.key].listed.spend_until
        spread = max(1, min(EXCHANGE_SPREAD_SECONDS, (until - now) // 2))
        subject, later = token.signature[:SUBJECT_BYTES], _later(wallet, spread)
        due_at = wallet.database.run_now(_due_at, "exchange", subject, later)
        found.append(Errand("exchange", token.broker, due_at, token=token))
    return found


def draw(wallet: Wallet, found: list[Errand]) -> Errand | None:
    """One that is due, drawn at random; None when there is none."""
    due = [errand for errand in found if errand.due_at <= wallet.clock()]
    return due[int.from_bytes(wallet.random(8), "big") % len(due)] if due else None


def served(wallet: Wallet, errand: Errand) -> None:
    """Record that it was tried; what remains or recurs is due at another time."""
    if errand.kind == "account":
        return
    if errand.copy is not None:
        copy = wallet.database.run_now(find_copy, errand.copy.order, errand.copy.root)
        if copy is not None and copy.state != DONE:
            later = _later(wallet, ERRAND_SPREAD_SECONDS)
            wallet.database.run_now(save_copy, replace(copy, due_at=later))
        return
    wallet.database.run_now(_forget, errand.kind, errand.subject)


def _of_account(orders: list[Order], broker: bytes) -> list[Order]:
    return [order for order in orders if order.spend is None and order.broker == broker]


def _later(wallet: Wallet, spread: int) -> int:
    """A moment within `spread` seconds from now, at random."""
    return wallet.clock() + int.from_bytes(wallet.random(8), "big") % spread


_t = errands.c
_DUE = select(_t.due_at).where(
    _t.kind == bindparam("of_kind"), _t.subject == bindparam("of_subject")
)
_FORGET = delete(errands).where(
    _t.kind == bindparam("of_kind"), _t.subject == bindparam("of_subject")
)


def _due_at(connection: Connection, kind: str, subject: bytes, drawn: int) -> int:
    """The stored time of the task; `drawn` the first time."""
    known = connection.execute(_DUE, {"of_kind": kind, "of_subject": subject}).scalar_one_or_none()
    if known is not None:
        return int(known)
    connection.execute(insert(errands).values(kind=kind, subject=subject, due_at=drawn))
    return drawn


def _forget(connection: Connection, kind: str, subject: bytes) -> None:
    connection.execute(_FORGET, {"of_kind": kind, "of_subject": subject})
