"""The wallet's entropy in a file: sealed with KHAE under a passphrase, by Argon2id (RFC 9106).

file = SHA-256 of the rest (32) ‖ one MessagePack map. The sum tells a damaged file from a wrong
passphrase; it protects nothing. The parameters are authenticated with what they seal.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from argon2.low_level import Type, hash_secret_raw
from msgspec import Meta

from veilmart.crypto.suite import suite_by_id
from veilmart.errors import OpenFailed, PeerFault, SeedDamaged, WrongPassphrase
from veilmart.limits import (
    PASSPHRASE_LANES_MAX,
    PASSPHRASE_MEMORY_MAX_KIB,
    PASSPHRASE_PASSES_MAX,
)
from veilmart.protocol import labels
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.protocol.ports import Random
from veilmart.protocol.typed_text import opaque

FILE_MAX_BYTES = 1024
SUM_BYTES = 32
NONCE_BYTES = 24
SALT_BYTES = 16
_SUITE = 1


@dataclass(frozen=True)
class Cost:
    """Of Argon2id: memory in KiB, passes, lanes."""

    memory_kib: int
    passes: int
    lanes: int


COST = Cost(memory_kib=64 * 1024, passes=3, lanes=1)
"""RFC 9106's second recommendation with one lane: some 150 ms here, and for a thief."""

NO_COST = Cost(memory_kib=8, passes=1, lanes=1)
"""Without a passphrase there is nothing to slow down."""


class SealedSeed(Message, frozen=True):
    """protected: False for an empty passphrase, so that nobody is asked for one."""

    version: Annotated[int, Meta(ge=1, le=1)]
    protected: bool
    memory_kib: Annotated[int, Meta(ge=8, le=PASSPHRASE_MEMORY_MAX_KIB)]
    passes: Annotated[int, Meta(ge=1, le=PASSPHRASE_PASSES_MAX)]
    lanes: Annotated[int, Meta(ge=1, le=PASSPHRASE_LANES_MAX)]
    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    sealed: Annotated[bytes, Meta(min_length=48, max_length=64)]


def seal_entropy(entropy: bytes, passphrase: str, random: Random, cost: Cost = COST) -> bytes:
    """The file's bytes. entropy: 16 or 32 bytes. An empty passphrase protects nothing."""
    used = cost if passphrase else NO_COST
    salt, nonce = random(SALT_BYTES), random(NONCE_BYTES)
    bound = _bound(bool(passphrase), used, salt)
    key = _key(opaque(passphrase), salt, used)
    sealed = suite_by_id(_SUITE).cipher.seal(key, labels.USE_WALLET_SEED, nonce, bound, entropy)
    body = encode(
        SealedSeed(
            version=1,
            protected=bool(passphrase),
            memory_kib=used.memory_kib,
            passes=used.passes,
            lanes=used.lanes,
            salt=salt,
            nonce=nonce,
            sealed=sealed,
        )
    )
    return hashlib.sha256(body).digest() + body


def read_sealed(content: bytes) -> SealedSeed:
    """Parse and check the bounds. Raises SeedDamaged."""
    body = content[SUM_BYTES:]
    if hashlib.sha256(body).digest() != content[:SUM_BYTES]:
        raise SeedDamaged
    try:
        return decode(SealedSeed, body, FILE_MAX_BYTES)
    except PeerFault as fault:
        raise SeedDamaged from fault


def open_entropy(file: SealedSeed, passphrase: str) -> bytes:
    """16 or 32 bytes. Raises WrongPassphrase."""
    cost = Cost(file.memory_kib, file.passes, file.lanes)
    bound = _bound(file.protected, cost, file.salt)
    cipher = suite_by_id(_SUITE).cipher
    # Files from before opaque() hold a passphrase as it was typed.
    for form in dict.fromkeys((opaque(passphrase), passphrase)):
        key = _key(form, file.salt, cost)
        with suppress(OpenFailed):
            return cipher.open(key, labels.USE_WALLET_SEED, file.nonce, bound, file.sealed)
    raise WrongPassphrase


def _bound(protected: bool, cost: Cost, salt: bytes) -> bytes:
    return encode([protected, cost.memory_kib, cost.passes, cost.lanes, salt])


def _key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    return hash_secret_raw(
        passphrase.encode(),
        salt,
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        hash_len=32,
        type=Type.ID,
    )
