"""Fetching a statement from the broker, page by page, and keeping it (page 5, section 8)."""

from dataclasses import dataclass, field

from veilmart.crypto.identity import IdentityKey
from veilmart.errors import PeerFault, Refusal, StatementInvalid
from veilmart.limits import STATEMENT_ENTRIES_MAX
from veilmart.merchant.back_office.broker_session import BrokerSession, asking
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import PinnedBroker
from veilmart.protocol import labels
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.encoding import Message, encode
from veilmart.protocol.ports import Random
from veilmart.protocol.signed_requests import sign_request
from veilmart.protocol.statement import (
    AskStatement,
    Statement,
    StatementEntry,
    StatementRequest,
    StatementTotals,
    check_page,
    open_page,
)
from veilmart.transport.broker_channel import BrokerDescriptors
from veilmart.transport.port import OpenClient
from veilmart.transport.stream_client import StreamClient

FEE_EXTENSION = "fee"
_DESCRIPTORS_MAX = 600


class KeptStatement(Message, frozen=True, rename={"requests": "papers"}):
    """Requests and pages as sent, and the descriptor that certifies the pages' key."""

    descriptor: bytes
    requests: list[bytes]
    pages: list[bytes]


@dataclass(frozen=True)
class FetchedStatement:
    """Verified. entries: from the first on. totals: of the moment of the last page.

    fees: every rate that the broker published, in basis points.
    """

    at: int
    entries: list[StatementEntry]
    totals: StatementTotals
    fees: frozenset[int]
    kept: KeptStatement = field(repr=False)


async def fetch_statement(
    broker: PinnedBroker,
    merchant: bytes,
    key: IdentityKey,
    now: int,
    random: Random,
    open_client: OpenClient = StreamClient,
) -> FetchedStatement:
    """The whole statement. Raises BrokerUnreachable, SignatureInvalid, StatementInvalid, and what
    the broker refuses.
    """
    entries: list[StatementEntry] = []
    requests, pages = list[bytes](), list[bytes]()
    async with asking(broker, now, random, open_client) as session:
        while True:
            after = entries[-1].sequence if entries else 0
            request = StatementRequest(
                broker=broker.fingerprint, merchant=merchant, after=after, at=now
            )
            signed = sign_request(key, labels.STATEMENT_REQUEST, request)
            answer = await session.ask(AskStatement(signed=signed), Statement)
            page = open_page(session.descriptor.descriptor.signing_key, answer.signed)
            check_page(page, request, signed)
            entries += page.entries
            requests.append(signed)
            pages.append(answer.signed)
            if page.totals is not None:
                break
            if len(entries) >= STATEMENT_ENTRIES_MAX:
                raise StatementInvalid("It has no end.")
        rates = await _published_fees(session)
    kept = KeptStatement(descriptor=session.descriptor.signed, requests=requests, pages=pages)
    return FetchedStatement(page.at, entries, page.totals, rates, kept)


async def _published_fees(session: BrokerSession) -> frozenset[int]:
    """Every rate in the broker's chain of descriptors, back from the one we trust."""
    newest = session.descriptor
    rates = {0, _rate(newest)}
    for _ in range(_DESCRIPTORS_MAX):
        serial = newest.descriptor.serial - 1
        if serial < 1:
            break
        earlier = await _descriptor(session, serial)
        if earlier is None or earlier.hash != newest.descriptor.previous:
            break
        newest = earlier
        rates.add(_rate(newest))
    return frozenset(rates)


async def _descriptor(session: BrokerSession, serial: int) -> SignedDescriptor | None:
    try:
        return read_descriptor(await BrokerDescriptors(session.http).numbered(serial))
    except (Refusal, PeerFault):
        return None  # a restored broker left these numbers out


def _rate(descriptor: SignedDescriptor) -> int:
    text = descriptor.descriptor.extensions.get(FEE_EXTENSION, b"0")
    return int(text) if text.isdigit() and len(text) <= 5 else 0


def short_name(broker: PinnedBroker) -> str:
    """The part of a statement's file name that names the broker."""
    return broker.fingerprint.hex()[:16]


def keep_statement(market: MerchantHome, broker: PinnedBroker, fetched: FetchedStatement) -> str:
    """Store the statement in the home folder, right or wrong; return the file's name.

    An earlier statement is never replaced: one of the same second has the next free number.
    """
    name = plain = f"statement-{fetched.at}-{short_name(broker)}"
    number = 1
    while market.home.has(name):
        number += 1
        name = f"{plain}-{number}"
    market.home.write_secret(name, encode(fetched.kept))
    return name
