"""What the operator does: use cases behind the commands. Each returns a struct to draw."""

import asyncio
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from veilmart.broker import merchants, settings
from veilmart.broker.accounts import customers
from veilmart.broker.home import BrokerHome
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import booking
from veilmart.broker.merchants import MerchantView, find_merchant
from veilmart.broker.operator import merchant_requests
from veilmart.broker.schema import tables
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import (
    BadAmount,
    FingerprintChanged,
    InsufficientBalance,
    MerchantUnreachable,
    NoSuchAccount,
    NotYourBroker,
    OfferMismatch,
)
from veilmart.limits import DESCRIPTOR_MAX_BYTES, INTEGER_MAX
from veilmart.protocol.accounting import format_amount, transfer
from veilmart.protocol.address import parse_link
from veilmart.protocol.descriptor import SignedDescriptor, check_descriptor, read_descriptor
from veilmart.transport.client import HttpClient

MERCHANT_PORT = 8100


class MerchantLine(msgspec.Struct, frozen=True):
    """Amounts in minor units."""

    fingerprint: str
    name: str
    address: str
    state: str
    serial: int
    balance: int


class AccountLine(msgspec.Struct, frozen=True):
    account: int
    kind: str
    name: str
    balance: int


class Booked(msgspec.Struct, frozen=True):
    """Amounts in minor units; text for people."""

    name: str
    amount: int
    balance: int
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A merchant whose descriptor was fetched and has a good signature. address: host:port."""

    address: str
    descriptor: SignedDescriptor

    @property
    def fingerprint(self) -> str:
        return format_fingerprint(self.descriptor.fingerprint)


async def fetch_candidate(opened: BrokerHome, url: str, now: int) -> Candidate:
    """The descriptor of the merchant at `url`, checked against what we know of it.

    Raises BadLink, MerchantUnreachable, NotYourBroker, OfferMismatch (another currency) and what
    `check_descriptor` raises.
    """
    link = parse_link(url)
    host = f"[{link.host}]" if ":" in link.host else link.host
    address = f"{host}:{link.port if _names_port(url) else MERCHANT_PORT}"
    async with HttpClient(address, MerchantUnreachable) as client:
        signed = await client.get("/v1/descriptor", max_bytes=DESCRIPTOR_MAX_BYTES + 1024)
    claimed = read_descriptor(signed).fingerprint
    known = {
        view.fingerprint: view.newest
        for view in await asyncio.to_thread(opened.database.run_now, merchants.load_merchants)
    }
    checked = check_descriptor(
        signed, role="merchant", fingerprint=claimed, now=now, known=known.get(claimed)
    )
    ours = opened.database.run_now(settings.load)
    descriptor = checked.descriptor
    if opened.fingerprint not in descriptor.brokers:
        raise NotYourBroker
    if (descriptor.currency, descriptor.decimals) != (ours.currency, ours.decimals):
        raise OfferMismatch(f"It sells for {descriptor.currency}, we book {ours.currency}.")
    return Candidate(address, checked)


def expect_fingerprint(candidate: Candidate, wanted: bytes) -> None:
    """Raises FingerprintChanged."""
    if candidate.descriptor.fingerprint != wanted:
        raise FingerprintChanged(candidate.fingerprint)


def admit(conn: Connection, candidate: Candidate) -> None:
    """Carry it from now on; it need not ask any more."""
    merchants.admit(conn, candidate.descriptor, candidate.address)
    merchant_requests.forget_join(conn, candidate.descriptor.fingerprint)


def merchant_lines(conn: Connection) -> list[MerchantLine]:
    return [_merchant_line(conn, view) for view in merchants.load_merchants(conn)]


def suspend_merchant(conn: Connection, text: str) -> MerchantLine:
    """Raises NoSuchMerchant."""
    merchants.suspend(conn, find_merchant(conn, text))
    return _merchant_line(conn, find_merchant(conn, text))


def account_lines(conn: Connection) -> list[AccountLine]:
    """Every account with its owner's name."""
    names: dict[int, str] = {
        row[0]: row[1]
        for row in conn.execute(select(tables.customers.c.account, tables.customers.c.username))
    }
    names |= {view.account: view.name for view in merchants.load_merchants(conn)}
    names |= {row.account: row.id.hex()[:8] for row in token_keys.living(conn)}
    query = select(tables.accounts.c.id, tables.accounts.c.kind, booking.true_balance)
    return [
        AccountLine(row[0], row[1], names.get(row[0], ""), row[2])
        for row in conn.execute(query.order_by(tables.accounts.c.id))
    ]


def credit(conn: Connection, name: str, amount: int, merchant: bool, now: int) -> Booked:
    """Somebody paid cash in. Raises NoSuchAccount, NoSuchMerchant, BadAmount."""
    account = find_merchant(conn, name).account if merchant else _customer_account(conn, name)
    _check_amount(amount)
    if amount - booking.balance_of(conn, tables.CASH) > INTEGER_MAX:
        # Cash mirrors everything paid in, so no account can ever hold more than a message can say.
        raise BadAmount("All accounts together would hold too much.")
    booking.book(conn, "credit", b"", now, transfer(tables.CASH, account, amount))
    settings.touch(conn)
    return _booked(conn, name, amount, account)


def payout(conn: Connection, name: str, amount: int, now: int) -> Booked:
    """A merchant is paid out in cash, which answers a withdrawal it asked for.

    Raises NoSuchMerchant, BadAmount, InsufficientBalance.
    """
    merchant = find_merchant(conn, name)
    account = merchant.account
    _check_amount(amount)
    if booking.balance_of(conn, account) < amount:
        raise InsufficientBalance(f"{name} has less than that.")
    booking.book(conn, "payout", b"", now, transfer(account, tables.CASH, amount))
    merchant_requests.mark_paid(conn, merchant.fingerprint, amount, now)
    settings.touch(conn)
    return _booked(conn, name, amount, account)


def _names_port(url: str) -> bool:
    return url.rstrip("/").rpartition(":")[2].isdigit()


def _check_amount(amount: int) -> None:
    if amount <= 0:
        raise BadAmount("It has to be more than zero.")


def _customer_account(conn: Connection, name: str) -> int:
    found = customers.find_customer(conn, name)
    if found is None:
        raise NoSuchAccount(repr(name[:64]))
    return found.account


def _booked(conn: Connection, name: str, amount: int, account: int) -> Booked:
    balance, decimals = booking.balance_of(conn, account), settings.load(conn).decimals
    return Booked(name, amount, balance, format_amount(balance, decimals))


def _merchant_line(conn: Connection, view: MerchantView) -> MerchantLine:
    return MerchantLine(
        format_fingerprint(view.fingerprint),
        view.name,
        view.address,
        view.state,
        view.newest.descriptor.serial,
        booking.balance_of(conn, view.account),
    )
