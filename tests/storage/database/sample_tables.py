"""A tiny role for the tests of the database: its tables and its transactions."""

from pathlib import Path

import sqlalchemy as sa

from veilmart.storage.database.open_database import open_database
from veilmart.storage.database.port import Database

MIGRATIONS = Path(__file__).parent / "sample_role"

metadata = sa.MetaData()
decision = sa.Table(
    "decision",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("who", sa.Text, nullable=False),
)
note = sa.Table(
    "note",
    metadata,
    sa.Column("number", sa.Integer, sa.ForeignKey("decision.number"), primary_key=True),
    sa.Column("text", sa.Text, nullable=False, unique=True),
)


def open_sample(path: Path | str) -> Database:
    return open_database(path, metadata, MIGRATIONS)


def decide(connection: sa.Connection, who: str) -> int:
    inserted = connection.execute(sa.insert(decision).values(who=who))
    return int(inserted.inserted_primary_key[0])  # type: ignore[index]


def count(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(decision)).scalar_one())


def names(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(decision.c.who)).scalars())
