"""Fetch and check a shelf's covers and samples (docs/protocol/08-goods.md, section 5).

Fetched whole, in a tunnel of its own, like the catalogue: which product's cover is looked at, is
seen by nobody. Nothing is kept: anyone who asks a second time would be known to have asked before.
"""

from veilmart.crypto.suite import Suite
from veilmart.customer.browsing.tunnel_rules import ask_merchant, open_tunnel
from veilmart.errors import MalformedMessage
from veilmart.limits import CATALOGUE_PAGE_BYTES
from veilmart.protocol.catalogue import ShowcaseEntry, page_count
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule
from veilmart.protocol.merchant_messages import GetShowcase, ShowcasePage
from veilmart.protocol.ports import Random
from veilmart.protocol.showcase import Showcase, open_showcase


def look(
    merchant: SignedDescriptor, suite: Suite, entry: ShowcaseEntry, random: Random
) -> Rule[Showcase]:
    """The showcase that the catalogue's `entry` names.

    Raises ProductGone, SignatureInvalid or MalformedMessage when it is not what the catalogue
    promises (the merchant may have replaced it since), and what opening a tunnel raises.
    """
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
    return open_showcase(b"".join(parts), entry)
