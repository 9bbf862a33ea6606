"""Two views of one broker: one chain, or proof (docs/protocol/11-tokens.md, 11.7)."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.customer.scripted_market import NOW, Keys
from veilmart.customer.trust.anonymous_pins import Seen, save_seen, seen
from veilmart.customer.trust.proofs import (
    all_proofs,
    check_not_stopped,
    descriptor_proof,
    keep_proof,
    settle_proofs,
    verify_proof,
)
from veilmart.customer.trust.two_views import check_token_list, check_views
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    DescriptorUnknown,
    MalformedMessage,
    ProofInvalid,
    SerialLower,
    TokenKeysForked,
    ViewsForked,
)
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.encoding import decode, encode, le64
from veilmart.protocol.token_list import ListedKey, issuing_key, listed_keys


def entry(key: bytes, price: int = 500, epoch: int = 700) -> bytes:
    return key * 32 + le64(price) + le64(epoch)


class Chain:
    """Descriptors 1 ... n of the test broker; `fetch` hands out those between."""

    def __init__(self, keys: Keys, count: int, **changes: Any) -> None:
        self.keys = keys
        self.asked: list[int] = []
        self.papers: list[SignedDescriptor] = []
        for serial in range(1, count + 1):
            previous = self.papers[-1].hash if self.papers else bytes(32)
            paper = keys.descriptor("broker", [], serial=serial, previous=previous, **changes)
            self.papers.append(paper)

    def __getitem__(self, serial: int) -> SignedDescriptor:
        return self.papers[serial - 1]

    async def fetch(self, serial: int) -> bytes:
        self.asked.append(serial)
        return self[serial].signed


def check(wallet: Wallet, fresh: SignedDescriptor, known: SignedDescriptor, chain: Chain) -> None:
    asyncio.run(check_views(wallet, fresh, known, chain.fetch))


@pytest.fixture(scope="module")
def chain(keys: Keys) -> Chain:
    return Chain(keys, 40)


def test_what_lies_between_is_fetched_and_blurs_what_was_known(wallet: Wallet, keys: Keys) -> None:
    chain = Chain(keys, 40)
    check(wallet, chain[40], chain[40], chain)
    check(wallet, chain[40], chain[39], chain)
    assert chain.asked == []
    check(wallet, chain[40], chain[21], chain)
    assert chain.asked == list(range(39, 15, -1)), "down to a multiple of 16"
    assert wallet.database.run_now(all_proofs) == []


def test_broker_that_shows_one_serial_twice(wallet: Wallet, keys: Keys, chain: Chain) -> None:
    other = keys.descriptor("broker", [], serial=5, previous=chain[4].hash, name="Another")
    with pytest.raises(ViewsForked):
        check(wallet, other, chain[5], chain)
    (proof,) = wallet.database.run_now(all_proofs)
    found = verify_proof(proof.content)
    assert found.conclusive
    assert "two descriptors 5" in found.finding
    with pytest.raises(ViewsForked):
        wallet.database.run_now(check_not_stopped, other.fingerprint)
    wallet.database.run_now(settle_proofs, other.fingerprint)
    wallet.database.run_now(check_not_stopped, other.fingerprint)


def test_broker_whose_chain_forked_long_ago(wallet: Wallet, keys: Keys, chain: Chain) -> None:
    other = Chain(keys, 40, name="Another")
    with pytest.raises(ViewsForked):
        check(wallet, other[40], chain[20], other)
    (proof,) = wallet.database.run_now(all_proofs)
    assert verify_proof(proof.content).conclusive


def test_broker_that_hides_what_lies_between(wallet: Wallet, chain: Chain) -> None:
    async def nothing(serial: int) -> bytes:
        raise DescriptorUnknown

    with pytest.raises(ViewsForked):
        asyncio.run(check_views(wallet, chain[40], chain[20], nothing))
    (proof,) = wallet.database.run_now(all_proofs)
    assert not verify_proof(proof.content).conclusive


def test_broker_that_rolls_a_descriptor_back_in_one_view(wallet: Wallet, chain: Chain) -> None:
    with pytest.raises(SerialLower):
        check(wallet, chain[20], chain[40], chain)


def test_broker_that_lists_different_keys_to_different_people(wallet: Wallet, keys: Keys) -> None:
    chain = Chain(keys, 1, extensions={"tokens": entry(b"a")})
    other = keys.descriptor(
        "broker", [], serial=3, previous=b"p" * 32, extensions={"tokens": entry(b"b")}
    )
    with pytest.raises(ViewsForked, match="token keys"):
        check(wallet, other, chain[1], chain)
    (proof,) = wallet.database.run_now(all_proofs)
    assert "different token keys" in verify_proof(proof.content).finding


def test_restored_broker_goes_on_far_above(wallet: Wallet, keys: Keys) -> None:
    chain = Chain(keys, 3, extensions={"tokens": entry(b"a")})
    far = {"serial": 1_000_002, "previous": b"p" * 32}
    fine = keys.descriptor("broker", [], extensions={"tokens": entry(b"a")}, **far)
    check(wallet, fine, chain[3], chain)
    assert chain.asked == []
    wrong = keys.descriptor("broker", [], extensions={"tokens": entry(b"b")}, **far)
    with pytest.raises(ViewsForked):
        check(wallet, wrong, chain[3], chain)


def test_descriptor_that_lists_two_keys_for_one_price_and_epoch(wallet: Wallet, keys: Keys) -> None:
    shown = keys.descriptor("broker", [], extensions={"tokens": entry(b"a") + entry(b"b")})
    with pytest.raises(TokenKeysForked):
        asyncio.run(check_token_list(wallet, shown))
    (proof,) = wallet.database.run_now(all_proofs)
    found = verify_proof(proof.content)
    assert found.conclusive
    assert found.role == "broker"


def test_changed_proof_does_not_verify(wallet: Wallet, keys: Keys, chain: Chain) -> None:
    other = keys.descriptor("broker", [], serial=5, previous=chain[4].hash, name="Another")
    proof = descriptor_proof(other, chain[5])
    content = encode(proof)
    for position in (len(content) // 4, len(content) // 2, -1):
        changed = bytearray(content)
        changed[position] ^= 1
        with pytest.raises(ProofInvalid):
            verify_proof(bytes(changed))
    same = descriptor_proof(chain[5], chain[5])
    merchants = descriptor_proof(chain[5], Keys().descriptor("broker", []))
    for nothing in (same, merchants, descriptor_proof(other, None)):
        with pytest.raises(ProofInvalid):
            verify_proof(encode(nothing))
    assert decode(type(proof), content, len(content)) == proof


def test_a_proof_is_kept_once(wallet: Wallet, chain: Chain) -> None:
    proof = descriptor_proof(chain[5], chain[7])
    for later in (0, 5):
        wallet.database.run_now(keep_proof, b"p" * 32, proof, NOW + later)
    (kept,) = wallet.database.run_now(all_proofs)
    assert kept.made_at == NOW


def test_seen_papers_are_replaced(wallet: Wallet) -> None:
    for text in (b"one", b"two"):
        wallet.database.run_now(save_seen, "broker", b"f" * 32, Seen(text))
    assert wallet.database.run_now(seen, "broker", b"f" * 32) == Seen(b"two")
    assert wallet.database.run_now(seen, "merchant", b"f" * 32) is None


# ---- the list of token keys ----------------------------------------------------------------------


def test_listed_keys(keys: Keys) -> None:
    data = entry(b"a") + entry(b"b", price=900) + entry(b"c", epoch=701)
    shown = keys.descriptor("broker", [], extensions={"tokens": data})
    found = listed_keys(shown.descriptor)
    assert found == (
        ListedKey(700, 500, b"a" * 32),
        ListedKey(700, 900, b"b" * 32),
        ListedKey(701, 500, b"c" * 32),
    )
    day = 24 * 3600
    assert issuing_key(found, 500, 700 * 30 * day) == found[0]
    assert issuing_key(found, 500, 701 * 30 * day - 1) == found[0]
    assert issuing_key(found, 500, 701 * 30 * day) == found[2]
    assert issuing_key(found, 501, 700 * 30 * day) is None
    assert found[0].spend_until == (701 + 2) * 30 * day
    assert listed_keys(replace_extensions(shown, {})) == ()


def replace_extensions(shown: SignedDescriptor, extensions: dict[str, bytes]) -> Any:
    import msgspec

    return msgspec.structs.replace(shown.descriptor, extensions=extensions)


@pytest.mark.parametrize(
    "data",
    [
        entry(b"a")[:-1],
        entry(b"a", price=0),
        entry(b"a", epoch=2**60),
        entry(b"a", epoch=701) + entry(b"b"),
        entry(b"a") * 257,
    ],
    ids=["cut-short", "price-0", "epoch-too-far", "not-in-order", "too-many"],
)
def test_list_of_token_keys_that_is_malformed(keys: Keys, data: bytes) -> None:
    shown = keys.descriptor("broker", [])
    with pytest.raises(MalformedMessage):
        listed_keys(replace_extensions(shown, {"tokens": data}))
    assert replace(shown) == shown
