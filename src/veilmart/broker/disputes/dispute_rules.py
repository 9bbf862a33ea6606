"""Disputes: evidence comes in parts and is decided at once (docs/protocol/12-disputes.md).

The decision is pure (protocol/evidence.py) and may take a moment for a large segment, so it is made
outside any transaction, on bytes that never change: the invoice and the parts as read. Its effect
is one transaction, which checks the order's state again.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from sqlalchemy import Connection

from veilmart.broker.disputes.evidence import drop_parts, join_parts, keep_part
from veilmart.broker.disputes.records import note_dispute, refused_before
from veilmart.broker.effects import Answer, examine
from veilmart.broker.escrow import invoices
from veilmart.broker.escrow.invoices import InvoiceRow
from veilmart.broker.events import DisputeRefused, DisputeWon
from veilmart.broker.ledger import stored_answers
from veilmart.broker.schema.dispute_tables import REFUSED, WON
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.errors import EvidenceInvalid, OrderKeyInvalid, WrongOrderState
from veilmart.limits import BODY_MAX_BYTES
from veilmart.protocol.customer_messages import Noted, OrderStatus
from veilmart.protocol.dispute_messages import Dispute, SendEvidence
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.evidence import Claim, Finding, decide, read_evidence
from veilmart.protocol.invoice_states import InvoiceEvent, InvoiceState
from veilmart.protocol.order_key import check_action
from veilmart.protocol.ports import Clock
from veilmart.storage.database.isolation import repeatable


@dataclass(frozen=True, slots=True)
class _Case:
    """stored: the answer given before, or None. evidence: the parts joined."""

    row: InvoiceRow
    stored: bytes | None
    evidence: bytes = field(repr=False)


def send_evidence(state: BrokerState, session: Session, request: SendEvidence) -> Rule[Answer]:
    """Keep one part. Raises OrderUnknown, OrderKeyInvalid, WrongOrderState."""
    known = yield from transact(invoices.get_invoice, request.order)
    check_action(known.order_key, request.order, "evidence", request.signature, request.part)
    yield from transact(_keep, request, known.order_key, state.clock)
    return Answer(Noted())


@repeatable
def _keep(conn: Connection, request: SendEvidence, order_key: bytes, clock: Clock) -> None:
    row = invoices.get_invoice(conn, request.order)
    if row.order_key != order_key:
        raise OrderKeyInvalid
    now = clock()
    # A part that comes while the order ends stays for a day at most, and serves nobody.
    _require_open(row, now)
    keep_part(conn, request.order, request.part, request.data, now)


def dispute(state: BrokerState, session: Session, request: Dispute) -> Rule[Answer]:
    """RELEASED → REFUNDED on evidence; decided on the spot.

    Raises OrderUnknown, OrderKeyInvalid, OperationConflict, WrongOrderState, EvidenceInvalid.
    """
    stored_answers.check_id(request.operation, request.order, "dispute")
    known = yield from transact(invoices.get_invoice, request.order)
    check_action(known.order_key, request.order, "dispute", request.signature, request.index)
    case = yield from transact(_open_case, request, known.order_key, state.clock)
    if case.stored is not None:
        return Answer(decode(OrderStatus, case.stored, BODY_MAX_BYTES))
    try:
        finding = yield from examine(_examine, request, case)
    except EvidenceInvalid as fault:
        yield from transact(_note_refused, request, fault.detail, state.clock)
        state.observe(DisputeRefused(request.order))
        raise
    answer, fresh = yield from transact(_conclude, request, finding, state.clock)
    if fresh:
        state.observe(DisputeWon(request.order))
        state.wake_reporter(case.row.merchant)
    return Answer(decode(OrderStatus, answer, BODY_MAX_BYTES))


@repeatable
def _open_case(conn: Connection, request: Dispute, order_key: bytes, clock: Clock) -> _Case:
    row = invoices.get_invoice(conn, request.order)
    if row.order_key != order_key:
        raise OrderKeyInvalid
    stored = stored_answers.stored_answer(
        conn, request.operation, stored_answers.body_hash(request, 0)
    )
    if stored is not None:
        return _Case(row, stored, b"")
    _require_open(row, clock())
    refused = refused_before(conn, request)
    if refused is not None:
        raise EvidenceInvalid(refused)
    evidence = join_parts(conn, request.order, request.parts)
    if not hmac.compare_digest(hashlib.sha256(evidence).digest(), request.hash):
        raise EvidenceInvalid("Parts are missing or differ from the ones announced.")
    return _Case(row, None, evidence)


def _require_open(row: InvoiceRow, now: int) -> None:
    """Raises WrongOrderState unless the order can be disputed now."""
    if row.state is not InvoiceState.RELEASED:
        raise WrongOrderState(f"It is {row.state}; only a released order can be disputed.")
    if now >= row.due:
        raise WrongOrderState("The time to settle has ended; the merchant is being paid.")


def _examine(request: Dispute, case: _Case) -> Finding:
    """Pure, and slow for a large segment. Raises EvidenceInvalid."""
    claim = Claim(request.order, request.reason, request.index)
    return decide(case.row.signed, case.row.merchant, claim, read_evidence(case.evidence))


@repeatable
def _conclude(
    conn: Connection, request: Dispute, finding: Finding, clock: Clock
) -> tuple[bytes, bool]:
    """The answer, and whether this was the first time: two of the same may have been examined."""
    row = invoices.get_invoice(conn, request.order)
    body = stored_answers.body_hash(request, 0)
    stored = stored_answers.stored_answer(conn, request.operation, body)
    if stored is not None:
        return stored, False
    now = row.time(clock())
    _require_open(row, now)
    reached = invoices.advance(conn, row, InvoiceEvent.DISPUTE_WON, now)
    answer = encode(OrderStatus(state=reached.value, due=0))
    stored_answers.remember(conn, request.operation, row.order, body, answer, now)
    note_dispute(conn, request, WON, finding.value, now)
    drop_parts(conn, request.order)
    return answer, True


@repeatable
def _note_refused(conn: Connection, request: Dispute, detail: str, clock: Clock) -> None:
    """Record the refusal for the operator; the parts stay for another attempt."""
    note_dispute(conn, request, REFUSED, detail, clock())
