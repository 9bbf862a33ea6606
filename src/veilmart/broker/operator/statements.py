"""Statements for merchants (page 5, section 8): pages of reports, then totals of one moment."""

from sqlalchemy import ColumnElement, Connection, bindparam, case, func, select

from veilmart.broker.effects import Answer, look
from veilmart.broker.ledger import booking, hot_rows
from veilmart.broker.merchants import MerchantView
from veilmart.broker.operator import running_totals
from veilmart.broker.schema import tables
from veilmart.broker.sessions.session import Session
from veilmart.broker.signed_requests import read_carried
from veilmart.broker.state import BrokerState
from veilmart.protocol import labels
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.statement import (
    ENTRIES_MAX,
    AskStatement,
    Statement,
    StatementEntry,
    StatementPage,
    StatementRequest,
    StatementTotals,
    asked_hash,
    sign_page,
)
from veilmart.storage.database.isolation import repeatable, snapshot

_r, _i, _m = tables.reports.c, tables.invoices.c, tables.merchants.c
_fee = case((_r.event == "settled", _i.fee), else_=0)
_entries = (
    select(_r.sequence, _r.order, _r.event, _r.at, _i.amount, _fee)
    .join(tables.invoices, _i.order == _r.order)
    .where(_r.merchant == bindparam("of"), _r.sequence > bindparam("after"))
    .order_by(_r.sequence)
    .limit(ENTRIES_MAX)
)
_last = select(_m.last_sequence).where(_m.fingerprint == bindparam("of"))


def _sum(condition: ColumnElement[bool], value: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, value), else_=0)), 0)


_open = select(
    _sum(_i.state == InvoiceState.HELD.value, _i.amount),
    _sum(_i.state == InvoiceState.RELEASED.value, _i.amount),
).where(
    _i.merchant == bindparam("of"),
    _i.state.in_([InvoiceState.HELD.value, InvoiceState.RELEASED.value]),
)


def statement(state: BrokerState, session: Session, request: AskStatement) -> Rule[Answer]:
    """Raises MerchantUnknown, SignatureInvalid, NotYourBroker, MalformedMessage."""
    signed, now = request.signed, state.clock()
    wanted, merchant = read_carried(state, StatementRequest, labels.STATEMENT_REQUEST, signed, now)
    asked = asked_hash(signed)
    yield from transact(_number_reports, merchant.fingerprint)
    while (yield from transact(running_totals.carry_forward, merchant.fingerprint)):
        pass  # short transactions: others get their turns between them
    page = yield from look(read_page, wanted, merchant, asked, now)
    seed = state.own.by_serial(session.descriptor).signing_seed
    return Answer(Statement(signed=sign_page(seed, page)))


@repeatable
@snapshot
def _number_reports(conn: Connection, merchant: bytes) -> None:
    if hot_rows.are_deferred(conn):
        hot_rows.number_reports(conn, merchant)


def read_page(
    conn: Connection, wanted: StatementRequest, merchant: MerchantView, asked: bytes, now: int
) -> StatementPage:
    """A reading: the next entries; with the totals if there are no more."""
    of = {"of": merchant.fingerprint}
    rows = conn.execute(_entries, of | {"after": wanted.after}).all()
    entries = [
        StatementEntry(sequence=r[0], order=r[1], event=r[2], at=r[3], amount=r[4], fee=r[5])
        for r in rows
    ]
    return StatementPage(
        broker=wanted.broker,
        merchant=merchant.fingerprint,
        asked=asked,
        at=now,
        last=_newest(conn, of, wanted.after, entries),
        entries=entries,
        totals=_totals(conn, merchant, of) if len(entries) < ENTRIES_MAX else None,
    )


def _newest(
    conn: Connection, of: dict[str, bytes], after: int, entries: list[StatementEntry]
) -> int:
    """A restore counts the merchant's number up and makes no report: the last one there is."""
    if len(entries) < ENTRIES_MAX:
        return entries[-1].sequence if entries else after
    return int(conn.execute(_last, of).scalar_one())


def _totals(conn: Connection, merchant: MerchantView, of: dict[str, bytes]) -> StatementTotals:
    settled, fees, back, given_back = running_totals.sums_of_all(conn, merchant.fingerprint)
    held, released = (int(n) for n in conn.execute(_open, of).one())
    balance = booking.balance_of(conn, merchant.account)
    # Payouts are folded with their month; what is neither earned nor there was paid out.
    gone = settled - fees - given_back - balance
    return StatementTotals(
        settled=settled,
        fees=fees,
        refunded=back - given_back,
        given_back=given_back,
        paid_out=max(0, gone),
        credited=max(0, -gone),
        held=held,
        released=released,
        balance=balance,
    )
