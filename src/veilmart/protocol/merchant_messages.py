"""Customer → merchant requests inside their tunnel (docs/protocol/07-customer-merchant.md)."""

from typing import Annotated, ClassVar

from msgspec import Meta

from veilmart.limits import CATALOGUE_PAGE_BYTES, HASH_BYTES, PIECE_BYTES, PIECES_MAX
from veilmart.protocol.encoding import Bytes16, Bytes32, Bytes64, Message, Natural

OFFER_MAX_BYTES = 640
"""The largest offer that can be encoded has 544 bytes; so `again` takes one cell like the rest."""


class TunnelRequest(Message, tag_field="kind", frozen=True):
    """A customer's request to the merchant; the broker sees a record of `cells` cells."""

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


class Again(TunnelRequest, tag="again", frozen=True):
    """Fetch a paid product again, or a newer version of it.

    offer: as signed by the merchant. root: of the version wanted. signature: by the order key that
    the offer names, action "again".
    """

    broker: Bytes32
    shelf: Natural
    offer: Annotated[bytes, Meta(max_length=OFFER_MAX_BYTES)]
    root: Bytes32
    signature: Bytes64


class Granted(Message, tag="granted", tag_field="kind", frozen=True):
    """size: of the padded product. pieces: its piece list; `piece` fetches them one by one."""

    size: Natural
    pieces: Annotated[bytes, Meta(max_length=PIECES_MAX * HASH_BYTES)]


class Recall(TunnelRequest, tag="recall", frozen=True):
    """The signed offer of an order, for a wallet that was restored; by its order key."""

    broker: Bytes32
    order: Bytes32
    signature: Bytes64


class Recalled(Message, tag="recalled", tag_field="kind", frozen=True):
    """product: the id it was sold under."""

    offer: Annotated[bytes, Meta(max_length=OFFER_MAX_BYTES)]
    product: Bytes16


class GetPiece(TunnelRequest, tag="piece", frozen=True):
    """One piece of what `again` with the same fields grants; index from 0."""

    broker: Bytes32
    shelf: Natural
    offer: Annotated[bytes, Meta(max_length=OFFER_MAX_BYTES)]
    root: Bytes32
    signature: Bytes64
    index: Natural


class Piece(Message, tag="piece", tag_field="kind", frozen=True):
    data: Annotated[bytes, Meta(max_length=PIECE_BYTES)]


CustomerTunnelRequest = GetCatalogue | GetShowcase | Select | Again | GetPiece | Recall
