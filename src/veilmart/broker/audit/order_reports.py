"""An order's reports: exactly one for each of its ends, with that end's time. Pure."""

from collections.abc import Iterator

from veilmart.broker.audit.findings import Finding, order_name
from veilmart.broker.audit.order_file import Dossier
from veilmart.broker.audit.signed_invoice import is_folded
from veilmart.protocol.invoice_states import InvoiceState

_DAY_SECONDS = 24 * 3600
EVENTS = {
    "settle": ("settled",),
    "refund": ("refunded", "returned"),
    "give back": ("returned",),
}
"""Kind of transaction → what a report may call it."""


def check_reports(dossier: Dossier) -> Iterator[Finding]:
    """report-missing, report-surplus, report-differs."""
    row, name = dossier.invoice, order_name(dossier.order)
    if any(report.merchant != row.merchant for report in dossier.reports):
        yield Finding("report-differs", name, "It was reported to another merchant.")
    if is_folded(row):
        yield from _folded(dossier, name)
        return
    ends = [entry for entry in dossier.entries if entry.kind in EVENTS]
    missing = len(ends) - len(dossier.reports)
    if missing > 0:
        yield Finding("report-missing", name, f"It is {row.state}, and was not reported.")
    elif missing < 0:
        yield Finding("report-surplus", name, f"{-missing} reports too many name it.")
    else:
        for end, report in zip(ends, dossier.reports, strict=True):
            if report.event not in EVENTS[end.kind] or report.at != end.at:
                what = (
                    f"It is {row.state}; it was reported {report.event[:20]}, or at another time."
                )
                yield Finding("report-differs", name, what)


def _folded(dossier: Dossier, name: str) -> Iterator[Finding]:
    row = dossier.invoice
    last = dossier.reports[-1].event if dossier.reports else None
    settled = row.state == InvoiceState.SETTLED
    if last is None:
        yield Finding("report-missing", name, f"It is {row.state}, and was not reported.")
    elif (last == "settled") != settled:
        yield Finding("report-differs", name, f"It is {row.state}; it was reported {last[:20]}.")
    # What was given back in a later month keeps its time until that one is folded.
    exact = {entry.at for entry in dossier.entries}
    if any(report.at % _DAY_SECONDS and report.at not in exact for report in dossier.reports):
        yield Finding("folded-times", name, "Its month is folded, its report's time still there.")
