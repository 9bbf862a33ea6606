"""A merchant's signed statement: what the broker owes it, and why (page 5, section 8).

A merchant sends a signed request; the broker answers with pages of entries in the order of its
reports, each page signed under its descriptor's signing key and bound to the request for
it. The page that ends the statement has the totals, all from one moment.
"""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from veilmart.crypto import signing
from veilmart.errors import MalformedMessage, StatementInvalid
from veilmart.protocol import labels
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.encoding import Bytes32, Message, Natural, decode, encode, labelled_hash
from veilmart.protocol.signed_requests import WITHDRAWAL_MAX_BYTES

SIGNATURE_BYTES = 64
ENTRIES_MAX = 1000
PAGE_MAX_BYTES = 124 * 1024


class StatementRequest(Message, frozen=True):
    """after: sequence of the last entry that the merchant has; 0 for a statement from the start."""

    broker: Bytes32
    merchant: Bytes32
    after: Natural
    at: Natural


class StatementEntry(Message, frozen=True):
    """One report. amount: the order's. fee: the broker's part of it; 0 unless settled."""

    sequence: Natural
    order: Bytes32
    event: Literal["settled", "refunded", "returned"]
    at: Natural
    amount: Natural
    fee: Natural


class StatementTotals(Message, frozen=True):
    """Of all entries up to the last. Minor units.

    refunded: from escrow. given_back: from the merchant's account, after settlement. paid_out,
    credited: what the operator paid out and credited, one taken off the other. held, released:
    in escrow.
    """

    settled: Natural
    fees: Natural
    refunded: Natural
    given_back: Natural
    paid_out: Natural
    credited: Natural
    held: Natural
    released: Natural
    balance: Natural


class StatementPage(Message, frozen=True):
    """asked: hash of the signed request. last: sequence of the newest report.

    totals: on the last page, else nil.
    """

    broker: Bytes32
    merchant: Bytes32
    asked: Bytes32
    at: Natural
    last: Natural
    entries: Annotated[list[StatementEntry], Meta(max_length=ENTRIES_MAX)]
    totals: StatementTotals | None


class AskStatement(BrokerRequest, tag="statement", frozen=True):
    """signed: a `StatementRequest` under the merchant's identity."""

    cells: ClassVar[int] = 2
    answer_cells: ClassVar[int] = 125
    signed: Annotated[bytes, Meta(max_length=WITHDRAWAL_MAX_BYTES)]


class Statement(Message, tag="statement", tag_field="kind", frozen=True):
    """signed: signature (64) ‖ `StatementPage`."""

    signed: Annotated[bytes, Meta(max_length=PAGE_MAX_BYTES)]


def asked_hash(signed_request: bytes) -> bytes:
    """32 bytes: what a page names as the question that it answers."""
    return labelled_hash(labels.STATEMENT_ASKED, signed_request)


def sign_page(seed: bytes, page: StatementPage) -> bytes:
    """signature (64) ‖ body."""
    body = encode(page)
    return signing.sign(seed, labels.STATEMENT, body) + body


def open_page(public: bytes, signed: bytes) -> StatementPage:
    """Verify, then parse. Raises SignatureInvalid, MalformedMessage, MessageTooLarge."""
    if len(signed) <= SIGNATURE_BYTES:
        raise MalformedMessage("A statement is cut short.")
    body = signed[SIGNATURE_BYTES:]
    signing.verify(public, labels.STATEMENT, body, signed[:SIGNATURE_BYTES])
    return decode(StatementPage, body, PAGE_MAX_BYTES)


def check_page(page: StatementPage, request: StatementRequest, signed_request: bytes) -> None:
    """The page answers this request and continues where the last one ended.

    Raises StatementInvalid.
    """
    if (page.broker, page.merchant) != (request.broker, request.merchant):
        raise StatementInvalid("It is another merchant's or another broker's.")
    if page.asked != asked_hash(signed_request):
        raise StatementInvalid("It answers another question, perhaps an older one.")
    sequences = [request.after, *(entry.sequence for entry in page.entries)]
    if any(later <= earlier for earlier, later in pairwise(sequences)):
        raise StatementInvalid("Its entries do not go on from those before.")
    if page.totals is None and len(page.entries) < ENTRIES_MAX:
        raise StatementInvalid("It ends without its totals.")
    if page.totals is not None and page.last != sequences[-1]:
        raise StatementInvalid("It ends before its last entry.")
