"""Customer → merchant requests inside their tunnel (docs/protocol/07-customer-merchant.md)."""

from typing import Annotated, ClassVar

from msgspec import Meta

from veilmart.limits import CATALOGUE_PAGE_BYTES, HASH_BYTES, PIECES_MAX
from veilmart.protocol.encoding import Bytes16, Bytes32, Message, Natural


class TunnelRequest(Message, tag_field="kind", frozen=True):
    """Something a customer asks of the merchant; the broker sees a record of `cells` cells."""

    cells: ClassVar[int] = 1
    answer_cells: ClassVar[int] = 1


class GetCatalogue(TunnelRequest, tag="catalogue", frozen=True):
    """known: hash of the catalogue the customer has, or empty; page: from 0."""

    page: Natural
    known: Annotated[bytes, Meta(max_length=HASH_BYTES)]


class CataloguePage(Message, tag="catalogue", tag_field="kind", frozen=True):
    """data is empty when `known` is the newest; else one page of the blob, the last one shorter."""

    hash: Bytes32
    pages: Natural
    data: Annotated[bytes, Meta(max_length=CATALOGUE_PAGE_BYTES)]


class GetShowcase(TunnelRequest, tag="showcase", frozen=True):
    """Covers and samples of a shelf. page: from 0. It does not say which catalogue one has."""

    shelf: Natural
    page: Natural


class ShowcasePage(Message, tag="showcase", tag_field="kind", frozen=True):
    """data: one page of the blob, the last one shorter; its length is in the catalogue."""

    data: Annotated[bytes, Meta(max_length=CATALOGUE_PAGE_BYTES)]


class Select(TunnelRequest, tag="select", frozen=True):
    """The sealed choice. product: root (32); order_key: Ed25519 public key, fresh (32)."""

    broker: Bytes32
    shelf: Natural
    product: Bytes16
    root: Bytes32
    price: Natural
    order_key: Bytes32


class Offered(Message, tag="offered", tag_field="kind", frozen=True):
    """offer: signed `Offer`; pieces: the product's piece list, 32 bytes each."""

    offer: Annotated[bytes, Meta(max_length=1024)]
    pieces: Annotated[bytes, Meta(max_length=PIECES_MAX * HASH_BYTES)]


CustomerTunnelRequest = GetCatalogue | GetShowcase | Select
