"""Fetch, verify and keep a merchant's catalogue (docs/protocol/08-goods.md, section 3).

It is fetched whole, anonymously, and searched here: nobody sees what is looked for. One serial has
one catalogue, and the next one names the one before (11-tokens.md, 11.7). An older one is taken:
refusing it would show what this wallet has seen before.
"""

from veilmart.customer.browsing.tunnel_rules import Tunnel, ask_merchant
from veilmart.customer.effects import Tell
from veilmart.customer.events import CatalogueFetched, StepReached
from veilmart.customer.trust.anonymous_pins import Seen, save_seen, seen
from veilmart.customer.trust.proofs import catalogue_proof, keep_proof
from veilmart.errors import MalformedMessage, ViewsForked
from veilmart.limits import CATALOGUE_MAX_BYTES, CATALOGUE_PAGE_BYTES
from veilmart.protocol.catalogue import SignedCatalogue, open_catalogue
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.merchant_messages import CataloguePage, GetCatalogue
from veilmart.protocol.ports import Clock, Random
from veilmart.protocol.signed_chains import catalogue_contradiction

PAGES_MAX = CATALOGUE_MAX_BYTES // CATALOGUE_PAGE_BYTES
TRIES = 3


def fetch_catalogue(tunnel: Tunnel, clock: Clock, random: Random) -> Rule[SignedCatalogue]:
    """Verified, compared with the newest one seen before, and kept if it is newer.

    Raises ViewsForked, SignatureInvalid, MalformedMessage.
    """
    merchant = tunnel.merchant
    yield from Tell(StepReached("catalogue"))
    blob, pages = yield from _fetch(tunnel, random)
    yield from Tell(CatalogueFetched(pages))
    signing_key = merchant.descriptor.signing_key
    fresh = open_catalogue(blob, signing_key, merchant.fingerprint)
    known = yield from transact(seen, "catalogue", merchant.fingerprint)
    if known is not None and known.signing_key is not None:
        if known.signed == blob:
            return fresh
        earlier = open_catalogue(known.signed, known.signing_key, merchant.fingerprint)
        finding = catalogue_contradiction(fresh, earlier)
        if finding is not None:
            proof = catalogue_proof(fresh, earlier, (merchant.signed, known.certificate or b""))
            yield from transact(keep_proof, merchant.fingerprint, proof, clock())
            raise ViewsForked(finding)
        if fresh.catalogue.serial <= earlier.catalogue.serial:
            return fresh
    newest = Seen(fresh.blob, signing_key, merchant.signed)
    yield from transact(save_seen, "catalogue", merchant.fingerprint, newest)
    return fresh


def _fetch(tunnel: Tunnel, random: Random) -> Rule[tuple[bytes, int]]:
    """(blob, pages). A catalogue that is replaced between two pages is fetched again."""
    for _ in range(TRIES):
        # Never tell which catalogue we have: one made for this wallet alone would be recognised.
        first = yield from _page(tunnel, 0, random)
        if not 0 < first.pages <= PAGES_MAX:
            raise MalformedMessage("The catalogue has an impossible number of pages.")
        parts = [first.data]
        for index in range(1, first.pages):
            following = yield from _page(tunnel, index, random)
            if following.hash != first.hash:
                break
            parts.append(following.data)
        if len(parts) == first.pages:
            return b"".join(parts), first.pages
    raise MalformedMessage("The catalogue changes too often to be fetched.")


def _page(tunnel: Tunnel, index: int, random: Random) -> Rule[CataloguePage]:
    request = GetCatalogue(page=index, known=b"")
    page: CataloguePage
    page, _ = yield from ask_merchant(tunnel, request, CataloguePage, random)
    return page
