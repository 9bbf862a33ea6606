"""Fetch, verify and keep a merchant's catalogue (docs/protocol/08-goods.md, section 3).

It is fetched whole, in a tunnel of its own, and searched here: nobody sees what is looked for. A
serial may not go down, one serial has one catalogue, and the next one names the one before.
"""

from veilmart.crypto.suite import Suite
from veilmart.customer.effects import Tell
from veilmart.customer.events import CatalogueFetched, StepReached
from veilmart.customer.pins import StoredCatalogue, save_catalogue, stored_catalogue
from veilmart.customer.quote import Tunnel
from veilmart.customer.selection_rule import ask_merchant, open_tunnel
from veilmart.errors import DescriptorForked, MalformedMessage, SerialLower
from veilmart.limits import CATALOGUE_MAX_BYTES, CATALOGUE_PAGE_BYTES
from veilmart.protocol.catalogue import SignedCatalogue, open_catalogue
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, Transact
from veilmart.protocol.handshake import Random
from veilmart.protocol.merchant_messages import CataloguePage, GetCatalogue

PAGES_MAX = CATALOGUE_MAX_BYTES // CATALOGUE_PAGE_BYTES
TRIES = 3


def browse(merchant: SignedDescriptor, suite: Suite, random: Random) -> Rule[SignedCatalogue]:
    """The merchant's newest catalogue, verified, stored and on one chain with the last one seen.

    Raises SerialLower, DescriptorForked, SignatureInvalid, MalformedMessage and what opening a
    tunnel raises.
    """
    stored: StoredCatalogue | None = yield Transact(stored_catalogue, (merchant.fingerprint,))
    known = None
    if stored is not None:
        known = open_catalogue(stored.blob, stored.signing_key, merchant.fingerprint)
    tunnel = yield from open_tunnel(merchant, suite, random)
    yield Tell(StepReached("catalogue"))
    # Never tell which catalogue we have: one made for this wallet alone would be recognised.
    blob, pages = yield from _fetch(tunnel, b"", random)
    yield Tell(CatalogueFetched(pages))
    signing_key = merchant.descriptor.signing_key
    fresh = open_catalogue(blob, signing_key, merchant.fingerprint)
    if known is not None:
        check_chain(fresh, known)
    kept = StoredCatalogue(fresh.hash, signing_key, blob)
    yield Transact(save_catalogue, (merchant.fingerprint, kept))
    return fresh


def check_chain(fresh: SignedCatalogue, known: SignedCatalogue) -> None:
    """Raises SerialLower or DescriptorForked unless `fresh` follows `known`."""
    new, old = fresh.catalogue, known.catalogue
    if new.serial < old.serial:
        raise SerialLower(f"Catalogue {new.serial} after {old.serial}.")
    if new.serial == old.serial and fresh.hash != known.hash:
        raise DescriptorForked(f"There are two catalogues {new.serial}.")
    if new.serial == old.serial + 1 and new.previous != known.hash:
        raise DescriptorForked(f"Catalogue {new.serial} does not follow the one seen before.")


def _fetch(tunnel: Tunnel, known: bytes, random: Random) -> Rule[tuple[bytes, int]]:
    """(blob, pages); nothing and 0 pages when `known` is the newest.

    A catalogue that is replaced between two pages is fetched from its beginning again.
    """
    for _ in range(TRIES):
        first = yield from _page(tunnel, 0, known, random)
        if not first.data and known and first.hash == known:
            return b"", 0
        if not 0 < first.pages <= PAGES_MAX:
            raise MalformedMessage("The catalogue has an impossible number of pages.")
        parts = [first.data]
        for index in range(1, first.pages):
            following = yield from _page(tunnel, index, b"", random)
            if following.hash != first.hash:
                break
            parts.append(following.data)
        if len(parts) == first.pages:
            return b"".join(parts), first.pages
    raise MalformedMessage("The catalogue changes too often to be fetched.")


def _page(tunnel: Tunnel, index: int, known: bytes, random: Random) -> Rule[CataloguePage]:
    request = GetCatalogue(page=index, known=known)
    page: CataloguePage
    page, _ = yield from ask_merchant(tunnel, request, CataloguePage, random)
    return page
