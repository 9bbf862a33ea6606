"""The audit: recompute everything the books claim from the postings (design section 9)."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from veilmart.broker import folds, tables
from veilmart.broker.ledger import true_balance
from veilmart.broker.operator_tables import ISSUED, vouchers
from veilmart.broker.token_tables import spent_tokens, token_keys
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.purchase import InvoiceState

_a, _p, _t, _i = tables.accounts.c, tables.postings.c, tables.transactions.c, tables.invoices.c
_v = vouchers.c
SHOWN_MAX = 5

_paid_states = (
    InvoiceState.HELD,
    InvoiceState.RELEASED,
    InvoiceState.SETTLED,
    InvoiceState.REFUNDED,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was recomputed. problems: sentences, empty when it holds."""

    name: str
    counted: int
    problems: list[str]

    @property
    def holds(self) -> bool:
        return not self.problems


def audit(conn: Connection) -> list[Check]:
    """Every check, in one transaction, so that they all see the same books."""
    return [
        _transactions_sum_to_zero(conn),
        _balances_follow_from_postings(conn),
        _none_below_zero(conn),
        _escrow_is_what_is_held(conn),
        _invoices_have_their_postings(conn),
        _settled_money_has_an_invoice(conn),
        _folded_orders_are_accounted_for(conn),
        _vouchers_are_what_is_outstanding(conn),
    ]


def _transactions_sum_to_zero(conn: Connection) -> Check:
    total = func.coalesce(func.sum(_p.amount), 0)
    query = (
        select(_t.id, total, func.count(_p.id))
        .join(tables.postings, _p.entry == _t.id, isouter=True)
        .group_by(_t.id)
    )
    rows = conn.execute(query).all()
    problems = [
        f"Transaction {row[0]} sums to {row[1]} over {row[2]} postings."
        for row in rows
        if row[1] != 0 or row[2] < 2
    ]
    orphans = conn.execute(
        select(func.count()).select_from(tables.postings).where(_p.entry.not_in(select(_t.id)))
    ).scalar_one()
    if orphans:
        problems.append(f"{orphans} postings belong to no transaction.")
    return Check("transactions sum to zero", len(rows), problems)


def _balances_follow_from_postings(conn: Connection) -> Check:
    recomputed = func.coalesce(func.sum(_p.amount), 0)
    query = (
        select(_a.id, true_balance, recomputed)
        .join(tables.postings, _p.account == _a.id, isouter=True)
        .group_by(_a.id)
    )
    rows = conn.execute(query).all()
    problems = [
        f"Account {row[0]} stores {row[1]}, its postings make {row[2]}."
        for row in rows
        if row[1] != row[2]
    ]
    return Check("balances follow from postings", len(rows), problems)


def _none_below_zero(conn: Connection) -> Check:
    rows = conn.execute(select(_a.id, _a.kind, true_balance)).all()
    problems = [
        f"Account {row[0]} ({row[1]}) is at {row[2]}."
        for row in rows
        if row[2] < 0 and row[1] != AccountKind.CASH
    ]
    return Check("none but cash below zero", len(rows), problems)


def _escrow_is_what_is_held(conn: Connection) -> Check:
    held = [InvoiceState.HELD, InvoiceState.RELEASED]
    count, total = conn.execute(
        select(func.count(), func.coalesce(func.sum(_i.amount), 0)).where(_i.state.in_(held))
    ).one()
    escrow = conn.execute(select(true_balance).where(_a.id == tables.ESCROW)).scalar_one()
    problems = [] if escrow == total else [f"Escrow has {escrow}, orders hold {total}."]
    return Check("escrow is what orders hold", int(count), problems)


def _invoices_have_their_postings(conn: Connection) -> Check:
    """Each paid invoice took its amount into escrow; each ended one gave it where it belongs."""
    moves = _moves_by_order(conn)
    paid_back = _refund_accounts(conn)
    query = select(_i.order, _i.state, _i.amount, tables.merchants.c.account, _i.hold, _i.fee).join(
        tables.merchants, tables.merchants.c.fingerprint == _i.merchant
    )
    rows = conn.execute(query.where(_i.state.in_(_paid_states)).where(~folds.is_folded)).all()
    problems = []
    for order, state, amount, merchant, hold, fee in rows:
        entries = moves.get(order, {})
        held = entries.get("hold")
        if (
            held is None
            or held.entry != hold
            or (held.target, held.amount)
            != (
                tables.ESCROW,
                amount,
            )
        ):
            problems.append(f"Order {order.hex()[:8]} is {state} without its money being held.")
            continue
        given_back = "give back" in entries
        back = paid_back.get(order, held.source)
        if _outcome(entries) != _expected(state, merchant, back, amount, fee, given_back):
            problems.append(f"Order {order.hex()[:8]} is {state}, its postings say otherwise.")
    return Check("invoices have their postings", len(rows), problems)


def _refund_accounts(conn: Connection) -> dict[bytes, int]:
    """Where the money of refunded token-paid orders goes: a refund key's account, or our fees."""
    key = token_keys.c
    query = (
        select(spent_tokens.c.order, key.account, spent_tokens.c.reissued)
        .join(token_keys, key.number == spent_tokens.c.refund_key)
        .where(spent_tokens.c.late == 0)
    )
    return {
        order: account if reissued else tables.FEES
        for order, account, reissued in conn.execute(query)
    }


def _settled_money_has_an_invoice(conn: Connection) -> Check:
    unpaid = [InvoiceState.OFFERED, InvoiceState.EXPIRED]
    paid = select(_i.order).where(_i.state.not_in(unpaid))
    of_orders = _t.kind.in_(["hold", "settle", "refund", "give back"])
    counted = conn.execute(
        select(func.count()).select_from(tables.transactions).where(of_orders)
    ).scalar_one()
    strays = conn.execute(select(_t.id).where(of_orders).where(_t.reference.not_in(paid))).scalars()
    problems = [f"Transaction {entry} belongs to no paid order." for entry in strays]
    return Check("orders' money has its invoice", int(counted), problems)


def _folded_orders_are_accounted_for(conn: Connection) -> Check:
    """What months gave away when they were folded is what their invoices say."""
    said, found = folds.sums_stated(conn), folds.sums_of_invoices(conn)
    problems = [] if said == found else [f"Folded months state {said}, their invoices {found}."]
    return Check("folded months have their invoices", found[0], problems)


def _vouchers_are_what_is_outstanding(conn: Connection) -> Check:
    count, total = conn.execute(
        select(func.count(), func.coalesce(func.sum(_v.value), 0)).where(_v.state == ISSUED)
    ).one()
    query = select(func.coalesce(func.sum(_a.balance), 0)).where(_a.kind == AccountKind.VOUCHERS)
    booked = conn.execute(query).scalar_one()
    problems = [] if booked == total else [f"{booked} is booked for vouchers worth {total}."]
    return Check("vouchers are what is outstanding", int(count), problems)


@dataclass(frozen=True, slots=True)
class _Move:
    """amount: without the fee."""

    entry: int
    source: int
    target: int
    amount: int
    fee: int


_is_gift = (_p.amount > 0) & (_p.account != tables.FEES)


def _moves_by_order(conn: Connection) -> dict[bytes, dict[str, _Move]]:
    query = (
        select(
            _t.reference,
            _t.kind,
            _t.id,
            func.max(case((_p.amount < 0, _p.account))),
            func.max(case((_is_gift, _p.account))),
            func.max(case((_is_gift, _p.amount))),
            func.coalesce(func.sum(case((_p.account == tables.FEES, _p.amount))), 0),
        )
        .join(tables.postings, _p.entry == _t.id)
        .where(_t.kind.in_(["hold", "settle", "refund", "give back"]))
        .group_by(_t.id)
    )
    moves: dict[bytes, dict[str, _Move]] = {}
    for reference, kind, entry, source, target, amount, fee in conn.execute(query):
        move = _Move(entry, source or 0, target or 0, amount or 0, fee)
        moves.setdefault(reference, {})[kind] = move
    return moves


def _outcome(entries: dict[str, _Move]) -> list[tuple[str, int, int, int, int]]:
    return [
        (kind, move.source, move.target, move.amount, move.fee)
        for kind, move in sorted(entries.items())
        if kind != "hold"
    ]


def _expected(
    state: str, merchant: int, customer: int, amount: int, fee: int, given_back: bool
) -> list[tuple[str, int, int, int, int]]:
    settled = ("settle", tables.ESCROW, merchant, amount - fee, fee)
    if state == InvoiceState.SETTLED:
        return [settled]
    if state == InvoiceState.REFUNDED and given_back:
        return [("give back", merchant, customer, amount, 0), settled]
    if state == InvoiceState.REFUNDED and customer == tables.FEES:
        return [("refund", tables.ESCROW, 0, 0, amount)]
    if state == InvoiceState.REFUNDED:
        return [("refund", tables.ESCROW, customer, amount, 0)]
    return []
