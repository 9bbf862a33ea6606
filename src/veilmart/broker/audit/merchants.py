"""Merchants: their accounts, the numbers of their reports, what they asked for and were paid."""

from sqlalchemy import Connection, func, select

from veilmart.broker.audit.findings import Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.home import SERIALS_SKIPPED
from veilmart.broker.operator import running_totals
from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import ASKED, PAID, join_requests, withdrawals
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import PeerFault
from veilmart.protocol import labels
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.signed_requests import JoinRequest, read_request, verify_request

_a, _m, _d = tables.accounts.c, tables.merchants.c, tables.merchant_descriptors.c
_r, _t, _p, _w, _j = (
    tables.reports.c,
    tables.transactions.c,
    tables.postings.c,
    withdrawals.c,
    join_requests.c,
)


def check_merchants(conn: Connection, known: Known, tally: Tally) -> None:
    """Each has an account of its own kind and a descriptor that says its name."""
    query = (
        select(_m.fingerprint, _m.name, _a.kind)
        .join(tables.accounts, _a.id == _m.account, isouter=True)
        .order_by(_m.fingerprint)
    )
    for fingerprint, name, kind in conn.execute(query).all():
        tally.row()
        shown = f"merchant {format_fingerprint(fingerprint)[:9]}"
        if kind != AccountKind.MERCHANT:
            tally.find("merchant-account", shown, f"Its account is of the kind {kind}.")
        if name not in _names(conn, fingerprint):
            tally.find("merchant-name", shown, "No descriptor of it says its name.")


def _names(conn: Connection, merchant: bytes) -> set[str]:
    names: set[str] = set()
    for (signed,) in stream(conn, select(_d.signed).where(_d.merchant == merchant)):
        try:
            names.add(read_descriptor(signed).descriptor.name)
        except PeerFault:
            continue  # the check of the descriptors finds it
    return names


def check_report_numbers(conn: Connection, known: Known, tally: Tally) -> None:
    """A merchant's reports are numbered from 1 without gaps, but for those a restore makes."""
    last: dict[bytes, int] = {}
    query = select(_r.merchant, _r.sequence).order_by(_r.merchant, _r.sequence)
    for merchant, sequence in stream(conn, query):
        tally.row()
        _check_number(merchant, last.get(merchant, 0), sequence, tally)
        last[merchant] = sequence
    for merchant, highest in conn.execute(select(_m.fingerprint, _m.last_sequence)).all():
        _check_number(merchant, last.get(merchant, 0), highest + 1, tally)
        last.pop(merchant, None)
    for merchant in last:
        shown = f"merchant {format_fingerprint(merchant)[:9]}"
        tally.find("report-merchant", shown, "It has reports and is not one of ours.")


def _check_number(merchant: bytes, before: int, sequence: int, tally: Tally) -> None:
    missing = sequence - before - 1
    if missing % SERIALS_SKIPPED:
        row = f"merchant {format_fingerprint(merchant)[:9]}"
        what = f"Its reports leave out numbers between {before} and {sequence}."
        tally.find("report-sequence", row, what)


def check_report_totals(conn: Connection, known: Known, tally: Tally) -> None:
    """What statements begin with is what the reports add up to."""
    for merchant in conn.execute(select(_m.fingerprint)).scalars().all():
        tally.row()
        until, carried = running_totals.carried(conn, merchant)
        if carried != running_totals.sums_between(conn, merchant, 0, until):
            row = f"merchant {format_fingerprint(merchant)[:9]}"
            tally.find("report-totals", row, "The sums of its reports differ from the reports.")


def check_withdrawals(conn: Connection, known: Known, tally: Tally) -> None:
    """Withdrawals marked as paid have as many payouts, until they are folded."""
    for row in stream(conn, select(withdrawals).order_by(_w.id)):
        tally.row()
        name = f"withdrawal {row.id.hex()[:8]}"
        if row.merchant not in known.merchants:
            tally.find("withdrawal-merchant", name, "Its merchant is not one of ours.")
        if row.amount <= 0 or (row.ended_at is None) != (row.state == ASKED):
            tally.find("withdrawal-state", name, f"It is {row.state}; its other columns differ.")
    query = (
        select(_w.merchant, _w.amount, _w.ended_at, func.count())
        .where(_w.state == PAID, _w.ended_at >= known.folded_until)
        .group_by(_w.merchant, _w.amount, _w.ended_at)
    )
    for merchant, amount, at, count in stream(conn, query):
        if merchant not in known.merchants:
            continue
        paid = (
            select(func.count())
            .select_from(tables.transactions)
            .join(tables.postings, _p.entry == _t.id)
            .where(_t.kind == "payout", _t.at == at, _p.amount == -amount)
            .where(_p.account == known.merchants[merchant].account)
        )
        if conn.execute(paid).scalar_one() < count:
            name = f"merchant {format_fingerprint(merchant)[:9]}"
            what = f"{count} withdrawals of {amount} are marked as paid at {at}; they were not."
            tally.find("withdrawal-payout", name, what)


def check_join_requests(conn: Connection, known: Known, tally: Tally) -> None:
    """Merchants that wait for admission signed their rows."""
    for row in stream(conn, select(join_requests).order_by(_j.fingerprint)):
        tally.row()
        name = f"request of merchant {format_fingerprint(row.fingerprint)[:9]}"
        try:
            request = read_request(JoinRequest, row.signed)
            claimed = read_descriptor(request.descriptor)
            verify_request(claimed.descriptor.identity, labels.JOIN_REQUEST, row.signed)
        except PeerFault:
            tally.find("join-request", name, "Its signature does not verify.")
            continue
        said = (claimed.fingerprint, claimed.descriptor.name, request.address, request.broker)
        if said != (row.fingerprint, row.name, row.address, known.broker):
            tally.find("join-request", name, "It does not say what was signed.")
