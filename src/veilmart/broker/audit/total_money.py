"""The amount paid in equals what all accounts hold together. Amounts in minor units."""

import msgspec
from sqlalchemy import Connection

from veilmart.broker.ledger.booking import totals
from veilmart.protocol.accounting import AccountKind, format_amount


class TotalMoney(msgspec.Struct, frozen=True):
    """paid_in: cash taken in less cash paid out. held: what accounts of each kind have."""

    paid_in: int
    held: dict[str, int]

    @property
    def holds(self) -> bool:
        return self.paid_in == sum(self.held.values())

    def line(self, decimals: int) -> str:
        """For people."""
        parts = [f"{kind} {format_amount(held, decimals)}" for kind, held in self.held.items()]
        sign = "=" if self.holds else "IS NOT"
        return f"Paid in {format_amount(self.paid_in, decimals)} {sign} {' + '.join(parts)}"


def total_money(conn: Connection) -> TotalMoney:
    """Summed from the stored balances, which another check compares with the postings."""
    held = totals(conn)
    paid_in = -held.pop(AccountKind.CASH.value, 0)
    return TotalMoney(paid_in, held)
