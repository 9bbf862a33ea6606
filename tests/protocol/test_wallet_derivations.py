"""What a wallet derives: against a second implementation of the formulas, and kept apart."""

import hmac
from hashlib import sha256
from math import gcd

import pytest

from veilmart.crypto.token_key import (
    TokenPublicKey,
    generate_token_key,
    token_public_key,
)
from veilmart.protocol.published_prefixes import order_key_prefix, spent_prefix
from veilmart.protocol.wallet_derivations import (
    account_seed,
    issue_request_id,
    order_seed,
    refund_secrets,
    token_secrets,
    wallet_seed,
)

SEED = bytes(range(32))
ORDER_KEY = b"o" * 32


@pytest.fixture(scope="module")
def key() -> TokenPublicKey:
    return token_public_key(generate_token_key())


def le(number: int) -> bytes:
    return number.to_bytes(8, "little")


def expanded(seed: bytes, label: str, parts: list[bytes], length: int = 32) -> bytes:
    """HKDF-Expand as page 1, section 5 writes it."""
    name = label.encode()
    info = le(len(name)) + name + b"".join(le(len(part)) + part for part in parts) + le(length)
    blocks = [b""]
    for number in range(1, -(-length // 32) + 1):
        blocks.append(hmac.digest(seed, blocks[-1] + info + bytes([number]), "sha256"))
    return b"".join(blocks)[:length]


def expected(key: TokenPublicKey, word: str, part: bytes) -> tuple[bytes, bytes, bytes]:
    parts = [key.key_id, part]
    for number in range(100):
        label = f"veilmart 2026 {word} blinding"
        drawn = expanded(SEED, label, [*parts, le(number)], 256)
        value = int.from_bytes(drawn, "big")
        if 1 < value < key.numbers.modulus and gcd(value, key.numbers.modulus) == 1:
            break
    nonce = expanded(SEED, f"veilmart 2026 {word} nonce", parts)
    salt = expanded(SEED, f"veilmart 2026 {word} salt", parts, 48)
    return nonce, salt, drawn


@pytest.mark.parametrize("counter", [0, 1, 2, 3, 255, 256, 2**53 - 1])
def test_secrets_of_a_token(key: TokenPublicKey, counter: int) -> None:
    secrets = token_secrets(SEED, key, counter)
    assert (secrets.nonce, secrets.salt, secrets.blinding) == expected(key, "token", le(counter))


def test_secrets_of_a_refund(key: TokenPublicKey) -> None:
    secrets = refund_secrets(SEED, key, ORDER_KEY)
    assert (secrets.nonce, secrets.salt, secrets.blinding) == expected(key, "refund", ORDER_KEY)


def test_seeds_and_request_ids(key: TokenPublicKey) -> None:
    of_account = expanded(SEED, "veilmart 2026 account seed", ["käufer".encode()])
    assert account_seed(SEED, "käufer") == of_account
    assert order_seed(SEED, 7) == expanded(SEED, "veilmart 2026 order seed", [le(7)])
    parts = ["käufer".encode(), key.key_id, le(5), le(20)]
    whole = expanded(SEED, "veilmart 2026 token request", parts)
    assert issue_request_id(SEED, "käufer", key.key_id, 5, 20) == whole[:16]


def test_seed_from_entropy() -> None:
    short, long = b"e" * 16, b"e" * 16 + bytes(16)
    assert wallet_seed(short) == expanded(short, "veilmart 2026 wallet seed", [le(16)])
    assert wallet_seed(long) == expanded(long, "veilmart 2026 wallet seed", [le(32)])
    assert wallet_seed(short) != wallet_seed(long)


def test_prefixes(key: TokenPublicKey) -> None:
    spent = sha256(b"veilmart 2026 spent token\0" + key.key_id + b"n" * 32).digest()
    assert spent_prefix(key.key_id, b"n" * 32) == spent[:8]
    order = sha256(b"veilmart 2026 order key\0" + ORDER_KEY).digest()
    assert order_key_prefix(ORDER_KEY) == order[:8]


def test_nothing_derived_is_derived_twice(key: TokenPublicKey) -> None:
    other = token_public_key(generate_token_key())
    every = [
        value
        for seed in (SEED, account_seed(SEED, "a"), account_seed(SEED, "b"))
        for public in (key, other)
        for secrets in (
            *(token_secrets(seed, public, counter) for counter in range(20)),
            refund_secrets(seed, public, ORDER_KEY),
            refund_secrets(seed, public, bytes(32)),
        )
        for value in (secrets.nonce, secrets.salt[:32], secrets.blinding[:32])
    ]
    every += [order_seed(seed, number) for seed in (SEED, bytes(32)) for number in range(20)]
    every += [
        issue_request_id(SEED, account, public.key_id, first, count)
        for account in ("a", "b")
        for public in (key, other)
        for first in (0, 1)
        for count in (0, 1)
    ]
    assert len(set(every)) == len(every)
