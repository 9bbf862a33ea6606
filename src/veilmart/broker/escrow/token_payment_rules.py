"""Tokens without an account: spending, refunds, recovery (docs/protocol/11-tokens.md, 11.5).

A spent token stays spent. A token that comes too late is exchanged for the order's refund token, so
no money is lost and no token can be used twice to mark an order.
"""

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from veilmart.broker.effects import Answer, BlindSign
from veilmart.broker.escrow import invoices
from veilmart.broker.escrow.invoices import InvoiceRow
from veilmart.broker.escrow.order_terms import find_terms, is_of, signed_receipt
from veilmart.broker.escrow.segment_rules import first_segment
from veilmart.broker.events import PaymentHeld, TokenSpent as TokenTaken
from veilmart.broker.keys import token_keys
from veilmart.broker.keys.token_keys import KeyRow
from veilmart.broker.ledger import booking, stored_answers
from veilmart.broker.schema import tables
from veilmart.broker.sessions.known_orders import OrderTerms
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.broker.tokens import published_prefixes, spent_tokens
from veilmart.broker.tokens.spent_tokens import RunsLow, Spending, SpentRow
from veilmart.broker.tokens.withdrawal_rules import living_key
from veilmart.crypto.blind_rsa import in_range
from veilmart.errors import (
    AmountDiffers,
    DeadlinesTooLong,
    MalformedMessage,
    NotRefunded,
    OperationConflict,
    OrderKeyInvalid,
    OrderUnknown,
    RefundKeyUnfit,
    TokenInvalid,
    TokenKeyEnded,
    TokenSpent,
    WrongOrderState,
)
from veilmart.limits import BODY_MAX_BYTES, TOKEN_ORDER_MAX_SECONDS
from veilmart.protocol.accounting import transfer
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.invoice_states import InvoiceEvent, InvoiceState
from veilmart.protocol.order_key import check_action
from veilmart.protocol.ports import Clock
from veilmart.protocol.token import INPUT_BYTES, Token, check_token, parse_token
from veilmart.protocol.token_messages import (
    GetRefund,
    Recover,
    Recovered,
    RefundToken,
    Spend,
    Spent,
)
from veilmart.storage.database.isolation import repeatable, snapshot

_NO_ORDER = bytes(32)
_KEY_ID = slice(INPUT_BYTES - 32, INPUT_BYTES)
_PAID = (
    InvoiceState.HELD,
    InvoiceState.RELEASED,
    InvoiceState.SETTLED,
    InvoiceState.REFUNDED,
)
_orders_of = select(tables.invoices.c.order, tables.invoices.c.state)


@dataclass(frozen=True, slots=True)
class _Offered:
    """A request to spend with what was found out about it before the decision.

    token: None unless its signature verifies. signed: whether the order key signed. terms: None for
    an order without an invoice. receipt: for a payment at the time `at`, empty without terms.
    """

    request: Spend
    body: bytes
    token: Token | None = field(repr=False)
    signed: bool
    terms: OrderTerms | None
    receipt: bytes
    at: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """answer: encoded `Spent`. Without one, the token comes too late and `refund` is to sign."""

    answer: bytes | None
    fresh: bool
    held: bool = False
    refund: bytes = b""


# ---- spending ------------------------------------------------------------------------------------


def spend(state: BrokerState, session: Session, request: Spend) -> Rule[Answer]:
    """tokens → escrow, OFFERED → HELD, and a receipt; or, too late, a token for a token.

    With the receipt comes the first segment, once.

    Raises MalformedMessage in a session that is logged in, OperationConflict, TokenKeyUnknown,
    TokenKeyEnded, AmountDiffers, OrderKeyInvalid, RefundKeyUnfit, DeadlinesTooLong, TokenInvalid,
    TokenSpent.
    """
    if session.login is not None:
        raise MalformedMessage("Tokens are spent without a login.")
    stored_answers.check_id(request.operation, request.order, "spend")
    key = yield from transact(_key_of, request.token[_KEY_ID])
    terms, at = (yield from find_terms(state, request.order)), state.clock()
    seed = state.own.by_serial(session.descriptor).signing_seed
    offered = _Offered(
        request=request,
        body=stored_answers.body_hash(request, 0),
        token=None if key is None else _verified(key, request.token),
        signed=_is_signed(request),
        terms=terms,
        receipt=b"" if terms is None else signed_receipt(state, seed, terms, at),
        at=at,
    )
    try:
        outcome = yield from spent_tokens.taking(_spend, offered, b"", state.clock)
    except WrongOrderState:
        state.orders.drop(request.order)
        raise
    if outcome.answer is None:
        refund = yield from living_key(state, outcome.refund)
        (signature,) = yield from BlindSign(refund.secret, (request.refund_blinded,))
        outcome = yield from spent_tokens.taking(_spend, offered, signature, state.clock)
    if outcome.answer is None:
        raise RefundKeyUnfit
    session.unpaid.pop(request.order, None)
    state.unpaid.remove(request.order)
    if outcome.fresh:
        state.observe(TokenTaken())
    answer = Answer(decode(Spent, outcome.answer, BODY_MAX_BYTES))
    if not outcome.held or terms is None:
        return answer
    state.observe(PaymentHeld(request.order))
    return replace(answer, attachment=(yield from first_segment(state, terms, at)))


@repeatable
@snapshot
def _spend(
    conn: Connection, offered: _Offered, signature: bytes, clock: Clock
) -> _Outcome | RunsLow:
    """Steps 1 to 6. signature: of the refund token, once it was found to be needed."""
    request = offered.request
    before = spent_tokens.spent_for(conn, request.order)
    if before is not None:
        return _Outcome(_again(before, offered.body), fresh=False)
    now = clock()
    row = invoices.find_invoice(conn, request.order)
    key = token_keys.spendable(conn, request.token[_KEY_ID], now)
    _check_against_invoice(offered, key, row)
    refund = _check_refund(conn, request, key, now)
    if row is not None and row.deliver_within + row.settle_within > TOKEN_ORDER_MAX_SECONDS:
        raise DeadlinesTooLong
    token = offered.token
    if token is None:
        raise TokenInvalid
    if spent_tokens.taker(conn, key, token) is not None:
        raise TokenSpent
    hot = spent_tokens.room_to_take(conn, key)
    if isinstance(hot, RunsLow):
        return hot
    what = Spending(request.order, request.order_key, request.refund_blinded, offered.body)
    if row is not None and row.state is InvoiceState.OFFERED and now < row.due:
        if offered.terms is None or not is_of(row, offered.terms):
            raise WrongOrderState("The order has another invoice.")
        invoices.advance(conn, row, InvoiceEvent.PAY, offered.at, payer=key.account, hot=hot)
        answer = encode(Spent(receipt=offered.receipt, refund=b""))
        spent_tokens.take(conn, token, key, refund, what, answer, late=False)
        return _Outcome(answer, fresh=True, held=True)
    if not signature:
        return _Outcome(None, fresh=False, refund=refund.id)
    answer = encode(Spent(receipt=b"", refund=signature))
    spent_tokens.take(conn, token, key, refund, what, answer, late=True)
    if key.account != refund.account:
        moves = transfer(key.account, refund.account, key.price)
        booking.book(conn, "exchange", request.order, now, moves, hot | {refund.account})
    published_prefixes.publish_order(conn, request.order_key)
    return _Outcome(answer, fresh=True)


def _again(before: SpentRow, body: bytes) -> bytes:
    """Step 1: the answer from before. Raises OperationConflict, WrongOrderState."""
    if before.body != body:
        raise OperationConflict("That order was paid otherwise.")
    if before.answer is None:
        raise WrongOrderState("It was paid with this token; the receipt is no longer stored.")
    return before.answer


def _check_against_invoice(offered: _Offered, key: KeyRow, row: InvoiceRow | None) -> None:
    """The rest of step 2. Raises AmountDiffers, OrderKeyInvalid."""
    request = offered.request
    if key.price != request.amount or (row is not None and row.amount != request.amount):
        raise AmountDiffers
    if not offered.signed or (row is not None and row.order_key != request.order_key):
        raise OrderKeyInvalid


def _check_refund(conn: Connection, request: Spend, key: KeyRow, now: int) -> KeyRow:
    """Step 3: the key of the order's refund. Raises RefundKeyUnfit, MalformedMessage."""
    refund = token_keys.lock_key(conn, request.refund_key)
    if refund is None or refund.price != key.price or not refund.refunds(now):
        raise RefundKeyUnfit
    if in_range(refund.public.numbers, request.refund_blinded) is None:
        raise MalformedMessage("A blinded message is out of the range of its token key.")
    return refund


@snapshot
def _key_of(conn: Connection, key_id: bytes) -> KeyRow | None:
    return token_keys.find_key(conn, key_id)


def _verified(key: KeyRow, data: bytes) -> Token | None:
    try:
        token = parse_token(data)
        check_token(key.public, token)
    except TokenInvalid:
        return None
    return token


def _is_signed(request: Spend) -> bool:
    try:
        check_action(request.order_key, request.order, "spend", request.signature)
    except OrderKeyInvalid:
        return False
    return True


# ---- afterwards ----------------------------------------------------------------------------------


def get_refund(state: BrokerState, session: Session, request: GetRefund) -> Rule[Answer]:
    """The blind signature of a refunded order's token, as often as asked.

    Raises OrderUnknown, OrderKeyInvalid, NotRefunded, TokenKeyEnded.
    """
    order_key = yield from transact(_order_key_of, request.order)
    check_action(order_key, request.order, "refund", request.signature)
    key_id, blinded = yield from transact(_refund_of, request.order, state.clock)
    key = yield from living_key(state, key_id)
    (signature,) = yield from BlindSign(key.secret, (blinded,))
    return Answer(RefundToken(key=key_id, signature=signature))


@snapshot
def _order_key_of(conn: Connection, order: bytes) -> bytes:
    """Of an order that a token was spent for, or that has an invoice. Raises OrderUnknown."""
    spent = spent_tokens.spent_for(conn, order)
    return invoices.get_invoice(conn, order).order_key if spent is None else spent.order_key


@snapshot
def _refund_of(conn: Connection, order: bytes, clock: Clock) -> tuple[bytes, bytes]:
    """(id of the refund key, blinded message)."""
    spent = spent_tokens.spent_for(conn, order)
    if spent is None or not spent.reissued:
        raise NotRefunded
    key = token_keys.lock_numbered(conn, spent.refund_key)
    if key.is_over(clock()):
        raise TokenKeyEnded("The refund's token key has ended.")
    return key.id, spent.refund_blinded


def recover(state: BrokerState, session: Session, request: Recover) -> Rule[Answer]:
    """The state of the order of this key. Raises OrderKeyInvalid, OrderUnknown."""
    check_action(request.order_key, _NO_ORDER, "recover", request.signature)
    answer = yield from transact(_recover, request.order_key)
    return Answer(answer)


@snapshot
def _recover(conn: Connection, order_key: bytes) -> Recovered:
    spent = spent_tokens.late_by(conn, order_key)
    if spent is None:
        row = _invoice_of(conn, order_key)
    else:
        row = invoices.find_invoice(conn, spent.order)
    if row is not None:
        exchanged = spent is not None and row.state not in _PAID
        state = InvoiceState.REFUNDED if exchanged else row.state
        return Recovered(order=row.order, state=state.value, amount=row.amount, invoice=row.signed)
    if spent is None:
        raise OrderUnknown
    price = token_keys.lock_numbered(conn, spent.key).price
    return Recovered(
        order=spent.order, state=InvoiceState.REFUNDED.value, amount=price, invoice=b""
    )


def _invoice_of(conn: Connection, order_key: bytes) -> InvoiceRow | None:
    """The order of that key; one that was paid, if there are several."""
    rows = conn.execute(_orders_of.where(tables.invoices.c.order_key == order_key)).all()
    orders = sorted((row[1] not in _PAID, row[0]) for row in rows)
    return invoices.find_invoice(conn, orders[0][1]) if orders else None
