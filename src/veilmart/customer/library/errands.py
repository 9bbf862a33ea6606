"""The due work after purchases, by identity; one run of a program serves one identity.

A person has several identities: the account at each broker, each order that a token paid, each
later fetch. Two that are served within seconds of each other, or one that is always served when
another is, belong together for an observer of the connections. So each task has a time of its own,
drawn at random over hours when it arises and kept in the wallet, and a run takes one identity whose
time has come, by lot (docs/protocol/11-tokens.md, 11.7).

That holds for the account too: if it were served in every run, a run that served another identity
would be missing among the account's, and anyone counting would know whose it was. Only an order
that was just cut off is finished in the next run.
"""

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.library.holdings import to_exchange
from veilmart.customer.library.updates import due_copies
from veilmart.customer.purchase.recovery_rules import may_be_refunded, to_sync
from veilmart.customer.schema.token_tables import errands
from veilmart.customer.tokens.stocks import Stock, due_stocks, window
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
Kind = Literal["account", "order", "refund", "copy", "exchange", "refill"]
Row = Kind | Literal["account refund"]
"""What the table's times are for. account: one order that the account paid, tried before; account
refund: the settled ones of the account at a broker."""


@dataclass(frozen=True)
class Errand:
    """The work of one identity. due_at: Unix seconds.

    account: `orders` to finish and `settled` ones to ask about, all paid from the account at
    `broker`. order, refund: one order that a token paid, to finish or to ask about. copy: one
    fetch. exchange: one token that ends soon. refill: the account's stocks of tokens.
    """

    kind: Kind
    broker: bytes
    due_at: int
    orders: tuple[Order, ...] = ()
    settled: tuple[Order, ...] = ()
    copy: Copy | None = None
    token: StoredToken | None = None
    stocks: tuple[Stock, ...] = ()

    @property
    def subject(self) -> bytes:
        if self.token is not None:
            return self.token.signature[:SUBJECT_BYTES]
        if self.kind in ("account", "refill"):
            return self.broker
        return (self.orders + self.settled)[0].order


def all_errands(wallet: Wallet) -> list[Errand]:
    """Everything there is to do; tasks that are new get their time now."""
    unfinished, settled = to_sync(wallet), may_be_refunded(wallet)
    found = [
        _of_account(wallet, broker, unfinished, settled)
        for broker in sorted({o.broker for o in unfinished + settled if o.spend is None})
    ]
    by_token: tuple[tuple[Kind, list[Order], int], ...] = (
        ("order", unfinished, ERRAND_SPREAD_SECONDS),
        ("refund", settled, REFUND_LOOK_SPREAD_SECONDS),
    )
    for kind, orders, spread in by_token:
        for order in orders:
            if order.spend is None:
                continue
            due_at = wallet.database.run_now(_due_at, kind, order.order, _later(wallet, spread))
            alone: tuple[Order, ...] = (order,)
            to_finish, to_ask = (alone, ()) if kind == "order" else ((), alone)
            found.append(Errand(kind, order.broker, due_at, orders=to_finish, settled=to_ask))
    found += [
        Errand("copy", order.broker, copy.due_at, (order,), copy=copy)
        for copy, order in due_copies(wallet, at_once=True)
    ]
    return found + _exchanges(wallet) + _refills(wallet)


def _of_account(
    wallet: Wallet, broker: bytes, unfinished: list[Order], settled: list[Order]
) -> Errand:
    """One connection's work. An order is tried at once, and then at times of its own."""
    to_finish = tuple(o for o in unfinished if o.spend is None and o.broker == broker)
    to_ask = tuple(o for o in settled if o.spend is None and o.broker == broker)
    run = wallet.database.run_now
    times = [run(_due_at, "account", order.order, 0) for order in to_finish]
    if to_ask:
        drawn = _later(wallet, REFUND_LOOK_SPREAD_SECONDS)
        times.append(run(_due_at, "account refund", broker, drawn))
    return Errand("account", broker, min(times), orders=to_finish, settled=to_ask)


def _refills(wallet: Wallet) -> list[Errand]:
    """Each broker's stocks, at a moment drawn within today's hours.

    At their beginning it would be missing whenever another identity was served.
    """
    due = due_stocks(wallet)
    found = []
    for broker in sorted({stock.broker for stock in due}):
        began, ends = window(wallet)
        drawn = _later(wallet, max(1, (ends - wallet.clock()) * 3 // 4))
        due_at = wallet.database.run_now(_due_at, "refill", broker, drawn, began)
        stocks = tuple(stock for stock in due if stock.broker == broker)
        found.append(Errand("refill", broker, due_at, stocks=stocks))
    return found


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
    run = wallet.database.run_now
    if errand.kind == "account":
        left = {order.order for order in to_sync(wallet)}
        for order in errand.orders:
            run(_forget, "account", order.order)
            if order.order in left:
                run(_due_at, "account", order.order, _later(wallet, ERRAND_SPREAD_SECONDS))
        run(_forget, "account refund", errand.broker)
        return
    if errand.copy is not None:
        copy = run(find_copy, errand.copy.order, errand.copy.root)
        if copy is not None and copy.state != DONE:
            later = _later(wallet, ERRAND_SPREAD_SECONDS)
            run(save_copy, replace(copy, due_at=later))
        return
    run(_forget, errand.kind, errand.subject)


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


def _due_at(connection: Connection, kind: Row, subject: bytes, drawn: int, since: int = 0) -> int:
    """The stored time of the task; `drawn` the first time, and where it lies before `since`."""
    place = {"of_kind": kind, "of_subject": subject}
    known = connection.execute(_DUE, place).scalar_one_or_none()
    if known is not None and known >= since:
        return int(known)
    given = insert(errands).values(kind=kind, subject=subject, due_at=drawn)
    change = {"due_at": drawn}
    connection.execute(given.on_conflict_do_update(index_elements=["kind", "subject"], set_=change))
    return drawn


def _forget(connection: Connection, kind: Row, subject: bytes) -> None:
    connection.execute(_FORGET, {"of_kind": kind, "of_subject": subject})
