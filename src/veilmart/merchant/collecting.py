"""Packed products that neither the shop nor an order names: noticed first, removed days later.

They stay behind after a failed import or move, and after a change of a product that nobody bought.
A running server may still offer what a command has just replaced, and a command may be packing what
it will name in a moment. So a root is only noted when it is found unnamed, in a file of the home,
and removed when it is found so again after `UNNAMED_KEPT_SECONDS`. A root holds 32 random bytes of
its own: once forgotten, it is never named again.
"""

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select, union

from veilmart.limits import UNNAMED_KEPT_SECONDS
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.schema.tables import orders, products

NOTES_FILE = "unnamed-products"
_NAMED = union(select(products.c.root), select(orders.c.root))


@dataclass(frozen=True)
class Collected:
    """removed: products taken out of the store. noted: those that wait."""

    removed: int
    noted: int


def named_roots(connection: Connection) -> set[bytes]:
    """Transaction: of all that is or was on a shelf, and of every order."""
    return {bytes(root) for root in connection.execute(_NAMED).scalars()}


def collect_unnamed(market: MerchantHome, now: int) -> Collected:
    """Use case, safe beside a running server. Blocks. Raises StorageFailures.

    The store must be this merchant's alone.
    """
    with market.home.lock("collecting"):
        stored = set(market.store.roots())
        unnamed = stored - market.database.read_now(named_roots)
        earlier = _noted(market)
        noted = {root: min(earlier.get(root, now), now) for root in unnamed}
        due = {root for root, since in noted.items() if since <= now - UNNAMED_KEPT_SECONDS}
        for root in due:
            market.store.remove(root)
        left = {root.hex(): since for root, since in noted.items() if root not in due}
        market.home.write_secret(NOTES_FILE, msgspec.json.encode(left))
    return Collected(len(due), len(left))


def _noted(market: MerchantHome) -> dict[bytes, int]:
    """A file that cannot be read is begun anew: everything then waits once more."""
    if not market.home.has(NOTES_FILE):
        return {}
    try:
        notes = msgspec.json.decode(market.home.read(NOTES_FILE), type=dict[str, int])
        return {bytes.fromhex(name): since for name, since in notes.items()}
    except (msgspec.DecodeError, ValueError):
        return {}
