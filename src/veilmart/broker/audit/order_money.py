"""An order's state against its postings: who paid, who was paid, how much, once. Pure."""

from collections.abc import Iterator, Mapping

from veilmart.broker.audit.findings import Finding, order_name
from veilmart.broker.audit.order_file import Dossier, Entry
from veilmart.broker.audit.signed_invoice import is_folded
from veilmart.broker.audit.trusted_keys import Known, KnownMerchant
from veilmart.broker.schema import tables
from veilmart.protocol.invoice_states import InvoiceState

EXPECTED: Mapping[str, frozenset[tuple[str, ...]]] = {
    InvoiceState.OFFERED: frozenset({()}),
    InvoiceState.EXPIRED: frozenset({()}),
    InvoiceState.HELD: frozenset({("hold",)}),
    InvoiceState.RELEASED: frozenset({("hold",)}),
    InvoiceState.SETTLED: frozenset({("hold", "settle")}),
    InvoiceState.REFUNDED: frozenset({("hold", "refund"), ("hold", "settle", "give back")}),
}
"""State → which transactions it can have, in the order in which they were made."""


def check_money(dossier: Dossier, known: Known, merchant: KnownMerchant) -> Iterator[Finding]:
    """order-money, hold-differs, settlement-differs, refund-differs, token-payment."""
    row, name = dossier.invoice, order_name(dossier.order)
    kinds = tuple(entry.kind for entry in dossier.entries)
    if is_folded(row):
        # What was given back in a later month is folded with that one.
        if kinds and (kinds != ("give back",) or row.state != InvoiceState.REFUNDED):
            yield Finding("order-money", name, "Its month is folded, its postings are still there.")
        return
    if kinds not in EXPECTED.get(row.state, frozenset()):
        moved = ", ".join(kinds) or "nothing"
        yield Finding("order-money", name, f"It is {row.state}; what moved is: {moved}.")
        return
    if not kinds:
        if row.hold is not None:
            yield Finding("hold-differs", name, "It is unpaid, yet it names a payer.")
        return
    hold = dossier.entries[0]
    payer = next((account for account, amount in hold.moves if amount < 0), 0)
    if row.hold != hold.id or row.held_at != hold.at:
        yield Finding("hold-differs", name, "It names another transaction or time of payment.")
    if not _moved(hold, {payer: -row.amount, tables.ESCROW: row.amount}):
        yield Finding("hold-differs", name, f"Not {row.amount} was taken into escrow.")
    paid_by, pays_back = _accounts(dossier, known, payer)
    if payer not in paid_by:
        yield Finding("token-payment", name, "The token shown for it did not pay for it.")
    for entry in dossier.entries[1:]:
        if entry.kind == "settle":
            share = {merchant.account: row.amount - row.fee, tables.FEES: row.fee}
            if not _moved(entry, {tables.ESCROW: -row.amount} | share):
                what = "Merchant and broker did not get their shares."
                yield Finding("settlement-differs", name, what)
            continue
        source = tables.ESCROW if entry.kind == "refund" else merchant.account
        if not any(_moved(entry, {source: -row.amount, to: row.amount}) for to in pays_back):
            yield Finding("refund-differs", name, "The whole amount did not go back to the payer.")


def _accounts(dossier: Dossier, known: Known, payer: int) -> tuple[set[int], set[int]]:
    """(who can have paid, who can be paid back): accounts.

    A token is paid back as one under its refund key; what lapses when that has ended is the
    broker's. Of a token whose two keys have ended nothing is known any more.
    """
    spent, tokens = dossier.spent, known.token_accounts
    if spent is None or spent.late:
        gone = payer in known.token_accounts.values()
        return ({payer}, {*tokens.values(), tables.FEES} if gone else {payer})
    back = tokens.get(spent.refund_key, 0) if spent.reissued else tables.FEES
    return {tokens.get(spent.key, 0)}, {back}


def _moved(entry: Entry, expected: dict[int, int]) -> bool:
    """Whether the postings are these: account → amount, those of 0 left out."""
    return sorted(entry.moves) == sorted((a, n) for a, n in expected.items() if n)
