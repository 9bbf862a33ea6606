"""What a restored broker cannot know: vouchers voided and merchants paid since its backup.

A backup's copy is marked (backup_layout.py). Marked vouchers are not redeemed, and marked merchants
not paid, until the operator confirms them. Nothing is guessed.
"""

import msgspec
from sqlalchemy import Connection, func, select, update

from veilmart.broker import settings
from veilmart.broker.operator.merchant_requests import WithdrawalLine, withdrawal_lines
from veilmart.broker.schema.operator_tables import withdrawals
from veilmart.broker.schema.voucher_tables import ISSUED, vouchers
from veilmart.errors import UnknownSinceBackup

_PAYOUTS = "payouts unconfirmed"
_v, _w = vouchers.c, withdrawals.c


class SinceBackup(msgspec.Struct, frozen=True):
    """Counts of what waits for the operator.

    payouts: whether any merchant may have been paid since.
    """

    vouchers: int
    payouts: bool
    withdrawals: list[WithdrawalLine]


def read(conn: Connection) -> SinceBackup:
    """All zero and empty unless the broker was restored and nobody has confirmed yet."""
    open_ = select(func.count()).where(_v.unconfirmed == 1, _v.state == ISSUED)
    lines = [line for line in withdrawal_lines(conn, waiting=True) if line.unconfirmed]
    payouts = settings.number(conn, _PAYOUTS) > 0
    return SinceBackup(int(conn.execute(open_).scalar_one()), payouts, lines)


def check_payouts(conn: Connection) -> None:
    """Raises UnknownSinceBackup."""
    if settings.number(conn, _PAYOUTS):
        raise UnknownSinceBackup


def confirm_payouts(conn: Connection) -> None:
    """Confirm that every payment since the backup is booked; waiting withdrawals were not paid."""
    settings.remove(conn, _PAYOUTS)
    conn.execute(update(withdrawals).where(_w.unconfirmed == 1).values(unconfirmed=0))
