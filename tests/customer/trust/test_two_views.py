"""Two views of one broker: one chain, or proof (docs/protocol/11-tokens.md, 11.7)."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.cryptography import in_transactions
from tests.support.descriptor_chain import Chain, check
from tests.support.scripted_customer import NOW, Keys
from veilmart.customer.trust import two_views
from veilmart.customer.trust.anonymous_pins import Seen, save_seen, seen
from veilmart.customer.trust.proofs import (
    all_proofs,
    check_not_stopped,
    descriptor_proof,
    keep_proof,
    settle_proofs,
    verify_proof,
)
from veilmart.customer.trust.seen_descriptors import View, drop_old, keep_seen, newest_seen, seen_of
from veilmart.customer.trust.two_views import check_token_list, check_views
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    MalformedMessage,
    ProofInvalid,
    TokenKeysForked,
    UnsignedAnswer,
    ViewsForked,
)
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.encoding import decode, encode, le64
from veilmart.protocol.signed_chains import contradiction, epoch_start
from veilmart.protocol.token_list import ListedKey, issuing_key, listed_keys


def entry(key: bytes, price: int = 500, epoch: int = 700) -> bytes:
    return key * 32 + le64(price) + le64(epoch)


@pytest.fixture(scope="module")
def chain(keys: Keys) -> Chain:
    return Chain(keys, 40)


BEFORE = epoch_start(NOW) - 5


@pytest.mark.parametrize("other_view_saw", [None, 3, 20, 39])
def test_what_is_fetched_does_not_depend_on_what_the_other_view_saw(
    wallet: Wallet, keys: Keys, other_view_saw: int | None
) -> None:
    """A broker that signs anew after each visit reads nothing off how far somebody walks."""
    chain = Chain(keys, 40)
    if other_view_saw is not None:
        check(wallet, "account", chain[other_view_saw], chain)
        chain.asked.clear()
    check(wallet, "anonymous", chain[40], chain)
    assert chain.asked == list(range(39, 0, -1))
    chain.asked.clear()
    check(wallet, "anonymous", chain[40], chain)
    assert chain.asked == list(range(39, 0, -1)), "the next anonymous connection knows nothing"
    assert wallet.database.run_now(all_proofs) == []


def test_what_another_connection_was_shown_meanwhile_is_compared_too(
    wallet: Wallet, keys: Keys, chain: Chain
) -> None:
    other = Chain(keys, 40, name="Another")
    check(wallet, "account", chain[20], chain)
    with pytest.raises(ViewsForked):  # what was seen is read before anything was shown to anybody
        asyncio.run(check_views(wallet, "anonymous", other[40], other, []))
    (proof,) = wallet.database.run_now(all_proofs)
    assert verify_proof(proof.content).conclusive


def test_what_a_view_has_seen_is_neither_verified_nor_written_again(
    wallet: Wallet, keys: Keys
) -> None:
    chain = Chain(keys, 3)
    check(wallet, "anonymous", chain[3], chain)
    written = wallet.database.decisions
    with patch.object(two_views, "read_descriptor", wraps=read_descriptor) as read:
        check(wallet, "anonymous", chain[3], chain)
        assert (read.call_count, wallet.database.decisions) == (2, written)  # 2 and 1 came
        check(wallet, "account", chain[3], chain)
    assert wallet.database.decisions == written + 1


def test_no_signature_is_verified_in_a_transaction(wallet: Wallet, keys: Keys) -> None:
    chain = Chain(keys, 6)
    with in_transactions() as found:
        check(wallet, "account", chain[4], chain)
        check(wallet, "anonymous", chain[6], chain)
    assert found == set()


def test_the_chain_ends_with_the_one_that_was_valid_when_the_epoch_began(
    wallet: Wallet, keys: Keys
) -> None:
    chain = Chain(keys, 8, not_before=BEFORE - 100)
    for serial in range(9, 12):
        paper = keys.descriptor("broker", [], serial=serial, previous=chain[serial - 1].hash)
        chain.papers.append(paper)
    check(wallet, "anonymous", chain[11], chain)
    assert chain.asked == [10, 9, 8]


def test_broker_that_shows_one_serial_twice(wallet: Wallet, keys: Keys, chain: Chain) -> None:
    check(wallet, "account", chain[5], chain)
    other = Chain(keys, 0)
    other.papers = chain.papers[:4]
    other.papers.append(
        keys.descriptor("broker", [], serial=5, previous=chain[4].hash, name="Another")
    )
    with pytest.raises(ViewsForked):
        check(wallet, "anonymous", other[5], other)
    (proof,) = wallet.database.run_now(all_proofs)
    found = verify_proof(proof.content)
    assert found.conclusive
    assert "two descriptors 5" in found.finding
    with pytest.raises(ViewsForked):
        wallet.database.run_now(check_not_stopped, other[5].fingerprint)
    wallet.database.run_now(settle_proofs, other[5].fingerprint)
    wallet.database.run_now(check_not_stopped, other[5].fingerprint)


@pytest.mark.parametrize("first", ["account", "anonymous"])
def test_broker_whose_chain_forked_long_ago(
    wallet: Wallet, keys: Keys, chain: Chain, first: View
) -> None:
    other = Chain(keys, 40, name="Another")
    check(wallet, first, chain[20], chain)
    with pytest.raises(ViewsForked):
        check(wallet, "anonymous" if first == "account" else "account", other[40], other)
    (proof,) = wallet.database.run_now(all_proofs)
    assert verify_proof(proof.content).conclusive


@pytest.mark.parametrize("other_view_saw", [None, 20])
def test_a_chain_that_is_not_shown_stops_one_connection_and_proves_nothing(
    wallet: Wallet, chain: Chain, other_view_saw: int | None
) -> None:
    """An injected 404 is not signed by anybody."""
    if other_view_saw is not None:
        check(wallet, "account", chain[other_view_saw], chain)

    class Nothing(Chain):
        async def numbered(self, serial: int) -> bytes:
            raise UnsignedAnswer("HTTP status 404.")

    with pytest.raises(UnsignedAnswer):
        check(wallet, "anonymous", chain[40], Nothing(chain.keys, 0))
    assert wallet.database.run_now(all_proofs) == []
    wallet.database.run_now(check_not_stopped, chain[40].fingerprint)
    check(wallet, "anonymous", chain[40], chain)


def test_an_older_descriptor_of_the_same_chain_says_nothing_about_the_other_view(
    wallet: Wallet, chain: Chain
) -> None:
    """Refused, it would give a broker one bit a try about what the account has seen."""
    check(wallet, "account", chain[40], chain)
    check(wallet, "anonymous", chain[20], chain)
    assert wallet.database.run_now(all_proofs) == []


def test_broker_that_signs_more_descriptors_than_is_plausible(wallet: Wallet, keys: Keys) -> None:
    low = keys.descriptor("broker", [], serial=10, previous=b"p" * 32)
    high = keys.descriptor("broker", [], serial=10 + 257, previous=b"q" * 32)
    assert contradiction(high, low) == "There are 257 descriptors in too short a time."
    assert verify_proof(encode(descriptor_proof(high, low))).conclusive
    fine = keys.descriptor("broker", [], serial=10 + 256, previous=b"q" * 32)
    assert contradiction(fine, low) is None


def test_broker_that_lists_different_keys_to_different_people(wallet: Wallet, keys: Keys) -> None:
    chain = Chain(keys, 1, extensions={"tokens": entry(b"a")}, not_before=BEFORE)
    check(wallet, "account", chain[1], chain)
    other = Chain(keys, 3, extensions={"tokens": entry(b"b")}, not_before=BEFORE)
    with pytest.raises(ViewsForked, match="token keys"):
        check(wallet, "anonymous", other[3], other)
    (proof,) = wallet.database.run_now(all_proofs)
    assert "different token keys" in verify_proof(proof.content).finding


def test_restored_broker_goes_on_far_above_and_says_what_it_follows(
    wallet: Wallet, keys: Keys
) -> None:
    tokens = {"tokens": entry(b"a")}
    chain = Chain(keys, 3, extensions=tokens)
    far = {"serial": 1_000_002, "previous": chain[2].hash}
    said = {"follows": b"2"}
    check(wallet, "account", chain[3], chain)
    chain.asked.clear()
    fine = keys.descriptor("broker", [], extensions=tokens | said, **far)
    check(wallet, "anonymous", fine, chain)
    assert chain.asked == [2, 1]
    wrong = keys.descriptor("broker", [], extensions={"tokens": entry(b"b")} | said, **far)
    with pytest.raises(ViewsForked):
        check(wallet, "account", wrong, chain)
    for nonsense in (b"", b"x", b"0", b"1000002", b"-1", b"9" * 17):
        with pytest.raises(MalformedMessage):
            shown = keys.descriptor("broker", [], extensions={"follows": nonsense}, **far)
            check(wallet, "anonymous", shown, chain)


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


def test_seen_catalogues_are_replaced(wallet: Wallet) -> None:
    for text in (b"one", b"two"):
        wallet.database.run_now(save_seen, "catalogue", b"f" * 32, Seen(text))
    assert wallet.database.run_now(seen, "catalogue", b"f" * 32) == Seen(b"two")


def test_old_descriptors_are_dropped_but_the_newest_of_each_view(
    wallet: Wallet, keys: Keys
) -> None:
    chain = Chain(keys, 5, not_before=BEFORE)
    shown: dict[View, list[SignedDescriptor]] = {
        "account": chain.papers[:2],
        "anonymous": chain.papers[1:],
    }
    for view, papers in shown.items():
        wallet.database.run_now(keep_seen, view, papers)
    wallet.database.run_now(drop_old, chain[1].fingerprint, BEFORE + 1)
    left = wallet.database.run_now(seen_of, chain[1].fingerprint)
    assert sorted({one.serial for one in left}) == [2, 5]
    for view, papers in shown.items():
        newest = wallet.database.run_now(newest_seen, view, chain[1].fingerprint)
        assert newest == papers[-1].signed


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
