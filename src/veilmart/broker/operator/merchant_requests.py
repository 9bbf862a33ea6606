"""Merchants ask the operator: to be carried, to be paid out (page 5, section 8).

The rules only record the request; the operator admits, declines and pays. A request is
signed by the merchant's identity, recent, and noted once however often it is sent.
"""

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from veilmart.broker import merchants
from veilmart.broker.effects import Answer
from veilmart.broker.events import MerchantAsked
from veilmart.broker.ledger import booking
from veilmart.broker.merchants import ADMITTED, MerchantView
from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import ASKED, DECLINED, PAID, join_requests, withdrawals
from veilmart.broker.sessions.session import Session
from veilmart.broker.signed_requests import read_carried
from veilmart.broker.state import BrokerState
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import (
    BadLink,
    DescriptorExpired,
    DescriptorUnknown,
    InsufficientBalance,
    MalformedMessage,
    NoSuchRequest,
    ServerBusy,
    TooManyOpen,
)
from veilmart.limits import (
    INTEGER_MAX,
    JOIN_REQUESTS_MAX,
    REQUEST_KEPT_SECONDS,
    WITHDRAWAL_KEPT_SECONDS,
    WITHDRAWALS_OPEN_MAX,
)
from veilmart.protocol import labels
from veilmart.protocol.address import parse_link
from veilmart.protocol.customer_messages import AskToJoin, AskToWithdraw, Noted
from veilmart.protocol.descriptor import check_descriptor, read_descriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.signed_requests import (
    JoinRequest,
    WithdrawalRequest,
    check_recent,
    read_request,
    verify_request,
)

_j, _w = join_requests.c, withdrawals.c


class JoinLine(msgspec.Struct, frozen=True):
    fingerprint: str
    name: str
    address: str
    at: int


class WithdrawalLine(msgspec.Struct, frozen=True):
    """id: hexadecimal. amount: minor units. unconfirmed: it may have been paid since the backup."""

    id: str
    merchant: str
    amount: int
    note: str
    state: str
    at: int
    unconfirmed: bool = False


# ---- to be carried -------------------------------------------------------------------------------


def join(state: BrokerState, session: Session, request: AskToJoin) -> Rule[Answer]:
    """A merchant asks to be admitted.

    Raises NotYourBroker, OfferMismatch, MalformedMessage, ServerBusy, DescriptorUnknown for an
    expired descriptor, and what `read_descriptor` raises.
    """
    wanted = read_request(JoinRequest, request.signed)
    claimed = read_descriptor(wanted.descriptor)
    verify_request(claimed.descriptor.identity, labels.JOIN_REQUEST, request.signed)
    now = state.clock()
    check_recent(wanted.at, wanted.broker, state.fingerprint, now)
    try:
        checked = check_descriptor(
            wanted.descriptor, role="merchant", fingerprint=claimed.fingerprint, now=now, known=None
        )
    except DescriptorExpired as fault:
        said = f"The merchant's is not valid at this time. {fault.detail}"
        raise DescriptorUnknown(said) from fault
    merchants.check_terms(checked, state.fingerprint, state.settings)
    try:
        if wanted.address:
            parse_link(f"http://{wanted.address}")
    except BadLink as fault:
        raise MalformedMessage("An address is host:port.") from fault
    row = {
        "fingerprint": checked.fingerprint,
        "name": checked.descriptor.name,
        "address": wanted.address,
        "signed": request.signed,
        "at": now,
    }
    yield from transact(_note_join, row)
    state.observe(MerchantAsked("join"))
    return Answer(Noted())


def _note_join(conn: Connection, row: dict[str, object]) -> None:
    conn.execute(delete(join_requests).where(_j.fingerprint == row["fingerprint"]))
    waiting = conn.execute(select(func.count()).select_from(join_requests)).scalar_one()
    if waiting >= JOIN_REQUESTS_MAX:
        raise ServerBusy("Too many merchants wait for admission.")
    carried = select(tables.merchants.c.state).where(
        tables.merchants.c.fingerprint == row["fingerprint"],
        tables.merchants.c.address == row["address"],
    )
    if conn.execute(carried).scalar_one_or_none() != ADMITTED:
        conn.execute(insert(join_requests), row)


def join_lines(conn: Connection) -> list[JoinLine]:
    query = select(_j.fingerprint, _j.name, _j.address, _j.at).order_by(_j.at, _j.fingerprint)
    return [JoinLine(format_fingerprint(r[0]), r[1], r[2], r[3]) for r in conn.execute(query)]


def join_descriptor(conn: Connection, fingerprint: bytes) -> bytes:
    """The signed descriptor that came with a request to join. Raises NoSuchRequest."""
    signed = conn.execute(select(_j.signed).where(_j.fingerprint == fingerprint)).scalar()
    if signed is None:
        raise NoSuchRequest
    return read_request(JoinRequest, signed).descriptor


def find_join(conn: Connection, text: str) -> JoinLine:
    """By name, or by the beginning of the fingerprint. Raises NoSuchRequest if not just one."""
    wanted = text.strip().lower()
    found = [
        line
        for line in join_lines(conn)
        if line.name == text or (wanted and line.fingerprint.startswith(wanted))
    ]
    if len(found) != 1:
        raise NoSuchRequest(f"{len(found)} merchants called {text[:80]!r} wait for admission.")
    return found[0]


def forget_join(conn: Connection, fingerprint: bytes) -> None:
    """It was admitted or declined."""
    conn.execute(delete(join_requests).where(_j.fingerprint == fingerprint))


# ---- to be paid out ------------------------------------------------------------------------------


def withdraw(state: BrokerState, session: Session, request: AskToWithdraw) -> Rule[Answer]:
    """Raises MerchantUnknown, SignatureInvalid, InsufficientBalance, TooManyOpen."""
    now = state.clock()
    wanted, merchant = read_carried(
        state, WithdrawalRequest, labels.WITHDRAWAL, request.signed, now
    )
    yield from transact(_note_withdrawal, wanted, merchant, now)
    state.observe(MerchantAsked("withdrawal"))
    return Answer(Noted())


def _note_withdrawal(
    conn: Connection, wanted: WithdrawalRequest, merchant: MerchantView, now: int
) -> None:
    if conn.execute(select(_w.id).where(_w.id == wanted.id)).one_or_none() is not None:
        return
    count, asked = conn.execute(
        select(func.count(), func.coalesce(func.sum(_w.amount), 0)).where(
            _w.merchant == merchant.fingerprint, _w.state == ASKED
        )
    ).one()
    if count >= WITHDRAWALS_OPEN_MAX:
        raise TooManyOpen("Wait until the operator has paid some.")
    if not 0 < wanted.amount <= INTEGER_MAX - asked:
        raise MalformedMessage("An amount is more than zero.")
    if booking.balance_of(conn, merchant.account) < asked + wanted.amount:
        raise InsufficientBalance("Withdrawals that wait already count.")
    row = {
        "id": wanted.id,
        "merchant": wanted.merchant,
        "amount": wanted.amount,
        "note": wanted.note,
        "state": ASKED,
        "at": now,
    }
    conn.execute(insert(withdrawals), row)


def withdrawal_lines(conn: Connection, *, waiting: bool = False) -> list[WithdrawalLine]:
    """Newest first. waiting: only those that nobody has answered."""
    query = (
        select(_w.id, tables.merchants.c.name, _w.amount, _w.note, _w.state, _w.at, _w.unconfirmed)
        .join(tables.merchants, tables.merchants.c.fingerprint == _w.merchant)
        .order_by(_w.at.desc(), _w.id)
    )
    if waiting:
        query = query.where(_w.ended_at.is_(None))
    return [
        WithdrawalLine(row[0].hex(), *row[1:6], unconfirmed=bool(row[6]))
        for row in conn.execute(query)
    ]


def mark_paid(conn: Connection, merchant: bytes, amount: int, now: int) -> bytes | None:
    """A payout of that amount answers the oldest request for it; its id, None if none asked."""
    oldest = (
        select(_w.id)
        .where(_w.merchant == merchant, _w.amount == amount, _w.state == ASKED)
        .order_by(_w.at, _w.id)
        .limit(1)
    )
    found = conn.execute(oldest).scalar_one_or_none()
    if found is not None:
        paid = update(withdrawals).where(_w.id == found)
        conn.execute(paid.values(state=PAID, ended_at=now, unconfirmed=0))
    return None if found is None else bytes(found)


def decline_withdrawal(conn: Connection, prefix: str, now: int) -> WithdrawalLine:
    """By the beginning of its id. Raises NoSuchRequest if not just one waits."""
    found = [
        line
        for line in withdrawal_lines(conn, waiting=True)
        if prefix and line.id.startswith(prefix.lower())
    ]
    if len(found) != 1:
        raise NoSuchRequest(f"{len(found)} waiting withdrawals begin like that.")
    ended = update(withdrawals).where(_w.id == bytes.fromhex(found[0].id))
    conn.execute(ended.values(state=DECLINED, ended_at=now))
    return found[0]


def forget_old(conn: Connection, now: int) -> None:
    """Delete old unanswered requests and answered withdrawals."""
    conn.execute(delete(join_requests).where(_j.at < now - REQUEST_KEPT_SECONDS))
    ended = _w.ended_at < now - WITHDRAWAL_KEPT_SECONDS
    conn.execute(delete(withdrawals).where(_w.state != ASKED, ended))
