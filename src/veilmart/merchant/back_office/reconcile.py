"""Use case: compare our books with the broker's statement.

The statement is fetched, stored, and compared with our books and with the one before.
"""

from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from veilmart.errors import PeerFault
from veilmart.limits import STATEMENT_ENTRIES_MAX
from veilmart.merchant.back_office.compare_books import Difference, OwnOrder, reconcile
from veilmart.merchant.back_office.statements import (
    FetchedStatement,
    KeptStatement,
    fetch_statement,
    keep_statement,
    short_name,
)
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import PinnedBroker, choose_broker, load_brokers
from veilmart.merchant.schema.tables import orders
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.encoding import decode
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.ports import Random
from veilmart.protocol.statement import PAGE_MAX_BYTES, StatementTotals, open_page
from veilmart.transport.port import OpenClient
from veilmart.transport.stream_client import StreamClient

_KEPT_MAX_BYTES = PAGE_MAX_BYTES * (STATEMENT_ENTRIES_MAX // 1000 + 2)
_ROWS_AT_ONCE = 1000


class Reconciled(msgspec.Struct, frozen=True):
    """broker: fingerprint, hexadecimal. at: Unix seconds. file: where the statement is kept."""

    broker: str
    at: int
    entries: int
    totals: StatementTotals
    differences: list[Difference]
    file: str

    @property
    def fits(self) -> bool:
        return not self.differences


async def reconcile_books(
    market: MerchantHome,
    now: int,
    random: Random,
    open_client: OpenClient = StreamClient,
    which: str | None = None,
) -> Reconciled:
    """With a pinned broker (`choose_broker`). Raises NoSuchBroker, BrokerUnreachable,
    SignatureInvalid, StatementInvalid, what the broker refuses, DiskFull, CannotWrite.
    """
    chosen = market.database.run_now(choose_broker, which)
    before = _newest_kept(market, chosen)
    fetched = await fetch_statement(
        chosen, market.fingerprint, market.identity, now, random, open_client
    )
    file = keep_statement(market, chosen, fetched)
    # Read afterwards: what reached us meanwhile is in our books, and in the statement as well.
    broker, own = market.database.read_now(_own_books, chosen.id)
    found = reconcile(fetched.entries, fetched.totals, fetched.fees, own, broker.reported)
    if before is not None:
        found += _changed(before, fetched, broker)
    return Reconciled(
        broker.fingerprint.hex(), fetched.at, len(fetched.entries), fetched.totals, found, file
    )


def _own_books(connection: Connection, broker: int) -> tuple[PinnedBroker, dict[bytes, OwnOrder]]:
    """Reading: the pinned broker as it is now, and every order of ours with it."""
    pinned = next(known for known in load_brokers(connection) if known.id == broker)
    query = select(orders.c.order, orders.c.price, orders.c.state).where(orders.c.broker == broker)
    rows = connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
    return pinned, {
        bytes(order): OwnOrder(price, OrderState(state)) for order, price, state in rows
    }


def _newest_kept(market: MerchantHome, broker: PinnedBroker) -> Path | None:
    """The newest of that broker, or of times when a statement's name did not say whose it is."""
    kept = [
        (int(parts[1]), int(parts[3]) if len(parts) > 3 else 1, path)
        for path in market.home.path.glob("statement-*")
        if (parts := path.name.split("-"))[2:3] in ([], [short_name(broker)])
    ]
    return max(kept)[2] if kept else None


def _changed(before: Path, fetched: FetchedStatement, broker: PinnedBroker) -> list[Difference]:
    """Entries that the broker signed then and states differently now.

    Folding cuts times to days.
    """
    row = before.name
    try:
        kept = decode(KeptStatement, before.read_bytes(), _KEPT_MAX_BYTES)
        certified = read_descriptor(kept.descriptor)
        key = certified.descriptor.signing_key
        pages = [open_page(key, signed) for signed in kept.pages]
    except PeerFault:
        return [Difference("kept-damaged", row, "The last stored statement does not verify.")]
    if certified.fingerprint != broker.fingerprint:
        return []
    now = {entry.sequence: _story(entry) for entry in fetched.entries}
    return [
        Difference("story-changed", f"order {entry.order.hex()[:16]}", f"{row} says otherwise.")
        for page in pages
        for entry in page.entries
        if now.get(entry.sequence) != _story(entry)
    ]


def _story(entry: msgspec.Struct) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in ("order", "event", "amount", "fee"))
