"""Sessions that several workers share: sealed rows in an UNLOGGED table of PostgreSQL.

UNLOGGED: in no backup, gone after a crash of the server; a session that is lost costs its owner a
new handshake. Each row is sealed with its session's own cipher under an hourly key (row_keys.py)
and bound to its table and name. Only what has to be found without the key lies open: the name, the
end, and a number that says whose it is.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from veilmart.crypto.suite import Suite, suite_by_id
from veilmart.errors import OpenFailed, UnknownSuite
from veilmart.protocol import labels
from veilmart.storage.database import columns
from veilmart.storage.database.columns import insert as upsert
from veilmart.storage.database.isolation import repeatable, statement
from veilmart.storage.session_rows.hourly_keys import RowKeys

NONCE_BYTES = 24
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('veilmart sessions', 0))")


@dataclass(frozen=True, slots=True)
class Row:
    """name: 16 bytes. owner: whose it is. version: grows with every change."""

    name: bytes
    owner: int
    expires: int
    version: int
    hour: int
    suite: int
    sealed: bytes = field(repr=False)


class SealedRows:
    """One table. Methods that take a connection are transactions, or parts of one."""

    def __init__(self, table: str, keys: RowKeys) -> None:
        self._keys = keys
        self._table = Table(
            table,
            MetaData(),
            Column("name", LargeBinary, primary_key=True),
            Column("owner", columns.Integer, nullable=False, index=True),
            Column("expires", columns.Integer, nullable=False, index=True),
            Column("version", columns.Integer, nullable=False),
            Column("hour", columns.Integer, nullable=False),
            Column("suite", Integer, nullable=False),
            Column("sealed", LargeBinary, nullable=False),
            prefixes=["UNLOGGED"],
        )
        # Built once: a purchase that meets several workers carries them out eight times.
        t = self._table.c
        self._find = select(t.name, t.owner, t.expires, t.version, t.hour, t.suite, t.sealed).where(
            t.name == bindparam("wanted"), t.expires > bindparam("now")
        )
        self._add = insert(self._table)
        given = upsert(self._table)
        taken = {c: given.excluded[c] for c in Row.__slots__ if c != "version"}
        self._put = given.on_conflict_do_update(
            index_elements=["name"], set_={**taken, "version": t.version + 1}
        )
        self._replace = (
            update(self._table)
            .where(t.name == bindparam("known"), t.version == bindparam("before"))
            .values(
                owner=bindparam("new_owner"),
                expires=bindparam("new_expires"),
                hour=bindparam("new_hour"),
                sealed=bindparam("new_sealed"),
                version=bindparam("before") + 1,
            )
        )

    def make_table(self, conn: Connection) -> None:
        """Transaction: make the table unless it is there."""
        conn.execute(_ONE_AT_A_TIME)
        self._table.metadata.create_all(conn)

    def seal(
        self, name: bytes, owner: int, expires: int, suite: Suite, plain: bytes, now: int
    ) -> Row:
        """A row for `add` or `replace`. Raises what writing the hour's key raises."""
        hour, key = self._keys.newest(now)
        nonce = self._keys.random(NONCE_BYTES)
        sealed = suite.cipher.seal(key, labels.USE_SESSION_ROW, nonce, self._bound(name), plain)
        return Row(name, owner, expires, 0, hour, suite.id, nonce + sealed)

    def open(self, row: Row, now: int) -> bytes | None:
        """The plaintext; None when the key has ended or the row was tampered with."""
        key = self._keys.find(row.hour, now)
        if key is None:
            return None
        nonce, sealed = row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:]
        try:
            cipher = suite_by_id(row.suite).cipher
            return cipher.open(key, labels.USE_SESSION_ROW, nonce, self._bound(row.name), sealed)
        except (OpenFailed, UnknownSuite):
            return None

    @repeatable
    @statement
    def find(self, conn: Connection, name: bytes, now: int) -> Row | None:
        """Transaction: the row, unless it has ended."""
        found = conn.execute(self._find, {"wanted": name, "now": now}).one_or_none()
        return None if found is None else Row(*found)

    @repeatable
    @statement
    def put(self, conn: Connection, row: Row) -> None:
        """Transaction: a row that is new, or takes the place of one that is known."""
        conn.execute(self._put, _values(row))

    @repeatable
    @statement
    def add(self, conn: Connection, row: Row) -> None:
        """Transaction: a row with a fresh random name."""
        conn.execute(self._add, _values(row))

    @statement
    def replace(self, conn: Connection, row: Row, version: int) -> bool:
        """Transaction: a new state, if the row still has the `version` that was read."""
        change = {
            "known": row.name,
            "before": version,
            "new_owner": row.owner,
            "new_expires": row.expires,
            "new_hour": row.hour,
            "new_sealed": row.sealed,
        }
        return bool(conn.execute(self._replace, change).rowcount)

    @repeatable
    @statement
    def remove(self, conn: Connection, name: bytes) -> None:
        """Transaction: end one."""
        conn.execute(delete(self._table).where(self._table.c.name == name))

    @repeatable
    @statement
    def remove_owned(self, conn: Connection, owner: int, but: bytes) -> None:
        """Transaction: end all of one owner's, but one."""
        t = self._table.c
        conn.execute(delete(self._table).where(t.owner == owner, t.name != but))

    @repeatable
    @statement
    def sweep(self, conn: Connection, now: int, owner: int, maximum: int) -> None:
        """Transaction: end what has expired, and the oldest of `owner` above `maximum`."""
        t = self._table.c
        conn.execute(delete(self._table).where(t.expires <= now))
        count = conn.execute(
            select(func.count()).select_from(self._table).where(t.owner == owner)
        ).scalar_one()
        if count > maximum:
            oldest = (
                select(t.name).where(t.owner == owner).order_by(t.expires).limit(count - maximum)
            )
            conn.execute(delete(self._table).where(t.name.in_(oldest)))

    def _bound(self, name: bytes) -> bytes:
        return self._table.name.encode() + b"\0" + name


def _values(row: Row) -> dict[str, Any]:
    return {column: getattr(row, column) for column in Row.__slots__}
