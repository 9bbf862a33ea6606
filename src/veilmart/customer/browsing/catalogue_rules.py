"""Fetch, verify and keep a merchant's catalogue (docs/protocol/08-goods.md, section 3).

The catalogue is fetched whole and searched here, so nobody sees the search. A serial may not go
down, one serial has one catalogue, and the next one names the one before; for what the account's
and the anonymous connections saw together (11-tokens.md, 11.7).
"""

from sqlalchemy import Connection

from veilmart.customer.browsing.tunnel_rules import Tunnel, ask_merchant
from veilmart.customer.effects import Tell
from veilmart.customer.events import CatalogueFetched, StepReached
from veilmart.customer.trust.anonymous_pins import Seen, save_seen, seen
from veilmart.customer.trust.pins import (
    StoredCatalogue,
    merchant_certificate,
    save_catalogue,
    stored_catalogue,
)
from veilmart.customer.trust.proofs import catalogue_proof, keep_proof
from veilmart.errors import DescriptorForked, MalformedMessage, SerialLower, ViewsForked
from veilmart.limits import CATALOGUE_MAX_BYTES, CATALOGUE_PAGE_BYTES
from veilmart.protocol.catalogue import SignedCatalogue, open_catalogue
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.merchant_messages import CataloguePage, GetCatalogue
from veilmart.protocol.ports import Clock, Random
from veilmart.protocol.views import catalogue_contradiction

PAGES_MAX = CATALOGUE_MAX_BYTES // CATALOGUE_PAGE_BYTES
TRIES = 3


def fetch_catalogue(
    tunnel: Tunnel, clock: Clock, random: Random, *, anonymous: bool
) -> Rule[SignedCatalogue]:
    """Verified, on one chain with the last ones seen, and stored in its view.

    Raises SerialLower, DescriptorForked, ViewsForked, SignatureInvalid, MalformedMessage.
    """
    merchant = tunnel.merchant
    yield from Tell(StepReached("catalogue"))
    # Never tell which catalogue we have: one made for this wallet alone would be recognised.
    blob, pages = yield from _fetch(tunnel, b"", random)
    yield from Tell(CatalogueFetched(pages))
    signing_key = merchant.descriptor.signing_key
    fresh = open_catalogue(blob, signing_key, merchant.fingerprint)
    is_new = True
    for of_anonymous in (anonymous, not anonymous):
        known = yield from transact(_known, merchant.fingerprint, of_anonymous)
        if known is None or known.signing_key is None:
            continue
        if known.signed == blob:
            is_new = is_new and of_anonymous != anonymous
            continue
        earlier = open_catalogue(known.signed, known.signing_key, merchant.fingerprint)
        finding = catalogue_contradiction(fresh, earlier)
        if finding is not None:
            proof = catalogue_proof(fresh, earlier, (merchant.signed, known.certificate or b""))
            yield from transact(keep_proof, merchant.fingerprint, proof, clock())
            raise ViewsForked(finding) if of_anonymous != anonymous else DescriptorForked(finding)
        if not anonymous and not of_anonymous:
            check_chain(fresh, earlier)  # an anonymous connection knows nothing of earlier ones
        elif of_anonymous == anonymous and fresh.catalogue.serial < earlier.catalogue.serial:
            is_new = False
    if not is_new:
        return fresh
    if anonymous:
        newest = Seen(fresh.blob, signing_key, merchant.signed)
        yield from transact(save_seen, "catalogue", merchant.fingerprint, newest)
    else:
        kept = StoredCatalogue(fresh.hash, signing_key, blob)
        yield from transact(save_catalogue, merchant.fingerprint, kept)
    return fresh


def _known(connection: Connection, merchant: bytes, anonymous: bool) -> Seen | None:
    """What a view saw last; the account's certificate is the pinned descriptor."""
    if anonymous:
        return seen(connection, "catalogue", merchant)
    stored = stored_catalogue(connection, merchant)
    if stored is None:
        return None
    return Seen(stored.blob, stored.signing_key, merchant_certificate(connection, merchant))


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
