"""Tokens: keys, withdrawals, spent tokens and the public lists (docs/protocol/11-tokens.md).

The number of tokens outstanding under each key is counted and compared with the money of its
account: withdrawn + reissued = redeemed + returned + expired + outstanding, key by key. Whether a
token that was shown was signed by us cannot be asked again: its signature is not kept.
"""

import hashlib
from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import Connection, and_, func, select

from veilmart.broker.audit.findings import Finding, Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import (
    published,
    published_pages,
    spent_tokens,
    token_issues,
    token_keys,
)
from veilmart.broker.tokens.key_totals import KeyTotals, key_totals
from veilmart.crypto.token_key import token_key_from_bytes, token_public_key
from veilmart.errors import PeerFault, StoreDamaged
from veilmart.limits import BODY_MAX_BYTES, TOKENS_PER_REQUEST_MAX
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.encoding import decode
from veilmart.protocol.published_prefixes import PREFIX_BYTES, spent_prefix
from veilmart.protocol.token_messages import Issued, Spent
from veilmart.storage.database.columns import AnyRow

_a, _p, _t, _c = (
    tables.accounts.c,
    tables.postings.c,
    tables.transactions.c,
    tables.customers.c,
)
_k, _i, _s, _l, _g = token_keys.c, token_issues.c, spent_tokens.c, published.c, published_pages.c
_SIGNATURE_BYTES = 256
_MODULUS = 1 << 64


def _name(key: AnyRow) -> str:
    return f"token key {key.id.hex()[:8]}"


# ---- keys ----------------------------------------------------------------------------------------


def check_token_keys(conn: Connection, known: Known, tally: Tally) -> None:
    """Each is the key that its id names, has an account of its own, and its tokens add up."""
    lines = {line.id: line for line in key_totals(conn)}
    posted = select(_p.account, func.sum(_p.amount).label("total")).group_by(_p.account).subquery()
    query = (
        select(token_keys, _a.kind, func.coalesce(posted.c.total, 0).label("money"))
        .join(tables.accounts, _a.id == _k.account, isouter=True)
        .join(posted, posted.c.account == _k.account, isouter=True)
        .order_by(_k.number)
    )
    accounts: set[int] = set()
    for key in stream(conn, query):
        tally.row()
        name = _name(key)
        if hashlib.sha256(key.spki).digest() != key.id:
            tally.find("token-key", name, "It is not the key that its id names.")
        if key.kind != AccountKind.TOKENS or key.account in accounts:
            tally.find("token-account", name, "Its tokens have no account of their own.")
        accounts.add(key.account)
        tally.take(_sums(key, lines.get(key.id), name))
        tally.take(_secret(key, name))
    query = select(_a.id).where(
        _a.kind == AccountKind.TOKENS.value, _a.id.not_in(select(_k.account))
    )
    for (number,) in stream(conn, query):
        tally.find("token-account", f"account {number}", "It is of the kind tokens, of no key.")


def _sums(key: AnyRow, line: KeyTotals | None, name: str) -> Iterator[Finding]:
    if line is None or not line.holds or key.money != line.outstanding * key.price:
        yield Finding("token-solvency", name, f"{_said(key, line)}.")
    if key.retired_at is not None and key.money:
        yield Finding("token-retired", name, "It was retired, and its account has money.")


def _said(key: AnyRow, line: KeyTotals | None) -> str:
    if line is None:
        return "Nothing is known of its tokens"
    left = line.withdrawn + line.reissued - line.redeemed - line.returned - line.expired
    return f"{left} tokens are left by count, {int(key.money)} by money at {key.price} each"


def _secret(key: AnyRow, name: str) -> Iterator[Finding]:
    if key.retired_at is not None:
        if key.secret is not None:
            yield Finding("token-retired", name, "It was retired, and its private half is there.")
        return
    try:
        fits = key.secret is not None and (
            token_public_key(token_key_from_bytes(key.secret)).spki == key.spki
        )
    except StoreDamaged:
        fits = False
    if not fits:
        yield Finding("token-secret", name, "Its private half is missing or another key's.")


# ---- withdrawals ---------------------------------------------------------------------------------


def check_issues(conn: Connection, known: Known, tally: Tally) -> None:
    """Counters are withdrawn once; each answer has a signature for each token; each was paid."""
    query = (
        select(token_issues, _k.price, _k.id, _c.account.label("customer"))
        .join(token_keys, _k.number == _i.key, isouter=True)
        .join(tables.customers, _c.account == _i.account, isouter=True)
        .order_by(_i.account, _i.key, _i.first)
    )
    rows = stream(conn, query)
    for (account, _number), of_key in groupby(rows, key=lambda row: (row.account, row.key)):
        end = 0
        for row in of_key:
            tally.row()
            tally.take(_issue(row, f"withdrawal of account {account} from {row.first}", end))
            end = row.first + row.count
    tally.take(_paid(conn))


def _issue(row: AnyRow, name: str, end: int) -> Iterator[Finding]:
    if row.id is None or row.customer is None:
        yield Finding("issue-owner", name, "Its key or its account is not there.")
    if row.first < end or not 0 < row.count <= TOKENS_PER_REQUEST_MAX:
        yield Finding("issue-counters", name, "Its counters are not its own.")
    try:
        signatures = decode(Issued, row.answer, BODY_MAX_BYTES).signatures
    except PeerFault:
        signatures = b""
    if len(signatures) != row.count * _SIGNATURE_BYTES:
        yield Finding("issue-answer", name, f"Its answer has no {row.count} signatures.")


def _paid(conn: Connection) -> Iterator[Finding]:
    """Money that was taken for tokens has its withdrawal, until the key is retired."""
    paid, payer = _p.amount > 0, tables.postings.alias("payer")
    query = (
        select(_t.id, _p.amount, _i.count, _k.price, _k.retired_at)
        .join(tables.postings, (_p.entry == _t.id) & paid)
        .join(payer, (payer.c.entry == _t.id) & (payer.c.amount < 0))
        .join(token_keys, _k.account == _p.account, isouter=True)
        .join(
            token_issues,
            and_(_i.request == _t.reference, _i.key == _k.number, _i.account == payer.c.account),
            isouter=True,
        )
        .where(_t.kind == "issue")
    )
    for entry, amount, count, price, retired in stream(conn, query):
        if retired is None and (count is None or amount != count * price):
            what = f"{amount} was taken for tokens; the withdrawal says otherwise."
            yield Finding("issue-money", f"transaction {entry}", what)


# ---- what was shown ------------------------------------------------------------------------------


def check_spent(conn: Connection, known: Known, tally: Tally) -> None:
    """Deposited by a customer, spent for a paid order, or late and exchanged: one of these."""
    refund = token_keys.alias("refund")
    query = (
        select(
            spent_tokens,
            _k.id.label("key_id"),
            _k.price,
            refund.c.price.label("refund_price"),
            _c.account.label("customer"),
            tables.invoices.c.state,
        )
        .join(token_keys, _k.number == _s.key, isouter=True)
        .join(refund, refund.c.number == _s.refund_key, isouter=True)
        .join(tables.customers, _c.account == _s.account, isouter=True)
        .join(tables.invoices, tables.invoices.c.order == _s.order, isouter=True)
        .order_by(_s.id)
    )
    for row in stream(conn, query):
        tally.row()
        tally.take(_shown(row, f"spent token {row.id}"))
    tally.take(_exchanges(conn))


def _shown(row: AnyRow, name: str) -> Iterator[Finding]:
    if row.key_id is None or len(row.nonce) != 32:
        yield Finding("spent-token", name, "Its key is not there, or its nonce is none.")
    if (row.order is None) == (row.account is None):
        yield Finding("spent-token", name, "It was both spent and deposited, or neither.")
        return
    if row.order is None:
        if row.customer is None:
            yield Finding("spent-token", name, "It was deposited by nobody.")
        return
    if row.refund_price != row.price:
        yield Finding("spent-refund", name, "Its refund would be worth something else.")
    if row.late:
        yield from _late(row, name)
    elif bool(row.reissued) and row.state != "refunded":
        yield Finding("spent-refund", name, f"Its order is {row.state}, its refund was granted.")


def _late(row: AnyRow, name: str) -> Iterator[Finding]:
    """It paid for nothing and was answered with another."""
    try:
        answer = None if row.answer is None else decode(Spent, row.answer, BODY_MAX_BYTES)
    except PeerFault:
        yield Finding("spent-refund", name, "What it was exchanged for is none.")
        return
    wrong = answer is not None and (answer.receipt or len(answer.refund) != _SIGNATURE_BYTES)
    if not row.reissued or wrong:
        yield Finding("spent-refund", name, "It came too late, and was not exchanged.")


def _exchanges(conn: Connection) -> Iterator[Finding]:
    """Money that was moved from one key to another has a token that came too late."""
    query = (
        select(_t.id)
        .join(spent_tokens, (_s.order == _t.reference) & (_s.late == 1), isouter=True)
        .where(_t.kind == "exchange", _s.id.is_(None))
    )
    for (entry,) in stream(conn, query):
        yield Finding("spent-exchange", f"transaction {entry}", "No token came too late for it.")


# ---- public lists --------------------------------------------------------------------------------


def check_published(conn: Connection, known: Known, tally: Tally) -> None:
    """The list of a living key has the tokens that were shown, each once.

    Compared by number and by the sum of the prefixes: the order in which they came is not kept.
    """
    query = select(_k.number, _k.id).where(_k.retired_at.is_(None)).order_by(_k.number)
    for number, key_id in conn.execute(query).all():
        tally.row()
        nonces = stream(conn, select(_s.nonce).where(_s.key == number))
        shown = _fingerprint(spent_prefix(key_id, nonce) for (nonce,) in nonces)
        if shown != _fingerprint(_listed(conn, number)):
            what = "The list does not have just the tokens that were shown."
            tally.find("published-list", f"list of token key {key_id.hex()[:8]}", what)


def _listed(conn: Connection, number: int) -> Iterator[bytes]:
    for (content,) in stream(conn, select(_g.content).where(_g.list == number)):
        yield from (content[at : at + PREFIX_BYTES] for at in range(0, len(content), PREFIX_BYTES))
    for (prefix,) in stream(conn, select(_l.prefix).where(_l.list == number)):
        yield prefix


def _fingerprint(prefixes: Iterator[bytes]) -> tuple[int, int]:
    count = total = 0
    for prefix in prefixes:
        count, total = count + 1, (total + int.from_bytes(prefix, "big")) % _MODULUS
    return count, total
