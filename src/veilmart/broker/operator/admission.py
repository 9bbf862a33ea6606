"""Admission of merchants: fetch a candidate's descriptor, admit, suspend and list merchants."""

import asyncio
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from veilmart.broker import merchants, settings
from veilmart.broker.home import BrokerHome
from veilmart.broker.ledger import booking
from veilmart.broker.merchants import MerchantRow, find_merchant
from veilmart.broker.operator import merchant_requests
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import (
    FingerprintChanged,
    MerchantUnreachable,
)
from veilmart.limits import DESCRIPTOR_MAX_BYTES
from veilmart.protocol.address import parse_link
from veilmart.protocol.descriptor import SignedDescriptor, check_descriptor, read_descriptor
from veilmart.transport.stream_client import StreamClient

MERCHANT_PORT = 8100


class MerchantLine(msgspec.Struct, frozen=True):
    """Amounts in minor units."""

    fingerprint: str
    name: str
    address: str
    state: str
    serial: int
    balance: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A merchant whose descriptor has a good signature. address: host:port, empty if it dials."""

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
    async with StreamClient(address, MerchantUnreachable) as client:
        signed = await client.get("/v1/descriptor", max_bytes=DESCRIPTOR_MAX_BYTES + 1024)
    return await asyncio.to_thread(_checked, opened, address, signed, now)


def joined_candidate(opened: BrokerHome, fingerprint: bytes, now: int) -> Candidate:
    """A merchant that dials, by what it sent when it asked to join. Raises as `fetch_candidate`."""
    signed = opened.database.run_now(merchant_requests.join_descriptor, fingerprint)
    return _checked(opened, "", signed, now)


def _checked(opened: BrokerHome, address: str, signed: bytes, now: int) -> Candidate:
    claimed = read_descriptor(signed).fingerprint
    known = {
        view.fingerprint: view.newest for view in opened.database.read_now(merchants.load_merchants)
    }
    checked = check_descriptor(
        signed, role="merchant", fingerprint=claimed, now=now, known=known.get(claimed)
    )
    merchants.check_terms(checked, opened.fingerprint, opened.database.run_now(settings.load))
    return Candidate(address, checked)


def expect_fingerprint(candidate: Candidate, wanted: bytes) -> None:
    """Raises FingerprintChanged."""
    if candidate.descriptor.fingerprint != wanted:
        raise FingerprintChanged(candidate.fingerprint)


def admit(conn: Connection, candidate: Candidate) -> None:
    """Carry it from now on; its request to join is deleted."""
    merchants.admit(conn, candidate.descriptor, candidate.address)
    merchant_requests.forget_join(conn, candidate.descriptor.fingerprint)


def merchant_lines(conn: Connection) -> list[MerchantLine]:
    return [_merchant_line(conn, row) for row in merchants.merchant_rows(conn)]


def suspend_merchant(conn: Connection, text: str) -> MerchantLine:
    """Raises NoSuchMerchant."""
    merchants.suspend(conn, find_merchant(conn, text))
    return _merchant_line(conn, find_merchant(conn, text))


def _names_port(url: str) -> bool:
    return url.rstrip("/").rpartition(":")[2].isdigit()


def _merchant_line(conn: Connection, view: MerchantRow) -> MerchantLine:
    return MerchantLine(
        format_fingerprint(view.fingerprint),
        view.name,
        view.address,
        view.state,
        merchants.newest_serial(conn, view.fingerprint),
        booking.balance_of(conn, view.account),
    )
