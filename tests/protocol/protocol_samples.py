"""What the protocol's tests share: seeded randomness, key pairs, descriptors, sessions."""

from dataclasses import dataclass
from random import Random as Generator
from typing import Any

import msgspec

from veilmart.crypto import identity, signing
from veilmart.crypto.diffie_hellman import ffdhe3072_prime
from veilmart.crypto.key_pair import KeyPair
from veilmart.crypto.suite import Suite, all_suites
from veilmart.protocol import labels
from veilmart.protocol.descriptor import FIRST_PREVIOUS, Descriptor, Shelf, TunnelKey
from veilmart.protocol.handshake import CertifiedInitiator, SessionKeys, answer_certified, prologue
from veilmart.protocol.offer import (
    Invoice,
    Offer,
    Selection,
    content_key_hash,
    escrow_key_hash,
)
from veilmart.protocol.ports import Random

NOW = 1_800_000_000
WEEK = 7 * 24 * 3600
X25519_KEY = (9).to_bytes(32, "little")
FFDHE_KEY = (4).to_bytes(384, "big")
SUITES = all_suites()
SUITE_IDS = [suite.name for suite in SUITES]


def seeded(seed: int) -> Random:
    """n → n bytes, the same in every run."""
    return Generator(seed).randbytes


def flipped(data: bytes, index: int, bit: int = 0) -> bytes:
    """`data` with one bit changed."""
    changed = bytearray(data)
    changed[index] ^= 1 << bit
    return bytes(changed)


def shelf(**changes: Any) -> Shelf:
    sample = Shelf(
        id=3,
        name="books",
        price=500,
        size=4096,
        pay_within=900,
        deliver_within=86400,
        settle_within=259200,
    )
    return msgspec.structs.replace(sample, **changes)


def descriptor(key: identity.IdentityKey, **changes: Any) -> Descriptor:
    """A merchant's first one, valid for a week around NOW, unless `changes` say otherwise."""
    sample = Descriptor(
        role="merchant",
        name="Harbour Books",
        identity=identity.public_spki(key),
        tunnel_keys=[TunnelKey(suite=1, public=X25519_KEY), TunnelKey(suite=2, public=FFDHE_KEY)],
        signing_key=signing.public_key(bytes(32)),
        shelves=[shelf()],
        price_points=[],
        currency="EUR",
        decimals=2,
        brokers=[b"b" * 32],
        serial=1,
        previous=FIRST_PREVIOUS,
        not_before=NOW - 3600,
        not_after=NOW - 3600 + WEEK,
        extensions={},
    )
    return msgspec.structs.replace(sample, **changes)


@dataclass(frozen=True)
class Ends:
    """Both ends of one session."""

    initiator: SessionKeys
    responder: SessionKeys
    message1: bytes
    message2: bytes


def tunnel_prologue(suite: Suite, request_number: bytes, descriptor_hash: bytes) -> bytes:
    return prologue(labels.PROLOGUE_CUSTOMER_MERCHANT, suite, descriptor_hash, request_number)


def make_session(suite: Suite, seed: int = 1, session_id: bytes = b"s" * 16) -> Ends:
    """An honest NK handshake from its own randomness."""
    random = seeded(seed)
    static: KeyPair = suite.dh.generate(random)
    beginning = tunnel_prologue(suite, session_id, b"d" * 32)
    initiator = CertifiedInitiator(suite, beginning, static.public, random)
    message2, responder_keys = answer_certified(
        suite, beginning, static, session_id, initiator.message1, random
    )
    keys = initiator.finish(session_id, message2)
    return Ends(keys, responder_keys, initiator.message1, message2)


def bad_values(suite: Suite) -> list[bytes]:
    """Public values that give away the result, or lie outside the group."""
    if suite.dh.public_bytes == 32:
        low_order_eight = bytes.fromhex(
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
        )
        prime = 2**255 - 19
        small = [0, 1, prime - 1, prime, prime + 1]
        return [low_order_eight, *(value.to_bytes(32, "little") for value in small)]
    prime = ffdhe3072_prime()
    outside = [0, 1, prime - 1, prime, prime + 1, 2**3072 - 1, prime - 4]
    return [value.to_bytes(384, "big") for value in outside]


ESCROW = b"e" * 32
CONTENT_KEY = b"c" * 32
ORDER_KEY = signing.public_key(b"o" * 32)
MERCHANT_SEED = b"m" * 32
MERCHANT_PUBLIC = signing.public_key(MERCHANT_SEED)


def selection(suite: Suite) -> Selection:
    return Selection(
        merchant=b"M" * 32,
        broker=b"B" * 32,
        descriptor=b"D" * 32,
        suite=suite,
        shelf=shelf(),
        root=b"R" * 32,
        order_key=ORDER_KEY,
    )


def offer(suite: Suite) -> Offer:
    """What an honest merchant answers to `selection`."""
    chosen = selection(suite)
    return Offer(
        merchant=chosen.merchant,
        broker=chosen.broker,
        descriptor=chosen.descriptor,
        random=b"r" * 32,
        suite=suite.id,
        shelf=chosen.shelf.id,
        price=chosen.shelf.price,
        size=chosen.shelf.size,
        product=chosen.root,
        content_key_hash=content_key_hash(CONTENT_KEY),
        escrow_key_hash=escrow_key_hash(ESCROW),
        order_key=chosen.order_key,
        pay_by=NOW + 900,
        deliver_within=chosen.shelf.deliver_within,
        settle_within=chosen.shelf.settle_within,
    )


def invoice(made: Offer, order: bytes, sealed_key: bytes) -> Invoice:
    """The honest invoice to an offer."""
    return Invoice(
        merchant=made.merchant,
        broker=made.broker,
        order=order,
        suite=made.suite,
        amount=made.price,
        order_key=made.order_key,
        sealed_key=sealed_key,
        pay_by=made.pay_by,
        deliver_within=made.deliver_within,
        settle_within=made.settle_within,
    )
