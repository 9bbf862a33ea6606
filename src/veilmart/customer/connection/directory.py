"""The directory of merchants that a broker carries: name, a line about itself, link.

Every merchant's descriptor is fetched, alike for everybody, so that reading the directory says
nothing about what is looked for. Nothing of it is trusted yet: a merchant is pinned by its
fingerprint, after a look at it.
"""

from dataclasses import dataclass

from veilmart.customer.connection.shopper import Shopper
from veilmart.errors import PeerFault, Refusal, TrustFailure
from veilmart.limits import DIRECTORY_LINES_MAX
from veilmart.protocol.address import Link, parse_link
from veilmart.protocol.descriptor import about_line, check_descriptor


@dataclass(frozen=True)
class DirectoryEntry:
    """fingerprint: 32 bytes. about: what the merchant says about itself, or empty."""

    fingerprint: bytes
    name: str
    about: str
    link: str


async def read_directory(shopper: Shopper) -> list[DirectoryEntry]:
    """Every merchant of the broker, in the broker's order; the first 100 with their lines."""
    place = parse_link(shopper.url)
    broker = shopper.broker.fingerprint
    found = []
    for number, entry in enumerate(await shopper.merchants()):
        link = Link(place.host, place.port, broker, entry.fingerprint, None)
        name, about = entry.name, ""
        if number < DIRECTORY_LINES_MAX:
            name, about = await _own_words(shopper, entry.fingerprint, name)
        found.append(DirectoryEntry(entry.fingerprint, name, about, str(link)))
    return found


async def _own_words(shopper: Shopper, merchant: bytes, name: str) -> tuple[str, str]:
    """Name and line from the merchant's own signed descriptor, if it verifies."""
    try:
        signed = await shopper.descriptors_of(merchant).newest()
        shown = check_descriptor(
            signed,
            role="merchant",
            fingerprint=merchant,
            now=shopper.wallet.clock(),
            known=None,
        )
    except (PeerFault, Refusal, TrustFailure):
        return name, ""
    return shown.descriptor.name, about_line(shown.descriptor)
