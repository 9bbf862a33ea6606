"""Published lists of 8-byte prefixes: spent tokens of each key, order keys of paid orders.

docs/protocol/11-tokens.md, 11.6. Prefixes are appended with the payment; as soon as a page is full
they are moved into one sorted blob that never changes. Only the last page is put together anew.
"""

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from veilmart.broker.schema.token_tables import ORDER_KEYS, published, published_pages
from veilmart.limits import PREFIXES_PER_PAGE
from veilmart.protocol.published_prefixes import order_key_prefix, spent_prefix
from veilmart.storage.database.prepared import Prepared

_p, _g = published.c, published_pages.c
_append = Prepared(insert(published))
_full = select(_g.content).where(_g.list == bindparam("of"), _g.page == bindparam("number"))
_pages = select(func.count()).select_from(published_pages).where(_g.list == bindparam("of"))
_open = (
    select(_p.prefix)
    .where(_p.list == bindparam("of"))
    .order_by(_p.id)
    .limit(PREFIXES_PER_PAGE)
    .offset(bindparam("skipped"))
)
_lists = (
    select(_p.list).group_by(_p.list).having(func.count() >= PREFIXES_PER_PAGE).order_by(_p.list)
)
_oldest = (
    select(_p.id, _p.prefix)
    .where(_p.list == bindparam("of"))
    .order_by(_p.id)
    .limit(PREFIXES_PER_PAGE)
)
_newest = select(func.max(_p.id), func.count()).where(_p.list == bindparam("of"))
_moved = delete(published).where(_p.list == bindparam("of"), _p.id <= bindparam("last"))


def publish_order(conn: Connection, order_key: bytes) -> None:
    """Part of the transaction that pays an order or takes its token too late."""
    _append.run(conn, {"list": ORDER_KEYS, "prefix": order_key_prefix(order_key)})


def publish_token(conn: Connection, number: int, key_id: bytes, nonce: bytes) -> None:
    """Part of the transaction that takes a token. number: ours, of its key."""
    _append.run(conn, {"list": number, "prefix": spent_prefix(key_id, nonce)})


def read_page(conn: Connection, list_number: int, page: int) -> bytes:
    """Page `page`, counted from 0: sorted prefixes, none beyond the end. Only reads."""
    full = conn.execute(_full, {"of": list_number, "number": page}).scalar_one_or_none()
    if full is not None:
        return bytes(full)
    behind = page - int(conn.execute(_pages, {"of": list_number}).scalar_one())
    if behind < 0:
        return b""
    values = {"of": list_number, "skipped": behind * PREFIXES_PER_PAGE}
    return b"".join(sorted(conn.execute(_open, values).scalars()))


def version(conn: Connection, list_number: int) -> tuple[int, int]:
    """Changes with every entry.

    Numbers may become visible in another order than they were given, so the count belongs to it.
    """
    newest, count = conn.execute(_newest, {"of": list_number}).one()
    return int(newest or 0), int(count)


def full_lists(conn: Connection) -> list[int]:
    """A reading: lists with enough entries for a page."""
    return list(conn.execute(_lists).scalars())


def close_page(conn: Connection, number: int) -> bool:
    """Move what fills a page of a list into it; whether there was enough. One server does this."""
    rows = conn.execute(_oldest, {"of": number}).all()
    if len(rows) < PREFIXES_PER_PAGE:
        return False
    page = int(conn.execute(_pages, {"of": number}).scalar_one())
    content = b"".join(sorted(prefix for _id, prefix in rows))
    conn.execute(insert(published_pages), {"list": number, "page": page, "content": content})
    conn.execute(_moved, {"of": number, "last": rows[-1][0]})
    return True


def drop_list(conn: Connection, number: int) -> None:
    """Delete the list of a retired key: nobody needs it."""
    conn.execute(delete(published).where(_p.list == number))
    conn.execute(delete(published_pages).where(_g.list == number))
