"""The broker's tables and their migrations.

`metadata` is complete: importing this package imports every module that defines tables. It may
import nothing of the broker.
"""

from veilmart.broker.schema import (
    dispute_tables,
    operator_tables,
    token_tables,
    upkeep_tables,
    voucher_tables,
)
from veilmart.broker.schema.tables import metadata

__all__ = [
    "dispute_tables",
    "metadata",
    "operator_tables",
    "token_tables",
    "upkeep_tables",
    "voucher_tables",
]
