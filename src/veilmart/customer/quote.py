"""The person's choice, and the merchant's offer for it."""

from dataclasses import dataclass, field
from pathlib import Path

from veilmart.crypto.suite import Suite
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import Shelf, SignedDescriptor
from veilmart.protocol.offer import Offer


@dataclass(frozen=True)
class Choice:
    """What the person chose. out: the folder that the file shall go to."""

    broker: SignedDescriptor
    merchant: SignedDescriptor
    product: Product
    shelf: Shelf
    suite: Suite
    out: Path


@dataclass(frozen=True)
class Quote:
    """A verified offer that waits for the person's yes. Amounts: minor units.

    order: hash of the signed offer. pieces: the verified piece list, 32 bytes each. balance: None
    where a token pays.
    """

    choice: Choice
    order: bytes
    signed_offer: bytes = field(repr=False)
    offer: Offer = field(repr=False)
    pieces: bytes = field(repr=False)
    escrow_key: bytes = field(repr=False)
    order_seed: bytes = field(repr=False)
    balance: int | None = None

    @property
    def price(self) -> int:
        return self.offer.price

    @property
    def balance_after(self) -> int | None:
        return None if self.balance is None else self.balance - self.offer.price
