"""When two papers of one party contradict each other (docs/protocol/11-tokens.md, 11.7).

Descriptors and catalogues are chains: a serial has one paper, and the next names its hash. Pure
verdicts; who shows what to whom, and what is done about it, is elsewhere.
"""

from veilmart.protocol.catalogue import SignedCatalogue
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.token_list import listed_keys

RESTORED_GAP = 900_000
"""A party that was restored goes on 1,000,000 above the newest serial it still knows."""

CHAIN_BLOCK = 16
"""What is missing is fetched down to a multiple of this: what we knew before stays blurred."""

CHAIN_MAX = 1024


def contradiction(one: SignedDescriptor, other: SignedDescriptor) -> str | None:
    """What two descriptors of one identity say against each other; None when nothing."""
    lower, higher = sorted((one, other), key=lambda paper: paper.descriptor.serial)
    step = higher.descriptor.serial - lower.descriptor.serial
    if step == 0 and lower.hash != higher.hash:
        return f"There are two descriptors {lower.descriptor.serial}."
    if step == 1 and higher.descriptor.previous != lower.hash:
        return f"Descriptor {higher.descriptor.serial} does not follow the other."
    keys = {(key.epoch, key.price): key.key for key in listed_keys(lower.descriptor)}
    for key in listed_keys(higher.descriptor):
        if keys.get((key.epoch, key.price), key.key) != key.key:
            return "They list different token keys for one price and epoch."
    return None


def catalogue_contradiction(one: SignedCatalogue, other: SignedCatalogue) -> str | None:
    """The same for two catalogues of one merchant."""
    lower, higher = sorted((one, other), key=lambda paper: paper.catalogue.serial)
    step = higher.catalogue.serial - lower.catalogue.serial
    if step == 0 and lower.hash != higher.hash:
        return f"There are two catalogues {lower.catalogue.serial}."
    if step == 1 and higher.catalogue.previous != lower.hash:
        return f"Catalogue {higher.catalogue.serial} does not follow the other."
    return None


def missing_serials(lower: int, higher: int) -> range:
    """What to fetch to chain `higher` to `lower`, downwards, a little further than needed.

    Empty for neighbours and for the gap of a restored party.
    """
    if higher - lower <= 1 or higher - lower >= RESTORED_GAP:
        return range(0)
    lowest = max(1, (lower + 1) // CHAIN_BLOCK * CHAIN_BLOCK)
    return range(higher - 1, lowest - 1, -1)
