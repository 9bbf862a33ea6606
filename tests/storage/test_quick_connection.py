"""Every statement of the roles gives the same through a kept plan and through SQLAlchemy itself."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from veilmart.storage.quick_connection import QuickConnection, QuickResult

from veilmart.storage.sqlite_engine import connect, database_url

metadata = sa.MetaData()
thing = sa.Table(
    "thing",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("good", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("count", sa.Integer, nullable=False, default=7),
)
FULL = {"id": 1, "name": "a", "raw": b"\0\xff", "good": True, "count": 3}


@pytest.fixture
def quick() -> Any:
    connection = connect(database_url("sqlite://"))
    metadata.create_all(connection)
    yield connection
    connection.close()


def twice(quick: sa.Connection, statement: Any, *parameters: Any) -> Any:
    """Only a statement that is used again gets a plan."""
    first = quick.execute(statement, *parameters)
    if first.returns_rows:
        first.all()
    again = quick.execute(statement, *parameters)
    assert isinstance(again, QuickResult)
    return again


def test_rows_are_what_sqlalchemy_gives(quick: sa.Connection) -> None:
    quick.execute(sa.insert(thing), FULL)
    select = sa.select(thing, (thing.c.count + 1).label("next")).where(
        thing.c.name == sa.bindparam("wanted"), thing.c.count == 3
    )
    plain = sa.Connection(quick.engine).execute(select, {"wanted": "a"}).one()
    row = twice(quick, select, {"wanted": "a"}).one()
    assert tuple(row) == tuple(plain) == (*FULL.values(), 4)
    assert row.good is True and row.raw == b"\0\xff" and row._mapping["next"] == 4
    assert quick.execute(select, {"wanted": "b"}).one_or_none() is None
    assert quick.execute(select, {"wanted": "a"}).scalar_one() == 1


def test_insert_update_delete_and_returning(quick: sa.Connection) -> None:
    insert = sa.insert(thing).returning(thing.c.id, thing.c.good)
    assert [
        quick.execute(insert, {"name": name, "good": name == "z", "count": 1}).one()
        for name in ("x", "y", "z")
    ] == [(1, False), (2, False), (3, True)]
    update = sa.update(thing).where(thing.c.id > sa.bindparam("over")).values(count=9)
    assert twice(quick, update, {"over": 1}).rowcount == 2
    assert quick.execute(sa.select(sa.func.sum(thing.c.count))).scalar_one() == 19
    many = sa.insert(thing)
    for start in (10, 20):
        quick.execute(
            many, [{"id": start + i, "name": f"{start + i}", "count": 0} for i in range(3)]
        )
    delete = sa.delete(thing).where(thing.c.count == sa.bindparam("is"))
    assert [quick.execute(delete, {"is": 0}).rowcount for _ in range(2)] == [6, 0]


def test_other_names_of_parameters_are_another_plan(quick: sa.Connection) -> None:
    insert = sa.insert(thing)
    for number, extra in enumerate(({}, {}, {"good": True}, {"good": True}, {})):
        quick.execute(insert, {"id": number, "name": str(number), "count": 0, **extra})
    rows = quick.execute(sa.select(thing.c.good).order_by(thing.c.id)).scalars().all()
    assert rows == [False, False, True, True, False]


def test_a_default_of_python_is_still_applied(quick: sa.Connection) -> None:
    insert = sa.insert(thing)
    for name in "abc":
        assert isinstance(quick.execute(insert, {"name": name}), CursorResult)
    assert quick.execute(sa.select(thing.c.count)).scalars().all() == [7, 7, 7]


def test_expanding_parameters_and_text_go_the_long_way(quick: sa.Connection) -> None:
    quick.execute(sa.insert(thing), FULL)
    among = sa.select(thing.c.id).where(thing.c.name.in_(sa.bindparam("names", expanding=True)))
    for names, expected in ((["a", "b"], [1]), ([], []), (["c"], [])):
        assert quick.execute(among, {"names": names}).scalars().all() == expected
    text = sa.text("SELECT name FROM thing WHERE id = :id")
    for _ in range(3):
        assert quick.execute(text, {"id": 1}).scalar_one() == "a"


def test_errors_are_sqlalchemys_and_tell_no_values(quick: sa.Connection) -> None:
    insert = sa.insert(thing)
    quick.execute(insert, FULL)
    for _ in range(2):
        with pytest.raises(IntegrityError) as caught:
            quick.execute(insert, {**FULL, "name": "secret"})
        assert "secret" not in str(caught.value)
        with pytest.raises(IntegrityError):
            quick.execute(insert, [{**FULL, "id": 2}])
    select = sa.select(thing.c.id).where(thing.c.name == sa.bindparam("wanted"))
    quick.execute(select, {"wanted": "a"})
    for _ in range(2):
        with pytest.raises(sa.exc.StatementError):
            quick.execute(select, {"other": "a"})


def test_statements_made_for_one_use_are_forgotten(quick: QuickConnection) -> None:
    for number in range(50):
        quick.execute(sa.select(thing.c.id).where(thing.c.id == number)).all()
    assert len(quick._plans) <= 1
