"""Tokens of an account: withdrawing and depositing (docs/protocol/11-tokens.md, 11.4).

The signatures are made before the transaction that debits, but sent only after it commits.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select

from veilmart.broker.effects import Answer, BlindSign
from veilmart.broker.events import TokenDeposited, TokensIssued
from veilmart.broker.keys import token_keys
from veilmart.broker.keys.token_keys import KeyRow, LivingKey
from veilmart.broker.ledger import booking, stored_answers
from veilmart.broker.schema.token_tables import token_issues, wallets
from veilmart.broker.sessions.session import Session, require_login
from veilmart.broker.state import BrokerState
from veilmart.broker.tokens import spent_tokens
from veilmart.broker.tokens.spent_tokens import RunsLow
from veilmart.errors import (
    InsufficientBalance,
    MalformedMessage,
    OperationConflict,
    TokenKeyEnded,
    TokenSpent,
    WalletReplaced,
)
from veilmart.limits import BODY_MAX_BYTES, INTEGER_MAX, ISSUES_PER_ANSWER_MAX
from veilmart.protocol.accounting import format_amount, transfer
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.ports import Clock
from veilmart.protocol.token import Token, check_token, parse_token
from veilmart.protocol.token_messages import (
    SIGNATURE_BYTES,
    Claim,
    Claimed,
    Deposit,
    Deposited,
    Issue,
    Issued,
    IssueEntry,
    Issues,
    ListIssues,
)
from veilmart.storage.database.columns import insert as upsert
from veilmart.storage.database.isolation import repeatable, snapshot

_i = token_issues.c
_wallet = select(wallets.c.wallet).where(wallets.c.account == bindparam("of"))
_set = upsert(wallets)
_claim = _set.on_conflict_do_update(
    index_elements=[wallets.c.account], set_={"wallet": _set.excluded.wallet}
)
_known = select(_i.body, _i.answer).where(
    _i.account == bindparam("of"), _i.request == bindparam("request")
)
_overlapping = select(_i.first).where(
    _i.account == bindparam("of"),
    _i.key == bindparam("key_of"),
    _i.first < bindparam("end"),
    _i.first + _i.count > bindparam("begin"),
)
_add = insert(token_issues)
_list = (
    select(_i.request, _i.first, _i.count)
    .where(_i.account == bindparam("of"), _i.key == bindparam("key_of"))
    .where(_i.first >= bindparam("start"))
    .order_by(_i.first)
    .limit(ISSUES_PER_ANSWER_MAX + 1)
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One withdrawal as it was asked for. body: hash of what has to be the same again."""

    account: int
    request: bytes
    wallet: bytes
    key: bytes
    first: int
    count: int
    body: bytes


def claim(state: BrokerState, session: Session, request: Claim) -> Rule[Answer]:
    """Make this the only wallet that withdraws from the account.

    Raises LoginRequired, OperationConflict.

    A session claims for one wallet once: the same record sent again later changes nothing.
    """
    who = require_login(session)
    if request.wallet not in session.claimed:
        if len(session.claimed) >= _CLAIMS_PER_SESSION_MAX:
            raise OperationConflict("Too many wallets in one session.")
        yield from transact(_claim_account, who.account, request.wallet)
        session.claimed += (request.wallet,)
    return Answer(Claimed())


_CLAIMS_PER_SESSION_MAX = 16


@repeatable
def _claim_account(conn: Connection, account: int, wallet: bytes) -> None:
    conn.execute(_claim, {"account": account, "wallet": wallet})


def issue(state: BrokerState, session: Session, request: Issue) -> Rule[Answer]:
    """account → tokens, and a blind signature for each. A repeated request gets the same answer.

    Raises LoginRequired, WalletReplaced, OperationConflict, TokenKeyUnknown, TokenKeyEnded,
    InsufficientBalance, MalformedMessage.
    """
    who = require_login(session)
    blinded = _split(request.blinded)
    asked = _Asked(
        account=who.account,
        request=request.request,
        wallet=request.wallet,
        key=request.key,
        first=request.first,
        count=len(blinded),
        body=stored_answers.issue_hash(who.account, request.key, request.first, request.blinded),
    )
    if request.first > INTEGER_MAX - len(blinded):
        raise MalformedMessage("A counter is too large.")
    # Looked at first, so that nobody is signed for who has no money, or has the answer already.
    stored = yield from transact(_look, asked, state)
    if stored is not None:
        return Answer(decode(Issued, stored, BODY_MAX_BYTES))
    key = yield from living_key(state, request.key)
    signatures = yield from BlindSign(key.secret, blinded)
    stored, fresh = yield from transact(_issue, asked, signatures, state)
    if fresh:
        state.observe(TokensIssued())
    return Answer(decode(Issued, stored, BODY_MAX_BYTES))


def living_key(state: BrokerState, key_id: bytes) -> Rule[LivingKey]:
    """The key with its private half; another process may have made it a moment ago.

    Raises TokenKeyEnded for one that is not there any more.
    """
    key = state.tokens.find(key_id)
    if key is None:
        state.tokens = yield from transact(token_keys.load_keys)
        key = state.tokens.find(key_id)
    if key is None:
        raise TokenKeyEnded
    return key


def _look(conn: Connection, asked: _Asked, state: BrokerState) -> bytes | None:
    """The stored answer, if any. Raises what stands in the way of a new one; only reads."""
    wallet = conn.execute(_wallet, {"of": asked.account}).scalar_one_or_none()
    if wallet is not None and wallet != asked.wallet:
        raise WalletReplaced
    known = {"of": asked.account, "request": asked.request}
    row = conn.execute(_known, known).one_or_none()
    if row is not None:
        if row[0] != asked.body:
            raise OperationConflict("That withdrawal was another one.")
        return bytes(row[1])
    key = token_keys.issuing(conn, asked.key, state.clock())
    if key.price not in state.settings.price_points:
        raise TokenKeyEnded("There is no such price point now.")
    taken = {
        "of": asked.account,
        "key_of": key.number,
        "begin": asked.first,
        "end": asked.first + asked.count,
    }
    if conn.execute(_overlapping, taken).first() is not None:
        raise OperationConflict("These counters were withdrawn before.")
    balance, price = booking.balance_of(conn, asked.account), key.price * asked.count
    if balance < price:
        decimals = state.settings.decimals
        have, wanted = format_amount(balance, decimals), format_amount(price, decimals)
        raise InsufficientBalance(f"Balance {have}, price {wanted}.")
    return None


@repeatable
def _issue(
    conn: Connection, asked: _Asked, signatures: list[bytes], state: BrokerState
) -> tuple[bytes, bool]:
    """The encoded answer, and whether this was the first time."""
    stored = _look(conn, asked, state)
    if stored is not None:
        return stored, False
    now = state.clock()
    key = token_keys.issuing(conn, asked.key, now)
    price = key.price * asked.count
    moves = transfer(asked.account, key.account, price)
    booking.book(conn, "issue", asked.request, now, moves, frozenset({key.account}))
    if conn.execute(_wallet, {"of": asked.account}).one_or_none() is None:
        conn.execute(insert(wallets), {"account": asked.account, "wallet": asked.wallet})
    balance = booking.balance_of(conn, asked.account)
    answer = encode(Issued(signatures=b"".join(signatures), balance=balance))
    row = {
        "account": asked.account,
        "key": key.number,
        "first": asked.first,
        "count": asked.count,
        "request": asked.request,
        "body": asked.body,
        "answer": answer,
    }
    conn.execute(_add, row)
    return answer, True


def list_issues(state: BrokerState, session: Session, request: ListIssues) -> Rule[Answer]:
    """The account's own withdrawals under a key. Raises LoginRequired, TokenKeyUnknown."""
    who = require_login(session)
    entries = yield from transact(
        _list_issues, who.account, request.key, request.start, state.clock
    )
    found, more = entries[:ISSUES_PER_ANSWER_MAX], len(entries) > ISSUES_PER_ANSWER_MAX
    return Answer(Issues(entries=found, more=more))


@snapshot
def _list_issues(
    conn: Connection, account: int, key_id: bytes, start: int, clock: Clock
) -> list[IssueEntry]:
    key = token_keys.spendable(conn, key_id, clock())
    rows = conn.execute(_list, {"of": account, "key_of": key.number, "start": start})
    return [IssueEntry(request=row[0], first=row[1], count=row[2]) for row in rows]


def deposit(state: BrokerState, session: Session, request: Deposit) -> Rule[Answer]:
    """tokens → account for an unspent token.

    A repeated request from the same account returns the same result.

    Raises LoginRequired, TokenKeyUnknown, TokenKeyEnded, TokenInvalid, TokenSpent.
    """
    who = require_login(session)
    token = parse_token(request.token)
    key = yield from transact(_key_of, token, state.clock)
    check_token(key.public, token)
    answer, fresh = yield from spent_tokens.taking(_deposit, token, who.account, state.clock)
    if fresh:
        state.observe(TokenDeposited())
    return Answer(answer)


@snapshot
def _key_of(conn: Connection, token: Token, clock: Clock) -> KeyRow:
    return token_keys.spendable(conn, token.key_id, clock())


@repeatable
@snapshot
def _deposit(
    conn: Connection, token: Token, account: int, clock: Clock
) -> tuple[Deposited, bool] | RunsLow:
    """The answer, and whether this was the first time. The signature has been verified."""
    now = clock()
    key = token_keys.spendable(conn, token.key_id, now)
    taken = spent_tokens.taker(conn, key, token)
    if taken is not None and taken[1] != account:
        raise TokenSpent
    if taken is None:
        hot = spent_tokens.room_to_take(conn, key)
        if isinstance(hot, RunsLow):
            return hot
        spent_tokens.take_back(conn, token, key, account)
        moves = transfer(key.account, account, key.price)
        booking.book(conn, "deposit", b"", now, moves, hot)
    balance = booking.balance_of(conn, account)
    return Deposited(value=key.price, balance=balance), taken is None


def _split(blinded: bytes) -> tuple[bytes, ...]:
    """Raises MalformedMessage unless it is a whole number of blinded messages."""
    if not blinded or len(blinded) % SIGNATURE_BYTES:
        raise MalformedMessage("A blinded message has 256 bytes.")
    return tuple(
        blinded[at : at + SIGNATURE_BYTES] for at in range(0, len(blinded), SIGNATURE_BYTES)
    )
