"""Folded months: each statement is ours and says what its row says, and all add up."""

from sqlalchemy import Connection, select

from veilmart.broker.audit.findings import Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.ledger.folded_sums import (
    STATEMENT_MAX_BYTES,
    AuditStatement,
    sums_of_invoices,
    sums_stated,
)
from veilmart.broker.schema import tables
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.crypto import identity
from veilmart.errors import PeerFault
from veilmart.protocol import labels
from veilmart.protocol.descriptor import SIGNATURE_BYTES
from veilmart.protocol.encoding import decode

_t, _f = tables.transactions.c, folds.c


def check_folds(conn: Connection, known: Known, tally: Tally) -> None:
    """fold-signature, fold-differs, fold-entry, fold-sums."""
    query = (
        select(folds, _t.kind, _t.at)
        .join(tables.transactions, _t.id == _f.entry, isouter=True)
        .order_by(_f.id)
    )
    for row in stream(conn, query):
        tally.row()
        name = f"fold {row.id}"
        signature, body = row.statement[:SIGNATURE_BYTES], row.statement[SIGNATURE_BYTES:]
        try:
            identity.verify_pss(known.identity, labels.AUDIT, body, signature)
            said = decode(AuditStatement, body, STATEMENT_MAX_BYTES)
        except PeerFault:
            tally.find("fold-signature", name, "We did not sign its statement.")
            continue
        for column in ("until", "settled", "settled_amount", "settled_fees", "refunded"):
            if getattr(said, column) != getattr(row, column):
                what = f"Its {column.replace('_', ' ')} is not what was signed."
                tally.find("fold-differs", name, what)
        if said.broker != known.broker:
            tally.find("fold-differs", name, "It was signed for another broker.")
        if row.entry is not None and (row.kind, row.at) != ("fold", row.until):
            tally.find("fold-entry", name, f"Transaction {row.entry} does not stand for it.")
    stated, found = sums_stated(conn), sums_of_invoices(conn)
    if stated != found:
        what = f"Statements say {stated} (settled, amount, fees, refunded), invoices {found}."
        tally.find("fold-sums", "folded months", what)
