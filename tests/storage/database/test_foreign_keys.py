"""Deleting a row makes the database look for rows that name it, which needs an index."""

import pytest
from sqlalchemy import Column, MetaData, Table, UniqueConstraint

from veilmart.broker.schema import metadata as broker
from veilmart.customer.schema import tables as customer_tables
from veilmart.merchant.schema.tables import metadata as merchant

ROLES = {"broker": broker, "merchant": merchant, "customer": customer_tables.metadata}


def leading_columns(table: Table) -> set[str]:
    """The first column of each key and of each index that has every row."""
    keys = [list(table.primary_key.columns)] + [
        list(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)
    ]
    found = {columns[0].name for columns in keys if columns}
    for index in table.indexes:
        options = [index.dialect_options[name]["where"] for name in ("sqlite", "postgresql")]
        first = next(iter(index.expressions))
        if all(where is None for where in options) and isinstance(first, Column):
            found.add(first.name)
    return found | {column.name for column in table.columns if column.unique or column.index}


@pytest.mark.parametrize("role", ROLES)
def test_every_column_that_names_a_row_of_another_table_has_an_index(role: str) -> None:
    metadata: MetaData = ROLES[role]
    missing = {
        f"{table.name}.{key.parent.name}"
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.parent.name not in leading_columns(table)
    }
    assert missing == set()
