"""The 8-byte prefixes in the broker's public lists, by which a restored wallet finds its own.

Lists are fetched whole, so nobody learns which entry the wallet needs. Short prefixes keep them
small; a chance match costs a request that finds nothing (docs/protocol/11-tokens.md).
"""

from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash

PREFIX_BYTES = 8


def spent_prefix(key_id: bytes, nonce: bytes) -> bytes:
    """8 bytes: a token that was spent or deposited, by its key id (32) and nonce (32)."""
    return labelled_hash(labels.SPENT_TOKEN, key_id, nonce)[:PREFIX_BYTES]


def order_key_prefix(order_key: bytes) -> bytes:
    """8 bytes: an order that exists, by its order key's public half (32)."""
    return labelled_hash(labels.ORDER_KEY, order_key)[:PREFIX_BYTES]
