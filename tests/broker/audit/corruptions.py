"""What an intruder with the database, and none of the keys, could do to it: one thing at a time.

Each corruption says under which name the audit has to find it. It is one or more SQL statements,
or a function where bytes have to be made. `:held` and so on are orders in that state, `:junk` is
32 random bytes. REBALANCE makes the stored balances fit the changed postings, as an intruder would.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from tests.broker.audit.audited_market import Life
from tests.broker.audit.forgeries import FORGERIES
from tests.broker.audit.token_corruptions import TOKEN_CORRUPTIONS

Forgery = Callable[[Connection, Life], None]

REBALANCE = (
    "UPDATE accounts SET balance = (SELECT coalesce(sum(amount), 0) FROM postings "
    "WHERE account = accounts.id)"
)
OF_HELD = '(SELECT hold FROM invoices WHERE "order" = :held)'
OF_SETTLED = "(SELECT id FROM transactions WHERE kind = 'settle' AND reference = :settled)"
OF_REFUND = "(SELECT id FROM transactions WHERE kind = 'refund' AND reference = :refunded)"
BERT = "(SELECT account FROM customers WHERE username = 'bert')"


@dataclass(frozen=True)
class Corruption:
    """finding: the name under which it has to be found. both: on PostgreSQL as well."""

    finding: str
    does: tuple[str, ...] | Forgery
    both: bool = False


def sql(finding: str, *statements: str, both: bool = False) -> Corruption:
    return Corruption(finding, statements, both)


MONEY = {
    "a posting changed": sql(
        "transaction-sum",
        "UPDATE postings SET amount = amount + 1 WHERE id = (SELECT max(id) FROM postings)",
        both=True,
    ),
    "a posting removed": sql(
        "transaction-sum", "DELETE FROM postings WHERE id = (SELECT max(id) FROM postings)"
    ),
    "both postings removed": sql(
        "transaction-postings", f"DELETE FROM postings WHERE entry = {OF_HELD}", REBALANCE
    ),
    "a transaction of an invented kind": sql(
        "transaction-kind", "UPDATE transactions SET kind = 'gift' WHERE kind = 'payout'"
    ),
    "a voucher paid for by fees": sql(
        "transaction-shape",
        "UPDATE postings SET account = 3 WHERE amount < 0 AND entry IN "
        "(SELECT id FROM transactions WHERE kind = 'voucher')",
    ),
    "a posting of nothing": sql(
        "transaction-shape",
        f"UPDATE postings SET amount = 0 WHERE entry = {OF_HELD}",
        REBALANCE,
        both=True,
    ),
    "a transaction removed, its postings left": sql(
        "posting-orphan", "DELETE FROM transactions WHERE kind = 'payout'", both=True
    ),
    "a posting to an account that is not there": sql(
        "posting-account",
        "UPDATE postings SET account = 9999 WHERE id = (SELECT max(id) FROM postings)",
        REBALANCE,
    ),
    "a balance raised": sql(
        "balance-differs",
        "UPDATE accounts SET balance = balance + 1 WHERE kind = 'merchant'",
        both=True,
    ),
    "a balance moved to another account": sql(
        "balance-differs",
        "UPDATE accounts SET balance = balance + 1 WHERE kind = 'merchant'",
        "UPDATE accounts SET balance = balance - 1 WHERE kind = 'escrow'",
    ),
    "a balance below zero": sql(
        "balance-below-zero", "UPDATE accounts SET balance = -1 WHERE kind = 'fees'"
    ),
    "money out of nothing": sql(
        "solvency",
        "INSERT INTO postings (entry, account, amount) VALUES (1, 3, 500)",
        REBALANCE,
        both=True,
    ),
    "an account of an invented kind": sql(
        "account-kind", "UPDATE accounts SET kind = 'slush' WHERE kind = 'fees'"
    ),
    "a second escrow": sql(
        "account-kind", "INSERT INTO accounts (kind, balance) VALUES ('escrow', 0)"
    ),
    "escrow under another number": sql(
        "account-kind",
        "UPDATE accounts SET kind = 'fees' WHERE id = 2",
        "UPDATE accounts SET kind = 'escrow' WHERE id = 3",
    ),
    "an account whose customer was removed": sql(
        "account-owner", "DELETE FROM customers WHERE username = 'bert'", both=True
    ),
    "a second merchant on one account": sql(
        "account-owner",
        "INSERT INTO merchants (fingerprint, name, address, state, account, last_sequence) "
        "SELECT :junk, name, address, state, account, 0 FROM merchants",
    ),
    "a move that is pending for nobody": sql(
        "pending-move", "INSERT INTO pending_moves (account, amount) VALUES (9999, 5)", both=True
    ),
    "held orders that escrow has no money for": sql(
        "escrow-differs",
        "UPDATE invoices SET state = 'held' WHERE \"order\" = :expired",
        both=True,
    ),
}

ORDERS = {
    "an invoice lost": sql(
        "order-without-invoice", 'DELETE FROM invoices WHERE "order" = :settled', both=True
    ),
    "an invoice of a merchant that is not there": sql(
        "invoice-merchant", 'UPDATE invoices SET merchant = :junk WHERE "order" = :held'
    ),
    "the signed invoice of another order": sql(
        "invoice-differs",
        'UPDATE invoices SET signed = (SELECT signed FROM invoices WHERE "order" = :settled) '
        'WHERE "order" = :held',
    ),
    "another amount on the invoice": sql(
        "invoice-differs", 'UPDATE invoices SET amount = 1 WHERE "order" = :held', both=True
    ),
    "another order key": sql(
        "invoice-differs", 'UPDATE invoices SET order_key = :junk WHERE "order" = :offered'
    ),
    "longer to deliver": sql(
        "invoice-differs",
        "UPDATE invoices SET deliver_within = deliver_within + 60, due = due + 60 "
        'WHERE "order" = :held',
    ),
    "longer to settle": sql(
        "invoice-differs",
        "UPDATE invoices SET settle_within = settle_within + 60, due = due + 60 "
        'WHERE "order" = :released',
    ),
    "a fee at a rate that never was": sql(
        "invoice-fee", 'UPDATE invoices SET fee = fee + 1 WHERE "order" = :held'
    ),
    "a fee that was taken and is denied": sql(
        "settlement-differs", 'UPDATE invoices SET fee = 0 WHERE "order" = :settled', both=True
    ),
    "an invented state": sql(
        "invoice-state", "UPDATE invoices SET state = 'lost' WHERE \"order\" = :held"
    ),
    "an order settled by hand": sql(
        "order-money", "UPDATE invoices SET state = 'settled' WHERE \"order\" = :held", both=True
    ),
    "a refund relabelled as a sale": sql(
        "order-money", "UPDATE invoices SET state = 'settled' WHERE \"order\" = :refunded"
    ),
    "a settled order that is held again": sql(
        "order-money", "UPDATE invoices SET state = 'held' WHERE \"order\" = :settled"
    ),
    "a paid order that was never paid": sql(
        "order-money",
        "UPDATE invoices SET state = 'offered', hold = NULL, held_at = NULL "
        'WHERE "order" = :held',
    ),
    "a settled month's order that has money again": sql(
        "order-money",
        "INSERT INTO transactions (kind, reference, at) VALUES ('hold', :folded, 1)",
    ),
    "an unpaid order with a payer": sql(
        "hold-differs",
        'UPDATE invoices SET hold = (SELECT max(id) FROM transactions) WHERE "order" = :offered',
    ),
    "an order that names another's payment": sql(
        "hold-differs", f'UPDATE invoices SET hold = {OF_HELD} WHERE "order" = :released'
    ),
    "less taken than the price": sql(
        "hold-differs",
        f"UPDATE postings SET amount = amount / 5 WHERE entry = {OF_HELD}",
        REBALANCE,
        both=True,
    ),
    "a payment laid on another customer": sql(
        "payer-differs",
        f"UPDATE postings SET account = {BERT} WHERE amount < 0 AND entry = {OF_HELD}",
        REBALANCE,
        both=True,
    ),
    "a merchant's money given to the fees": sql(
        "settlement-differs",
        "UPDATE postings SET amount = CASE account WHEN 2 THEN amount "
        f"WHEN 3 THEN amount + 100 ELSE amount - 100 END WHERE entry = {OF_SETTLED}",
        REBALANCE,
    ),
    "a refund to another customer": sql(
        "refund-differs",
        f"UPDATE postings SET account = {BERT} WHERE amount > 0 AND entry = {OF_REFUND}",
        REBALANCE,
    ),
    "a deadline moved": sql(
        "invoice-times", 'UPDATE invoices SET due = due + 1 WHERE "order" = :held', both=True
    ),
    "a deadline to settle moved": sql(
        "invoice-times", 'UPDATE invoices SET due = due - 1000 WHERE "order" = :released'
    ),
    "an offer that lasts longer": sql(
        "invoice-times", 'UPDATE invoices SET due = due + 1000 WHERE "order" = :offered'
    ),
    "a payment that came too late": sql(
        "invoice-times",
        'UPDATE invoices SET held_at = held_at + 1000, due = due + 1000 WHERE "order" = :held',
        f"UPDATE transactions SET at = at + 1000 WHERE id = {OF_HELD}",
    ),
    "a settlement before the payment": sql(
        "invoice-times",
        f"UPDATE transactions SET at = at - 1000 WHERE id = {OF_SETTLED}",
    ),
    "an invoice flooded with answers": sql(
        "order-overflow",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) "
        'INSERT INTO operations (id, "order", body, answer, at) '
        "SELECT CAST('operation ' || i AS BLOB), :held, :junk, :junk, 1 FROM n",
    ),
}

ANSWERS = {
    "a stored answer to nothing": sql(
        "operation-unknown", 'UPDATE operations SET id = :junk WHERE "order" = :held'
    ),
    "a paid order whose payment nobody asked for": sql(
        "operation-missing", 'DELETE FROM operations WHERE "order" = :held', both=True
    ),
    "a refund that nobody asked for": sql(
        "operation-missing",
        'DELETE FROM operations WHERE "order" = :refunded AND at = '
        f"(SELECT at FROM transactions WHERE id = {OF_REFUND})",
    ),
    "a settlement that nobody acknowledged": sql(
        "operation-missing",
        'DELETE FROM operations WHERE "order" = :settled AND at = '
        f"(SELECT at FROM transactions WHERE id = {OF_SETTLED})",
    ),
    "an answer that is none": sql(
        "operation-answer",
        'UPDATE operations SET answer = :junk WHERE "order" = :settled AND at = '
        f"(SELECT at FROM transactions WHERE id = {OF_SETTLED})",
    ),
    "a request that another account made": sql(
        "payer-differs", 'UPDATE operations SET body = :junk WHERE "order" = :held'
    ),
    "a stored answer to an order that is not there": sql(
        "operation-without-order", 'UPDATE operations SET "order" = :junk WHERE "order" = :held'
    ),
    "the payer of a folded order, to be tried out": sql(
        "folded-times",
        'UPDATE operations SET "order" = :folded WHERE "order" = :held',
        # Its id is that of the payment of the folded order, as it was before folding.
        'UPDATE operations SET id = :pay_folded WHERE "order" = :folded',
    ),
}

REPORTS = {
    "a report lost": sql(
        "report-missing", 'DELETE FROM reports WHERE "order" = :settled', both=True
    ),
    "a folded order's report lost": sql(
        "report-missing", 'DELETE FROM reports WHERE "order" = :folded'
    ),
    "a report that says otherwise": sql(
        "report-differs", "UPDATE reports SET event = 'refunded' WHERE \"order\" = :settled"
    ),
    "a report at another time": sql(
        "report-differs", 'UPDATE reports SET at = at + 60 WHERE "order" = :settled'
    ),
    "a report to another merchant": sql(
        "report-differs", 'UPDATE reports SET merchant = :junk WHERE "order" = :settled'
    ),
    "two reports of one sale": sql(
        "report-surplus",
        "UPDATE merchants SET last_sequence = last_sequence + 1",
        'INSERT INTO reports (merchant, sequence, "order", event, at, delivered) '
        'SELECT r.merchant, m.last_sequence, "order", event, at, 0 FROM reports r '
        'JOIN merchants m ON m.fingerprint = r.merchant WHERE "order" = :settled',
        both=True,
    ),
    "a report of an order that is not there": sql(
        "report-without-order", 'UPDATE reports SET "order" = :junk WHERE "order" = :settled'
    ),
    "a number left out": sql(
        "report-sequence",
        "UPDATE reports SET sequence = sequence + 5 WHERE sequence = "
        "(SELECT max(sequence) FROM reports)",
        "UPDATE merchants SET last_sequence = last_sequence + 5",
    ),
    "a last number that no report has": sql(
        "report-sequence", "UPDATE merchants SET last_sequence = last_sequence + 1", both=True
    ),
    "sums of reports that never were": sql(
        "report-totals",
        "INSERT INTO report_totals (merchant, until, settled, fees, back, given_back) "
        "SELECT fingerprint, 1, 77, 0, 0, 0 FROM merchants LIMIT 1",
        both=True,
    ),
    "reports of a merchant that is not there": sql(
        "report-merchant", "UPDATE reports SET merchant = :junk"
    ),
}

RETURNED = {
    "a refund that its merchant did not sign": sql(
        "refund-unsigned", 'DELETE FROM refund_papers WHERE "order" = :given_back', both=True
    ),
    "an early refund whose paper is gone": sql(
        "operation-missing", 'DELETE FROM refund_papers WHERE "order" = :not_delivered'
    ),
    "a signed refund laid on another order": sql(
        "refund-differs",
        "UPDATE refund_papers SET signed = (SELECT signed FROM refund_papers "
        'WHERE "order" = :returned) WHERE "order" = :given_back',
        both=True,
    ),
    "a signed refund that is none": sql(
        "refund-differs", 'UPDATE refund_papers SET signed = :junk WHERE "order" = :returned'
    ),
    "a signed refund of a sale": sql(
        "refund-differs",
        'UPDATE refund_papers SET "order" = :settled WHERE "order" = :given_back',
    ),
    "a refund of an order that is not there": sql(
        "refund-without-order", 'DELETE FROM invoices WHERE "order" = :given_back'
    ),
    "a dispute won by a sale": sql(
        "dispute-differs",
        'UPDATE disputes SET "order" = :settled WHERE "order" = :disputed',
        both=True,
    ),
    "a dispute that was refused and paid back": sql(
        "dispute-differs", "UPDATE disputes SET outcome = 'refused' WHERE \"order\" = :disputed"
    ),
    "a dispute won at another time": sql(
        "dispute-differs", 'UPDATE disputes SET at = at + 1 WHERE "order" = :disputed'
    ),
    "a dispute that nobody opened": sql(
        "operation-missing",
        'DELETE FROM operations WHERE "order" = :disputed AND at = '
        '(SELECT at FROM disputes WHERE "order" = :disputed)',
    ),
    "money given back to another customer": sql(
        "refund-differs",
        f"UPDATE postings SET account = {BERT} WHERE amount > 0 AND entry = "
        "(SELECT id FROM transactions WHERE kind = 'give back')",
        REBALANCE,
    ),
    "money given back from the fees": sql(
        "transaction-shape",
        "UPDATE postings SET account = 3 WHERE amount < 0 AND entry = "
        "(SELECT id FROM transactions WHERE kind = 'give back')",
    ),
}

VOUCHERS = {
    "a redeemed voucher that is good again": sql(
        "voucher-money",
        "UPDATE vouchers SET state = 'issued', ended_at = NULL WHERE state = 'redeemed'",
        both=True,
    ),
    "a voucher that nobody redeemed": sql(
        "voucher-money",
        "UPDATE vouchers SET state = 'redeemed', ended_at = issued_at WHERE state = 'issued'",
    ),
    "a voucher redeemed at another time": sql(
        "voucher-money", "UPDATE vouchers SET ended_at = ended_at + 1 WHERE state = 'redeemed'"
    ),
    "a voucher that has ended and is good": sql(
        "voucher-state", "UPDATE vouchers SET ended_at = 1 WHERE state = 'issued'"
    ),
    "a voucher worth more": sql(
        "voucher-batch", "UPDATE vouchers SET value = value + 1 WHERE state = 'issued'", both=True
    ),
    "a redeemed voucher removed": sql(
        "voucher-unknown", "DELETE FROM vouchers WHERE state = 'redeemed'"
    ),
    "a voucher that nobody paid for": sql(
        "voucher-batch",
        "INSERT INTO vouchers (hash, batch, value, state, issued_at) "
        "SELECT :junk, 99, 500, 'issued', max(issued_at) FROM vouchers",
    ),
    "a good voucher removed": sql(
        "vouchers-outstanding", "DELETE FROM vouchers WHERE state = 'issued'", both=True
    ),
}

PARTIES = {
    "a merchant on a customer's account": sql(
        "merchant-account", f"UPDATE merchants SET account = {BERT}"
    ),
    "a merchant under another name": sql(
        "merchant-name", "UPDATE merchants SET name = 'another'", both=True
    ),
    "one of our descriptors removed": sql(
        "descriptor-chain", "DELETE FROM descriptors WHERE serial = 2", both=True
    ),
    "a merchant's descriptor in our place": sql(
        "descriptor-identity",
        "UPDATE descriptors SET signed = (SELECT max(signed) FROM merchant_descriptors) "
        "WHERE serial = 2",
    ),
    "a descriptor that is good for longer": sql(
        "descriptor-differs", "UPDATE merchant_descriptors SET not_after = not_after + 1"
    ),
    "a descriptor under another number": sql(
        "descriptor-differs", "UPDATE merchant_descriptors SET serial = 7 WHERE serial = 2"
    ),
    "descriptors of a merchant that is not there": sql(
        "descriptor-merchant", "UPDATE merchant_descriptors SET merchant = :junk"
    ),
    "a withdrawal that was not paid": sql(
        "withdrawal-payout",
        "UPDATE withdrawals SET state = 'paid', ended_at = at WHERE state = 'asked'",
        both=True,
    ),
    "a withdrawal paid twice from one payout": sql(
        "withdrawal-payout",
        "INSERT INTO withdrawals (id, merchant, amount, note, state, at, ended_at) "
        "SELECT :junk, merchant, amount, note, state, at, ended_at FROM withdrawals "
        "WHERE state = 'paid'",
    ),
    "a withdrawal that waits and has ended": sql(
        "withdrawal-state", "UPDATE withdrawals SET ended_at = at WHERE state = 'asked'"
    ),
    "a withdrawal of a merchant that is not there": sql(
        "withdrawal-merchant", "UPDATE withdrawals SET merchant = :junk"
    ),
    "a request to join from elsewhere": sql(
        "join-request", "UPDATE join_requests SET address = 'evil.example:1'", both=True
    ),
    "a customer on the fees' account": sql(
        "customer-account", "UPDATE customers SET account = 3 WHERE username = 'bert'"
    ),
    "a customer without a name": sql(
        "customer-name", "UPDATE customers SET username = '' WHERE username = 'bert'"
    ),
    "a password in the clear": sql(
        "customer-password", "UPDATE customers SET password_hash = 'correct horse'", both=True
    ),
    "a machine of nobody": sql("device-account", "UPDATE devices SET account = 9999"),
    "a machine's key that is no hash": sql(
        "device-hash", "UPDATE devices SET hash = CAST('key' || account AS BLOB)"
    ),
    "too many machines": sql(
        "device-surplus",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17) "
        "INSERT INTO devices (hash, account, last_used) "
        "SELECT CAST('device ' || i AS BLOB), max(account), 1 FROM customers, n GROUP BY i",
    ),
}

MONTHS_AND_GUARDS = {
    "a folded month with one sale more": sql(
        "fold-differs", "UPDATE folds SET settled = settled + 1", both=True
    ),
    "a folded month under another transaction": sql(
        "fold-entry", f"UPDATE folds SET entry = {OF_HELD}"
    ),
    "a folded sale turned into a refund": sql(
        "fold-sums", "UPDATE invoices SET state = 'refunded' WHERE \"order\" = :folded", both=True
    ),
    "a folded refund that was reported as a sale": sql(
        "report-differs", "UPDATE reports SET event = 'settled' WHERE \"order\" = :folded_back"
    ),
    "the hour put back into a folded order": sql(
        "folded-times", 'UPDATE invoices SET held_at = held_at + 1 WHERE "order" = :folded'
    ),
    "the hour put back into a folded report": sql(
        "folded-times", 'UPDATE reports SET at = at + 1 WHERE "order" = :folded'
    ),
    "a trigger removed": sql("guard-missing", "DROP TRIGGER postings_no_update"),
    "the rule that money moves once removed": sql(
        "guard-missing", "DROP INDEX once_per_order", both=True
    ),
    "books that can be deleted from": sql(
        "books-unlocked", "INSERT INTO settings (name, value) VALUES ('folding', :junk)", both=True
    ),
    "a price of nothing": sql(
        "price-point", "UPDATE price_points SET amount = 0 WHERE amount = 100"
    ),
}

CORRUPTIONS: dict[str, Corruption] = {
    **MONEY,
    **ORDERS,
    **ANSWERS,
    **REPORTS,
    **RETURNED,
    **VOUCHERS,
    **PARTIES,
    **MONTHS_AND_GUARDS,
    **{name: Corruption(*one) for name, one in TOKEN_CORRUPTIONS.items()},
    **{name: Corruption(finding, forge) for name, (finding, forge) in FORGERIES.items()},
}
