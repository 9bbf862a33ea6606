"""Choosing a unique code costs the same whatever is left of its product: rows that are touched."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool

from tests.support.postgres import PostgresServer
from veilmart.merchant.sales import codes as rules
from veilmart.merchant.schema.tables import codes, metadata

PRODUCTS = {b"a" * 16: 1, b"b" * 16: 400, b"c" * 16: 4000}
"""Product → how many of its 4,000 codes are free, the newest ones."""
EACH = 4000


def fill(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(text("DROP TABLE codes"))
    bare = codes.to_metadata(metadata.__class__())
    for key in list(bare.foreign_key_constraints):
        bare.constraints.discard(key)
    bare.create(connection)
    number = 0
    for product, free in PRODUCTS.items():
        rows = []
        for place in range(EACH):
            number += 1
            rows.append(
                {
                    "id": number,
                    "product": product,
                    "shelf": 1,
                    "line": f"{number}",
                    "packed": b"x" * 100,
                    "root": (number * 2654435761 % 2**32).to_bytes(32, "big"),
                    "state": "free" if place >= EACH - free else "sold",
                }
            )
        connection.execute(insert(bare), rows)


def rows_touched(plan: dict[str, Any]) -> int:
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(own) + sum(rows_touched(child) for child in plan.get("Plans", ()))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    running = PostgresServer()
    yield running
    running.stop()


def test_on_postgresql_no_choice_reads_more_rows_than_another(server: PostgresServer) -> None:
    url = server.new_database().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, poolclass=NullPool)
    query = str(rules._FIND.compile(dialect=postgresql.dialect()))
    touched = []
    with engine.begin() as connection:
        fill(connection)
        connection.execute(text("ANALYZE codes"))
        for product in PRODUCTS:
            explain = text(
                "EXPLAIN (ANALYZE, FORMAT JSON) "
                + query.replace("%(product_id)s", ":p")
                .replace("%(start)s", ":s")
                .replace("%(param_1)s", "1")
            )
            found = connection.execute(explain, {"p": product, "s": b""}).scalar_one()
            touched.append(rows_touched(found[0]["Plan"]))
    assert len(set(touched)) == 1, touched
    assert touched[0] <= 4


def test_on_sqlite_the_index_gives_the_code_at_once() -> None:
    engine = create_engine("sqlite://")
    query = str(rules._FIND.compile(dialect=sqlite.dialect()))
    with engine.begin() as connection:
        fill(connection)
        for product in PRODUCTS:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN " + query, (product, b"", 1, 0)
            ).all()
            said = " ".join(str(row[-1]) for row in plan)
            assert "codes_to_sell" in said, said
            assert "TEMP B-TREE" not in said, said
