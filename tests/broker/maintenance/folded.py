"""Months that are folded."""

from sqlalchemy import func, select

from tests.support.broker_market import Market
from veilmart.broker.schema import tables

MONTHS = 62 * 24 * 3600


def kinds(market: Market) -> dict[str, int]:
    query = select(tables.transactions.c.kind, func.count()).group_by(tables.transactions.c.kind)
    return market.run(lambda conn: {row[0]: row[1] for row in conn.execute(query)})
