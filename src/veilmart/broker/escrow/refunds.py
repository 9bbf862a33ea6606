"""Refunds: an order's money goes back to where it came from, an account or a token for a token.

The one way to do so: from escrow for deadlines, cancelling, disputes, and from escrow or a
merchant's account for the merchant's own refund (docs/protocol/09-purchase.md, 9.3).
"""

from sqlalchemy import Connection

from veilmart.broker.keys.token_keys import lock_numbered
from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.broker.tokens.spent_tokens import reissue, spent_for
from veilmart.errors import TooLateToRefund
from veilmart.protocol.accounting import transfer


def give_back(
    conn: Connection,
    kind: booking.TransactionKind,
    order: bytes,
    amount: int,
    source: int,
    hold: int | None,
    now: int,
    *,
    lapse: bool = False,
) -> None:
    """Part of a transaction: `amount` from the account `source` to the payer of the order.

    hold: the transaction that took the money, as the invoice knows it. Raises TooLateToRefund when
    the payer was folded away or the refund's token key has ended; with `lapse` what belongs to an
    ended key becomes ours instead, for a deadline has to do something.
    """
    spent = spent_for(conn, order)
    if spent is None or spent.late:
        if hold is None:
            raise TooLateToRefund("Its month was folded.")
        payer = booking.payer_of(conn, hold)
        booking.book(conn, kind, order, now, transfer(source, payer, amount))
        return
    key = lock_numbered(conn, spent.refund_key)
    if not key.is_over(now):
        reissue(conn, order)
        moves = transfer(source, key.account, amount)
        booking.book(conn, kind, order, now, moves, frozenset({key.account}))
    elif lapse:
        booking.book(conn, kind, order, now, transfer(source, tables.FEES, amount))
    else:
        raise TooLateToRefund("The refund's token key has ended.")
