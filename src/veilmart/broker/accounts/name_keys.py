"""Which account has the key of a name (protocol/name_key.py): no two have the same."""

from sqlalchemy import Connection, bindparam, insert, select

from veilmart.broker.schema.tables import customers, name_keys
from veilmart.protocol.name_key import name_key

_account_of = (
    select(customers.c.username)
    .join(name_keys, name_keys.c.account == customers.c.account)
    .where(name_keys.c.key == bindparam("key"))
)
_new_key = insert(name_keys)


def stored_name(conn: Connection, username: str) -> str | None:
    """How the account that has this name, or one like it, writes it."""
    return conn.execute(_account_of, {"key": name_key(username)}).scalar_one_or_none()


def keep_key(conn: Connection, username: str, account: int) -> None:
    """In the transaction that opens the account. Raises IntegrityError for a key that is taken."""
    conn.execute(_new_key, {"key": name_key(username), "account": account})
