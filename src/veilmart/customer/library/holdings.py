"""What tokens a wallet holds, until when they are good, and what has expired."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, select

from veilmart.customer.schema.token_tables import stocks
from veilmart.customer.trust.pins import all_brokers
from veilmart.customer.wallet.held_tokens import has_tokens
from veilmart.customer.wallet.tokens import (
    SHOWN,
    UNSPENT,
    StoredToken,
    exchanging,
    known_keys,
    tokens_of,
)
from veilmart.limits import TOKEN_ENDING_SECONDS, TOKEN_REST_SECONDS
from veilmart.protocol import moments
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.descriptor import read_descriptor


@dataclass(frozen=True)
class Holding:
    """Unspent tokens of one price at one broker that end together.

    rested: how many are not fresh any more. until: Unix seconds. kept: pack that `sync` keeps in
    stock, 0 for none. ends_soon: within 30 days. expired: worth nothing any more.
    """

    price: int
    count: int
    rested: int
    until: int
    kept: int
    ends_soon: bool
    expired: bool

    @property
    def day(self) -> str:
        return f"{moments.moment(self.until):%Y-%m-%d}"


def holdings(connection: Connection, broker: bytes, now: int) -> list[Holding]:
    """Those that end first come first."""
    keys = known_keys(connection, broker)
    unspent = tokens_of(connection, broker, UNSPENT)
    kept = select(stocks.c.price, stocks.c.pack).where(stocks.c.broker == broker)
    packs: dict[int, int] = {row.price: row.pack for row in connection.execute(kept)}
    counts = Counter(keys[token.key].listed for token in unspent)
    rested = Counter(
        keys[token.key].listed for token in unspent if now - token.got_at >= TOKEN_REST_SECONDS
    )
    return [
        Holding(
            price=listed.price,
            count=count,
            rested=rested[listed],
            until=listed.spend_until,
            kept=packs.get(listed.price, 0),
            ends_soon=now < listed.spend_until <= now + TOKEN_ENDING_SECONDS,
            expired=listed.spend_until <= now,
        )
        for listed, count in sorted(counts.items())
    ]


def to_exchange(connection: Connection, now: int) -> list[StoredToken]:
    """Tokens that end soon, and those whose exchange was begun, at every broker."""
    begun = exchanging(connection)
    found = []
    for pin in all_brokers(connection):
        keys = known_keys(connection, pin.fingerprint)
        for token in tokens_of(connection, pin.fingerprint, UNSPENT, SHOWN):
            until = keys[token.key].listed.spend_until
            soon = token.state == UNSPENT and now < until <= now + TOKEN_ENDING_SECONDS
            if soon or token.id in begun:
                found.append(token)
    return found


def expired_lately(connection: Connection, now: int) -> str:
    """What has expired within 30 days, with its amount, for people; empty for nothing."""
    return "; ".join(_told(connection, now)[1])


def ending_notes(connection: Connection, now: int) -> list[str]:
    """A line for what ends within 30 days and one for what has expired within as many."""
    if not has_tokens(connection):
        return []
    soon, gone = _told(connection, now)
    notes = []
    if soon:
        notes.append(f"Ends soon: {', '.join(soon)}; `veilmart customer sync` exchanges it.")
    if gone:
        notes.append(f"Expired, worth nothing any more: {'; '.join(gone)}.")
    return notes


def _told(connection: Connection, now: int) -> tuple[list[str], list[str]]:
    soon, gone = [], []
    for pin in all_brokers(connection):
        broker = read_descriptor(pin.descriptor).descriptor
        for held in holdings(connection, pin.fingerprint, now):
            noun = "token" if held.count == 1 else "tokens"
            said = f"{held.count} {noun} of {format_amount(held.price, broker.decimals)}"
            if held.ends_soon:
                soon.append(f"{said} (until {held.day})")
            elif held.expired and held.until > now - TOKEN_ENDING_SECONDS:
                worth = format_amount(held.price * held.count, broker.decimals)
                gone.append(f"{said} (on {held.day}), {worth} {broker.currency} in all")
    return soon, gone
