"""Orders: the signed invoice, the money, the stored answers and the reports agree.

Pure checks of one order's dossier, one file for each subject; this one runs them.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from veilmart.broker.audit.findings import Finding, Tally, order_name
from veilmart.broker.audit.order_file import Dossier, dossiers
from veilmart.broker.audit.order_money import check_money
from veilmart.broker.audit.order_reports import check_reports
from veilmart.broker.audit.refund_reasons import check_returned
from veilmart.broker.audit.signed_invoice import check_invoice
from veilmart.broker.audit.stored_answers import check_answers
from veilmart.broker.audit.trusted_keys import Known


def check_orders(conn: Connection, known: Known, tally: Tally) -> None:
    """Every order that an invoice, a transaction, a stored answer or a report names."""
    for dossier in dossiers(conn):
        tally.row()
        tally.take(check_order(dossier, known))


def check_order(dossier: Dossier, known: Known) -> Iterator[Finding]:
    """The findings about one order. Pure."""
    name = order_name(dossier.order)
    if dossier.overflow:
        yield Finding("order-overflow", name, "There are more rows of it than an order can have.")
    if dossier.invoice is None:
        yield from _without_invoice(dossier, name)
        return
    merchant = known.merchants.get(dossier.invoice.merchant)
    if merchant is None:
        yield Finding("invoice-merchant", name, "Its merchant is not one of ours.")
        return
    yield from check_invoice(dossier, known, merchant)
    yield from check_money(dossier, known, merchant)
    yield from check_answers(dossier, known)
    yield from check_returned(dossier, known, merchant)
    yield from check_reports(dossier)


def _without_invoice(dossier: Dossier, name: str) -> Iterator[Finding]:
    for entry in dossier.entries:
        what = f"Transaction {entry.id} ({entry.kind}) moved money of it; there is no invoice."
        yield Finding("order-without-invoice", name, what)
    if dossier.operations:
        what = f"{len(dossier.operations)} answers are stored for it; there is no invoice."
        yield Finding("operation-without-order", name, what)
    for report in dossier.reports:
        what = f"It was reported {report.event[:20]}; there is no invoice."
        yield Finding("report-without-order", name, what)
    if dossier.spent is not None and not dossier.spent.late:
        yield Finding("token-payment", name, "A token paid for it; there is no invoice.")
    if dossier.dispute is not None or dossier.signed_refund is not None:
        yield Finding("refund-without-order", name, "A dispute or refund names it.")
