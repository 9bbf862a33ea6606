"""Tables with any number of rows, made by SQLite itself out of one row each."""

from sqlalchemy import Connection, Table, text


def multiply(conn: Connection, /, table: Table, count: int, **changed: str) -> int:
    """Transaction: `count` more rows like the first one; how many there are then.

    changed: column → SQL expression; `n` in it is the number of the copy, from 1.
    """
    names = [column.name for column in table.columns]
    values = ", ".join(changed.get(name, f'one."{name}"') for name in names)
    into = ", ".join(f'"{name}"' for name in names)
    conn.execute(
        text(
            f"INSERT INTO {table.name} ({into}) "
            "WITH RECURSIVE numbers (n) AS "
            "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
            f"SELECT {values} FROM numbers, (SELECT * FROM {table.name} LIMIT 1) AS one"
        ),
        {"count": count},
    )
    return int(conn.execute(text(f"SELECT count(*) FROM {table.name}")).scalar_one())
