"""Key sets: a tunnel key per suite and one signing key, made together, valid seven days at most.

A new descriptor (a new shelf, say) keeps the set in use; a new set is made only when the old one
nears its end. Tunnel keys are deleted when they expire, so a later intruder cannot open what was
sealed under them. A signing seed stays until no order signed with it can be requested.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from veilmart.crypto import signing
from veilmart.crypto.key_pair import KeyPair
from veilmart.crypto.suite import all_suites, suite_by_id
from veilmart.errors import OrderUnknown
from veilmart.limits import DELIVER_WITHIN_SECONDS, DESCRIPTOR_SECONDS, SETTLE_WITHIN_SECONDS
from veilmart.merchant.schema.tables import SIGNING, keys
from veilmart.protocol.ports import Random
from veilmart.storage.database.isolation import snapshot

SEGMENT_SECONDS = 4 * (DELIVER_WITHIN_SECONDS + SETTLE_WITHIN_SECONDS)
"""How long a signing seed outlives its tunnel keys, for segments of unfinished orders."""


@dataclass(frozen=True)
class KeySet:
    """seed: Ed25519, 32 bytes. tunnel: suite id → key pair; empty once they expired."""

    id: int
    seed: bytes = field(repr=False)
    public: bytes
    tunnel: Mapping[int, KeyPair] = field(repr=False)
    expires_at: int


_ONE = select(keys).where(keys.c.key_set == bindparam("set_id"))
_SEED = select(keys.c.private).where(keys.c.key_set == bindparam("set_id"), keys.c.suite == SIGNING)
_NEWEST = select(func.max(keys.c.key_set))
_DROP = delete(keys).where(keys.c.expires_at <= bindparam("now"))


UNSTORED = 0
"""The number of a key set that has none yet."""


def make_key_set(now: int, random: Random) -> KeySet:
    """A fresh set for the suites we know, default suite first. Pure."""
    seed = signing.generate_signing_key(random)
    return KeySet(
        id=UNSTORED,
        seed=seed,
        public=signing.public_key(seed),
        tunnel={suite.id: suite.dh.generate(random) for suite in all_suites()},
        expires_at=now + DESCRIPTOR_SECONDS,
    )


def store_key_set(connection: Connection, made: KeySet) -> KeySet:
    """Part of a transaction: give the set its number and store it."""
    stored = replace(made, id=int(connection.execute(_NEWEST).scalar() or 0) + 1)
    signer = KeyPair(made.seed, made.public)
    rows = [_row(stored.id, SIGNING, signer, made.expires_at + SEGMENT_SECONDS)]
    rows += [_row(stored.id, suite, pair, made.expires_at) for suite, pair in made.tunnel.items()]
    connection.execute(insert(keys), rows)
    return stored


def _row(key_set: int, suite: int, pair: KeyPair, expires_at: int) -> dict[str, object]:
    return {
        "key_set": key_set,
        "suite": suite,
        "private": pair.private,
        "public": pair.public,
        "expires_at": expires_at,
    }


def load_key_set(connection: Connection, key_set: int) -> KeySet:
    """Part of a transaction: a set whose signing seed has not been deleted yet."""
    rows = {row.suite: row for row in connection.execute(_ONE, {"set_id": key_set})}
    signer = rows.pop(SIGNING)
    return KeySet(
        id=key_set,
        seed=signer.private,
        public=signer.public,
        tunnel={suite: suite_by_id(suite).dh.key_pair(row.private) for suite, row in rows.items()},
        expires_at=signer.expires_at - SEGMENT_SECONDS,
    )


@snapshot
def signing_seed(connection: Connection, key_set: int) -> bytes:
    """Transaction: 32 bytes. Raises OrderUnknown once it has been deleted."""
    seed = connection.execute(_SEED, {"set_id": key_set}).scalar()
    if seed is None:
        raise OrderUnknown("It was signed too long ago.")
    return bytes(seed)


def drop_expired_keys(connection: Connection, now: int) -> int:
    """Transaction: how many were deleted. SQLite overwrites them (secure_delete)."""
    return connection.execute(_DROP, {"now": now}).rowcount
