"""Fetch and check a shelf's covers and samples (docs/protocol/08-goods.md, section 5).

They are fetched whole, in a separate tunnel, like the catalogue, so nobody sees which cover is
looked at. The wallet keeps the newest blob of each shelf.
"""

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.crypto.suite import Suite
from veilmart.customer.browsing.tunnel_rules import ask_merchant, open_tunnel
from veilmart.customer.schema.tables import showcases
from veilmart.errors import MalformedMessage
from veilmart.limits import CATALOGUE_PAGE_BYTES
from veilmart.protocol.catalogue import ShowcaseEntry, page_count
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.merchant_messages import GetShowcase, ShowcasePage
from veilmart.protocol.ports import Random
from veilmart.protocol.showcase import Showcase, open_showcase

_STORED = select(showcases.c.blob).where(
    showcases.c.merchant == bindparam("at_merchant"),
    showcases.c.shelf == bindparam("at_shelf"),
    showcases.c.hash == bindparam("at_hash"),
)
_SAVE = insert(showcases)
_SAVE = _SAVE.on_conflict_do_update(
    index_elements=[showcases.c.merchant, showcases.c.shelf],
    set_={"hash": _SAVE.excluded.hash, "blob": _SAVE.excluded.blob},
)


def stored_showcase(connection: Connection, merchant: bytes, entry: ShowcaseEntry) -> bytes | None:
    """Transaction: the blob that the catalogue names, if it is here."""
    values = {"at_merchant": merchant, "at_shelf": entry.shelf, "at_hash": entry.hash}
    found: bytes | None = connection.execute(_STORED, values).scalar_one_or_none()
    return found


def save_showcase(
    connection: Connection, merchant: bytes, entry: ShowcaseEntry, blob: bytes
) -> None:
    """Transaction: replaces the shelf's earlier one."""
    values = {"merchant": merchant, "shelf": entry.shelf, "hash": entry.hash, "blob": blob}
    connection.execute(_SAVE, values)


def look(
    merchant: SignedDescriptor, suite: Suite, entry: ShowcaseEntry, random: Random
) -> Rule[Showcase]:
    """The showcase that the catalogue's `entry` names.

    Raises ProductGone, SignatureInvalid or MalformedMessage when it is not what the catalogue
    promises (the merchant may have replaced it since), and what opening a tunnel raises.
    """
    kept = yield from transact(stored_showcase, merchant.fingerprint, entry)
    if kept is not None:
        return open_showcase(kept, entry)
    tunnel = yield from open_tunnel(merchant, suite, random)
    parts = []
    for index in range(page_count(entry.size)):
        request = GetShowcase(shelf=entry.shelf, page=index)
        page: ShowcasePage
        page, _ = yield from ask_merchant(tunnel, request, ShowcasePage, random)
        wanted = min(CATALOGUE_PAGE_BYTES, entry.size - index * CATALOGUE_PAGE_BYTES)
        if len(page.data) != wanted:
            raise MalformedMessage("A page of covers has the wrong length.")
        parts.append(page.data)
    blob = b"".join(parts)
    showcase = open_showcase(blob, entry)
    yield from transact(save_showcase, merchant.fingerprint, entry, blob)
    return showcase
