"""Contradictions between two signed documents of one party (docs/protocol/11-tokens.md, 11.7).

Descriptors and catalogues are chains: a serial has one document, and the next names its hash. The
functions are pure; fetching, and the consequences, are elsewhere.
"""

from veilmart.errors import MalformedMessage
from veilmart.limits import DESCRIPTORS_PER_EPOCH_MAX, EPOCH_SECONDS
from veilmart.protocol.catalogue import SignedCatalogue
from veilmart.protocol.descriptor import Descriptor, SignedDescriptor
from veilmart.protocol.token_list import listed_keys

RESTORED_GAP = 900_000
"""A restored party continues 1,000,000 above the newest serial it still knows."""

FOLLOWS_EXTENSION = "follows"
"""Where a serial does not follow the one below it: the serial it does follow, in decimal digits."""


def contradiction(one: SignedDescriptor, other: SignedDescriptor) -> str | None:
    """The contradiction between two descriptors of one identity; None if there is none."""
    lower, higher = sorted((one, other), key=lambda document: document.descriptor.serial)
    step = higher.descriptor.serial - lower.descriptor.serial
    if step == 0 and lower.hash != higher.hash:
        return f"There are two descriptors {lower.descriptor.serial}."
    follows = serial_below(higher.descriptor) == lower.descriptor.serial
    if follows and higher.descriptor.previous != lower.hash:
        return f"Descriptor {higher.descriptor.serial} does not follow the other."
    if _too_many(lower.descriptor, higher.descriptor):
        return f"There are {step} descriptors in too short a time."
    keys = {(key.epoch, key.price): key.key for key in listed_keys(lower.descriptor)}
    for key in listed_keys(higher.descriptor):
        if keys.get((key.epoch, key.price), key.key) != key.key:
            return "They list different token keys for one price and epoch."
    return None


def catalogue_contradiction(one: SignedCatalogue, other: SignedCatalogue) -> str | None:
    """The same for two catalogues of one merchant."""
    lower, higher = sorted((one, other), key=lambda document: document.catalogue.serial)
    step = higher.catalogue.serial - lower.catalogue.serial
    if step == 0 and lower.hash != higher.hash:
        return f"There are two catalogues {lower.catalogue.serial}."
    if step == 1 and higher.catalogue.previous != lower.hash:
        return f"Catalogue {higher.catalogue.serial} does not follow the other."
    return None


def epoch_start(now: int) -> int:
    """The beginning of the epoch of `now`: the same for everybody."""
    return now // EPOCH_SECONDS * EPOCH_SECONDS


def serial_below(descriptor: Descriptor) -> int | None:
    """The serial that it follows; None for the first. Raises MalformedMessage."""
    named = descriptor.extensions.get(FOLLOWS_EXTENSION)
    if named is None:
        return descriptor.serial - 1 or None
    if not (named.isdigit() and len(named) <= 16 and 0 < int(named) < descriptor.serial):
        raise MalformedMessage("A descriptor follows an impossible serial.")
    return int(named)


def follows_extension(previous: int | None, serial: int) -> dict[str, bytes]:
    """The extension of a descriptor `serial` that follows `previous`; empty when it is the next."""
    if previous is None or serial == previous + 1:
        return {}
    return {FOLLOWS_EXTENSION: str(previous).encode()}


def _too_many(lower: Descriptor, higher: Descriptor) -> bool:
    """More serials between the two than a party may sign in that time."""
    step = higher.serial - lower.serial
    epochs = max(0, higher.not_before - lower.not_before) // EPOCH_SECONDS + 1
    return step < RESTORED_GAP and step > DESCRIPTORS_PER_EPOCH_MAX * epochs


def changed_too_often(earlier: SignedDescriptor | None, now: int) -> bool:
    """Whether a party has to wait before it signs a change; a renewal by time may always be signed.

    earlier: its descriptor CHANGES_PER_EPOCH_MAX - 1 serials below its newest one, if there is one.
    """
    return earlier is not None and now - earlier.descriptor.not_before < EPOCH_SECONDS
