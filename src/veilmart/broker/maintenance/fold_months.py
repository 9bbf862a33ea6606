"""Folding what is due, part by part, so that purchases hardly notice."""

import asyncio
from collections.abc import Callable

from veilmart.broker.ledger.folded_sums import STATEMENT_MAX_BYTES, AuditStatement
from veilmart.broker.maintenance.fold_part import added, finish, fold, forget_vouchers
from veilmart.broker.maintenance.folding import Due, Month, Part, Sign, read_part
from veilmart.protocol.descriptor import SIGNATURE_BYTES
from veilmart.protocol.encoding import decode, encode
from veilmart.storage.database.port import Database

PART_SECONDS = 0.010
"""Of the writer for one part. Purchases wait for a part as they wait for each other."""
PART_SHARED_SECONDS = 0.050
"""The same where others write meanwhile (PostgreSQL): they wait only for the same rows."""
PART_FIRST = 20
PART_MIN = 10
PART_MAX = 1000
REST = 2.0
"""Between two parts it rests so many times as long as reading, signing and writing one took."""


class PartSize:
    """How many endings the next part has, so that it takes the writer `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.size = PART_FIRST
        self._seconds = seconds

    def took(self, seconds: float) -> None:
        """A part of this size took so long; the next is at most twice as large."""
        fits = int(self.size * self._seconds / max(seconds, 1e-6))
        self.size = max(PART_MIN, min(fits, self.size * 2, PART_MAX))


async def fold_months(
    database: Database, broker: bytes, due: Due, sign: Sign, tick: Callable[[], float]
) -> int:
    """Fold all that is due; how many transactions became one. broker: our fingerprint.

    Cut off anywhere, it goes on with what is left: each part is one transaction.
    """
    count, after = 0, 0
    sizes = PartSize(PART_SHARED_SECONDS if database.shared else PART_SECONDS)
    while True:
        began = tick()
        part = await asyncio.to_thread(database.read_now, read_part, due, after, sizes.size)
        if part is None:
            break
        statement = await asyncio.to_thread(_statement, broker, due, part, sign)
        seconds = await database.run(fold, part, due.until, statement, tick)
        if seconds is None:
            continue  # an order was given back meanwhile; it is read again
        count, after = count + len(part.ids), part.last
        sizes.took(seconds)
        await asyncio.sleep(REST * (tick() - began))
    while await database.run(forget_vouchers, due):
        continue
    await database.run(finish, due)
    return count


def _statement(broker: bytes, due: Due, part: Part, sign: Sign) -> bytes:
    """signature ‖ the statement of the audits and of what was folded with this part."""
    checks = list(dict.fromkeys([*_checks_so_far(part.month), *due.checks]))
    body = encode(AuditStatement(broker, due.until, checks, *added(part)))
    return sign(body) + body


def _checks_so_far(month: Month) -> list[str]:
    """What was signed off for earlier parts is no longer in the books to be found."""
    if month.id is None:
        return []
    return decode(AuditStatement, month.statement[SIGNATURE_BYTES:], STATEMENT_MAX_BYTES).checks
