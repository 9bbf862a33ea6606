"""Page 11: withdrawing, spending, depositing and recovering tokens.

Nothing is kept between runs: what a seed has withdrawn is asked for again, as in 11.8.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from .blind import (
    LENGTH,
    Secrets,
    TokenKey,
    blind,
    finish,
    read_key,
    refund_secrets,
    token_secrets,
)
from .client import BrokerSession, Http, Kind
from .descriptors import Descriptor
from .notation import (
    Bytes16,
    Bytes32,
    Number,
    decode,
    derive,
    le,
    named_hash,
    require,
)
from .purchase import Agreed, Order, Payment, Receipt, operation, sign_action

EPOCH_SECONDS = 2_592_000
ENTRY = 48
PACK = 32
PREFIX = 8
PREFIXES_PER_PAGE = 131_072


class Claimed(Kind):
    """11.4."""


class Issued(Kind):
    """11.4."""

    signatures: bytes
    balance: Number


class IssueEntry(Struct, forbid_unknown_fields=True):
    """One withdrawal that the broker remembers."""

    request: Bytes16
    first: Number
    count: Number


class Issues(Kind):
    """11.4."""

    entries: list[IssueEntry]
    more: bool


class Deposited(Kind):
    """11.4."""

    value: Number
    balance: Number


class Spent(Kind):
    """11.5."""

    receipt: bytes
    refund: bytes


class Refunded(Kind):
    """11.5."""

    key: Bytes32
    signature: bytes


class Recovered(Kind):
    """11.5."""

    order: Bytes32
    state: str
    amount: Number
    invoice: bytes


class Counted(Struct, forbid_unknown_fields=True):
    """One key in the solvency statement (11.6)."""

    id: Bytes32
    price: Number
    epoch: Number
    withdrawn: Number
    reissued: Number
    redeemed: Number
    returned: Number
    expired: Number
    outstanding: Number


class Solvency(Struct, forbid_unknown_fields=True):
    """11.6."""

    at: Number
    keys: list[Counted]


@dataclass(frozen=True)
class Listed:
    """An entry of the descriptor's extension `tokens`."""

    key: bytes
    price: int
    epoch: int


def listed_keys(broker: Descriptor) -> list[Listed]:
    """11.1."""
    data = broker.body.extensions.get("tokens", b"")
    require(len(data) % ENTRY == 0, "length of the list of token keys")
    entries = [
        Listed(
            data[at : at + 32],
            int.from_bytes(data[at + 32 : at + 40], "little"),
            int.from_bytes(data[at + 40 : at + ENTRY], "little"),
        )
        for at in range(0, len(data), ENTRY)
    ]
    order = [(entry.epoch, entry.price) for entry in entries]
    require(order == sorted(set(order)), "one token key for each price and epoch, in order")
    return entries


def issuing_key(http: Http, broker: Descriptor, price: int, now: int) -> TokenKey:
    """The key that issues tokens of this price at this moment."""
    found = [
        entry
        for entry in listed_keys(broker)
        if (entry.price, entry.epoch) == (price, now // EPOCH_SECONDS)
    ]
    require(len(found) == 1, f"a token key for {price}")
    return fetch_key(http, found[0].key)


def fetch_key(http: Http, key_id: bytes) -> TokenKey:
    """11.1."""
    return read_key(http.call("GET", f"/v1/token-key/{key_id.hex()}"), key_id)


class Account:
    """The tokens of one account of a seed, in a session that is logged in to it (11.4)."""

    def __init__(self, session: BrokerSession, seed: bytes, username: str) -> None:
        self._session = session
        self._seed = seed
        self._name = username.encode()
        self._own_seed = derive(seed, "account seed", self._name)
        self._wallet = os.urandom(16)

    def claim(self) -> None:
        """Take the account over from the wallet before."""
        self._session.ask({"kind": "claim", "wallet": self._wallet}, 1, Claimed, 1)

    def withdraw(self, key: TokenKey, first: int, count: int) -> tuple[list[bytes], int]:
        """Tokens first ... first + count - 1, and the balance; again gives the same tokens."""
        require(1 <= count <= PACK, "at most 32 tokens at once")
        secrets = [self._secrets(key, first + i) for i in range(count)]
        message = {
            "kind": "issue",
            "request": self._request(key, first, count),
            "wallet": self._wallet,
            "key": key.id,
            "first": first,
            "blinded": b"".join(blind(key, one) for one in secrets),
        }
        said = self._session.ask(message, 9, Issued, 9)
        require(len(said.signatures) == LENGTH * count, "one signature for each token")
        parts = [said.signatures[at : at + LENGTH] for at in range(0, LENGTH * count, LENGTH)]
        tokens = [finish(key, one, part) for one, part in zip(secrets, parts, strict=True)]
        return tokens, said.balance

    def withdrawals(self, key: TokenKey) -> list[IssueEntry]:
        """What this seed has withdrawn under the key, in order."""
        found: list[IssueEntry] = []
        start, more = 0, True
        while more:
            said = self._session.ask(
                {"kind": "issues", "key": key.id, "start": start}, 1, Issues, 4
            )
            require(len(said.entries) <= 64 and bool(said.entries or not said.more), "entries")
            require(all(entry.first >= start for entry in said.entries), "order of entries")
            found += said.entries
            start, more = (found[-1].first + 1 if found else 0), said.more
        return [
            entry
            for entry in found
            if entry.request == self._request(key, entry.first, entry.count)
        ]

    def deposit(self, token: bytes) -> Deposited:
        """Give a token back."""
        return self._session.ask({"kind": "deposit", "token": token}, 1, Deposited, 1)

    def _secrets(self, key: TokenKey, counter: int) -> Secrets:
        return token_secrets(self._own_seed, key, counter)

    def _request(self, key: TokenKey, first: int, count: int) -> bytes:
        parts = (self._name, key.id, le(first), le(count))
        return derive(self._seed, "token request", *parts)[:16]


def order_key(seed: bytes, number: int) -> Ed25519PrivateKey:
    """Order key `number` of a seed (11.3)."""
    return Ed25519PrivateKey.from_private_bytes(derive(seed, "order seed", le(number)))


class Anonymous:
    """What a session that nobody is logged in to does with tokens (11.5)."""

    def __init__(self, session: BrokerSession, seed: bytes) -> None:
        self._session = session
        self._seed = seed
        self.first = b""

    def spend(self, agreed: Agreed, token: bytes, refund_key: TokenKey) -> Spent:
        """Pay for an order with a token; with a receipt comes the first segment, or nothing."""
        public = agreed.order_key.public_key().public_bytes_raw()
        refund = refund_secrets(self._seed, refund_key, public)
        message = {
            "kind": "spend",
            "operation": operation(agreed.order, "spend"),
            "order": agreed.order,
            "amount": agreed.offer.price,
            "token": token,
            "refund_key": refund_key.id,
            "refund_blinded": blind(refund_key, refund),
            "order_key": public,
            "signature": sign_action(agreed.order_key, agreed.order, "spend"),
        }
        said, first = self._session.ask_attached(message, Spent, 2)
        require(bool(said.receipt) != bool(said.refund), "either a receipt or a refund")
        require(not (first and said.refund), "no segment with a refund")
        self.first = first
        return said

    def refund(self, http: Http, key: Ed25519PrivateKey, order: bytes) -> bytes:
        """The token of an order that was refunded."""
        message = {"kind": "refund", "order": order, "signature": sign_action(key, order, "refund")}
        said = self._session.ask(message, 1, Refunded, 1)
        return self.refund_token(key, fetch_key(http, said.key), said.signature)

    def refund_token(
        self, key: Ed25519PrivateKey, refund_key: TokenKey, blind_signature: bytes
    ) -> bytes:
        """The token from the blind signature of an order key's refund."""
        public = key.public_key().public_bytes_raw()
        return finish(refund_key, refund_secrets(self._seed, refund_key, public), blind_signature)

    def recover(self, key: Ed25519PrivateKey) -> Recovered:
        """What the broker knows of an order key."""
        public = key.public_key().public_bytes_raw()
        signature = sign_action(key, bytes(32), "recover")
        message = {"kind": "recover", "order_key": public, "signature": signature}
        return self._session.ask(message, 1, Recovered, 2)


def token_payment(anonymous: Anonymous, token: bytes, refund_key: TokenKey) -> Payment:
    """A way to pay, for `purchase.buy`."""

    def pay(order: Order, agreed: Agreed) -> tuple[Receipt, bytes]:
        said = anonymous.spend(agreed, token, refund_key)
        require(not said.refund, "the token came in time")
        order.first = anonymous.first
        return order.check_receipt(said.receipt)

    return pay


def spent_prefix(token: bytes) -> bytes:
    """11.6, of a token as it is (key id, nonce)."""
    return named_hash("spent token", token[66:98], token[2:34])[:PREFIX]


def order_key_prefix(key: Ed25519PrivateKey) -> bytes:
    """11.6."""
    return named_hash("order key", key.public_key().public_bytes_raw())[:PREFIX]


def published(http: Http, path: str) -> set[bytes]:
    """All prefixes of a published list."""
    found: list[bytes] = []
    page = PREFIXES_PER_PAGE * PREFIX
    number, last = 0, False
    while not last:
        data = http.call("GET", f"/v1/{path}/{number}")
        require(len(data) <= page and len(data) % PREFIX == 0, "length of a published page")
        found += [data[at : at + PREFIX] for at in range(0, len(data), PREFIX)]
        number, last = number + 1, len(data) < page
    require(found == sorted(found), "published lists are sorted")
    return set(found)


def solvency(http: Http) -> Solvency:
    """The public statement, with every key's line checked."""
    said = decode(http.call("GET", "/v1/solvency"), Solvency)
    for key in said.keys:
        out = key.redeemed + key.returned + key.expired + key.outstanding
        require(key.withdrawn + key.reissued == out, "solvency of a key")
    return said


def unspent(http: Http, key: TokenKey, tokens: list[bytes]) -> list[bytes]:
    """Those that are not on the published list of the key."""
    gone = published(http, f"spent/{key.id.hex()}")
    return [token for token in tokens if spent_prefix(token) not in gone]
