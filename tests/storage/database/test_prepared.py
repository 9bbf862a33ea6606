"""Prepared statements answer as SQLAlchemy's own execution does, on both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import decision, note, open_sample
from tests.support.engines import ENGINES
from veilmart.errors import DatabaseFailure, Misuse
from veilmart.storage.database.port import Database
from veilmart.storage.database.prepared import Prepared, compile_for_sqlite

ADD = Prepared(sa.insert(decision))
ADD_NUMBERED = Prepared(sa.insert(decision).returning(decision.c.number))
ADD_NOTE = Prepared(sa.insert(note))
ALL = Prepared(sa.select(decision.c.number, decision.c.who).order_by(decision.c.number))
FIRST_TWO = Prepared(sa.select(decision.c.who).order_by(decision.c.number).limit(2))
SOME = Prepared(
    sa.select(decision.c.who)
    .where(decision.c.who != "b", decision.c.number < sa.bindparam("below"))
    .order_by(decision.c.number)
)
BY_NAME = Prepared(sa.select(decision.c.number).where(decision.c.who == sa.bindparam("of")))
RENAME = Prepared(
    sa.update(decision)
    .where(decision.c.number == sa.bindparam("of"))
    .values(who=sa.bindparam("new_name"))
)
REMOVE = Prepared(sa.delete(decision).where(decision.c.who == sa.bindparam("of")))
PLAIN = Prepared(sa.text("SELECT count(*) FROM decision WHERE who >= :least"))


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    sqlite = request.param == "sqlite"
    opened = open_sample(tmp_path / "db" if sqlite else request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def add_three(conn: sa.Connection) -> None:
    ADD.run_each(conn, [{"number": n, "who": who} for n, who in ((1, "a"), (2, "b"), (3, "c"))])


def test_rows_values_and_counts(database: Database) -> None:
    def work(conn: sa.Connection) -> None:
        add_three(conn)
        assert ALL.rows(conn) == [(1, "a"), (2, "b"), (3, "c")]
        assert FIRST_TWO.rows(conn) == [("a",), ("b",)]
        assert SOME.rows(conn, {"below": 3}) == [("a",)]
        assert PLAIN.value(conn, {"least": "b"}) == 2
        assert BY_NAME.row(conn, {"of": "b"}) == BY_NAME.one(conn, {"of": "b"}) == (2,)
        assert (ALL.first(conn), BY_NAME.first(conn, {"of": "z"})) == ((1, "a"), None)
        assert BY_NAME.row(conn, {"of": "z"}) is BY_NAME.value(conn, {"of": "z"}) is None
        assert RENAME.run(conn, {"of": 2, "new_name": "z"}) == 1
        assert RENAME.run(conn, {"of": 9, "new_name": "z"}) == 0
        assert BY_NAME.value(conn, {"of": "z"}) == 2
        assert REMOVE.run(conn, {"of": "z"}) == 1

    database.run_now(work)
    assert database.run_now(ALL.rows) == [(1, "a"), (3, "c")]


def test_an_insert_takes_the_columns_it_is_given(database: Database) -> None:
    def work(conn: sa.Connection) -> int:
        first = ADD_NUMBERED.value(conn, {"who": "without a number"})
        assert ADD_NUMBERED.value(conn, {"number": first + 7, "who": "with one"}) == first + 7
        return int(ADD_NUMBERED.value(conn, {"who": "without again"}))

    number = database.run_now(work)
    assert [who for _, who in database.run_now(ALL.rows)].count("without again") == 1
    assert number > 0


def test_several_rows_or_none_where_one_is_meant_are_our_fault(database: Database) -> None:
    database.run_now(add_three)
    for call in (ALL.row, ALL.one, ALL.value):
        with pytest.raises(Misuse):
            database.run_now(call)
    with pytest.raises(Misuse):
        database.run_now(BY_NAME.one, {"of": "nobody"})


def test_what_it_raises_is_sqlalchemys_and_undoes_the_transaction(database: Database) -> None:
    database.run_now(ADD.run, {"number": 1, "who": "a"})

    def twice(conn: sa.Connection) -> None:
        ADD_NOTE.run(conn, {"number": 1, "text": "x"})
        with pytest.raises(sa.exc.IntegrityError) as caught, conn.begin_nested():
            ADD_NOTE.run(conn, {"number": 1, "text": "a secret"})
        assert "a secret" not in f"{caught.value!r} {caught.value}"
        raise sa.exc.IntegrityError("", None, Exception())

    with pytest.raises(DatabaseFailure):
        database.run_now(twice)
    texts = database.run_now(lambda conn: conn.execute(sa.select(note.c.text)).all())
    assert texts == []


def test_a_value_that_is_missing_is_an_error(database: Database) -> None:
    with pytest.raises(DatabaseFailure):
        database.run_now(RENAME.run, {"of": 1})


def test_it_writes_within_savepoints_as_any_statement(database: Database) -> None:
    def work(conn: sa.Connection) -> None:
        ADD.run(conn, {"number": 1, "who": "kept"})
        with pytest.raises(ZeroDivisionError), conn.begin_nested():
            ADD.run(conn, {"number": 2, "who": "undone"})
            raise ZeroDivisionError

    database.run_now(work)
    assert database.run_now(ALL.rows) == [(1, "kept")]


class Shouted(sa.TypeDecorator[str]):
    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value and value.upper()


LOUD = sa.Table("loud", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("said", Shouted))


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        (sa.insert(LOUD), ["said"]),
        (sa.insert(LOUD).returning(LOUD.c.said), ["id"]),
        (sa.select(LOUD), []),
        (sa.select(LOUD.c.id).where(LOUD.c.said == sa.bindparam("of")), ["of"]),
        (sa.update(LOUD).values(said=sa.bindparam("new")), ["new"]),
    ],
)
def test_a_column_whose_type_changes_its_values_is_refused(
    statement: sa.Select[tuple[int, str]] | sa.Insert | sa.Update, names: list[str]
) -> None:
    with pytest.raises(Misuse):
        compile_for_sqlite(statement, names)
    assert compile_for_sqlite(sa.select(LOUD.c.id), [])
