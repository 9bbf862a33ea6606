"""The wallet's words and the file that holds them: tried, sealed, damaged, mistyped."""

import hashlib
from pathlib import Path

import pytest

from tests.support.scripted_customer import NOW, counting_random
from veilmart.crypto.mnemonic import words_from_entropy
from veilmart.customer.wallet.seed import (
    create_seed,
    draw_words,
    is_protected,
    restore_seed,
    seed_words,
    unlock,
)
from veilmart.customer.wallet.seed_file import (
    SALT_BYTES,
    SUM_BYTES,
    Cost,
    SealedSeed,
    open_entropy,
    read_sealed,
    seal_entropy,
)
from veilmart.customer.wallet.seed_state import (
    CURRENT,
    REPLACED,
    note_restored,
    seeded,
    set_state,
    take_order_number,
)
from veilmart.customer.wallet.wallet import SEED_FILE, Wallet, open_wallet
from veilmart.errors import (
    AlreadyInitialised,
    NoSeed,
    NotRestoredHere,
    SeedDamaged,
    SeedDiffers,
    WalletReplaced,
    WordCountWrong,
    WordsMistyped,
    WordUnknown,
    WrongPassphrase,
)
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.wallet_derivations import wallet_seed

CHEAP = Cost(memory_kib=8, passes=1, lanes=1)
RANDOM = counting_random(b"seed file")
BROKER = b"b" * 32


@pytest.mark.parametrize("count", [12, 24])
def test_words_give_the_same_wallet_again(wallet: Wallet, tmp_path: Path, count: int) -> None:
    words = draw_words(wallet, count)
    assert len(words.split()) == count
    made = create_seed(wallet, words, "a passphrase")
    assert made.seed == unlock(wallet, "a passphrase").seed
    assert seed_words(wallet, "a passphrase") == words
    assert is_protected(wallet)
    fresh = open_wallet(tmp_path / "other", lambda: NOW, counting_random(b"other"))
    assert restore_seed(fresh, words.upper(), "").seed == made.seed
    assert not is_protected(fresh)
    fresh.close()


def test_seed_is_nowhere_in_clear(wallet: Wallet) -> None:
    made = create_seed(wallet, draw_words(wallet, 12), "a passphrase")
    assert made.seed is not None
    content = b"".join(file.read_bytes() for file in wallet.home.path.iterdir() if file.is_file())
    assert made.seed not in content
    assert wallet.home.file(SEED_FILE).stat().st_mode & 0o777 == 0o600
    assert made.seed.hex() not in repr(made) and repr(made.seed) not in repr(made)


def test_wrong_passphrase(wallet: Wallet) -> None:
    create_seed(wallet, draw_words(wallet, 12), "a passphrase")
    for wrong in ("", "another", "a passphrase "):
        with pytest.raises(WrongPassphrase):
            unlock(wallet, wrong)


def test_a_wallet_keeps_its_words(wallet: Wallet) -> None:
    create_seed(wallet, draw_words(wallet, 12), "")
    with pytest.raises(AlreadyInitialised):
        create_seed(wallet, draw_words(wallet, 12), "")
    with pytest.raises(SeedDiffers):
        restore_seed(wallet, draw_words(wallet, 12), "")


def test_no_words_yet(wallet: Wallet) -> None:
    with pytest.raises(NoSeed):
        unlock(wallet, "")
    with pytest.raises(NoSeed):
        wallet.database.run_now(take_order_number, BROKER)


@pytest.mark.parametrize("words", ["", "zoo", " ".join(["zoo"] * 11), " ".join(["zoo"] * 13)])
def test_words_of_another_count(wallet: Wallet, words: str) -> None:
    with pytest.raises(WordCountWrong):
        restore_seed(wallet, words, "")


def test_word_that_is_not_on_the_list(wallet: Wallet) -> None:
    words = words_from_entropy(bytes(16)).split()
    words[3] = "veilmart"
    with pytest.raises(WordUnknown) as refused:
        restore_seed(wallet, " ".join(words), "")
    assert "4" in refused.value.detail and "veilmart" not in refused.value.explain()


def test_words_with_a_wrong_checksum(wallet: Wallet) -> None:
    words = words_from_entropy(bytes(16)).split()
    words[0], words[-1] = words[-1], words[0]
    with pytest.raises(WordsMistyped):
        restore_seed(wallet, " ".join(words), "")
    assert not wallet.home.has(SEED_FILE)


# ---- the file ------------------------------------------------------------------------------------


def test_every_damaged_byte_is_noticed() -> None:
    content = seal_entropy(bytes(16), "p", RANDOM, CHEAP)
    assert open_entropy(read_sealed(content), "p") == bytes(16)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        with pytest.raises(SeedDamaged):
            read_sealed(bytes(damaged))
    for length in (0, 1, SUM_BYTES, len(content) - 1):
        with pytest.raises(SeedDamaged):
            read_sealed(content[:length])


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 2**31},
        {"memory_kib": 7},
        {"passes": 0},
        {"passes": 17},
        {"lanes": 17},
        {"version": 2},
        {"salt": bytes(SALT_BYTES - 1)},
        {"sealed": bytes(47)},
        {"sealed": bytes(65)},
    ],
    ids=str,
)
def test_parameters_out_of_bounds_cost_nothing(change: dict[str, object]) -> None:
    content = seal_entropy(bytes(16), "p", RANDOM, CHEAP)
    body = decode(dict, content[SUM_BYTES:], 1024) | change
    changed = encode(body)
    with pytest.raises(SeedDamaged):
        read_sealed(hashlib.sha256(changed).digest() + changed)


def test_parameters_are_bound_to_what_they_seal() -> None:
    content = seal_entropy(bytes(16), "p", RANDOM, CHEAP)
    file = read_sealed(content)
    assert isinstance(file, SealedSeed)
    for change in ({"protected": False}, {"passes": 2}, {"salt": bytes(16)}):
        body = encode(decode(dict, content[SUM_BYTES:], 1024) | change)
        with pytest.raises(WrongPassphrase):
            open_entropy(read_sealed(hashlib.sha256(body).digest() + body), "p")


# ---- the state -----------------------------------------------------------------------------------


def test_no_order_key_is_drawn_twice_or_by_a_wallet_that_was_replaced(wallet: Wallet) -> None:
    made = create_seed(wallet, draw_words(wallet, 12), "")
    assert made.seed == wallet_seed_of(wallet)
    assert [wallet.database.run_now(take_order_number, BROKER) for _ in range(3)] == [0, 1, 2]
    wallet.database.run_now(set_state, REPLACED)
    with pytest.raises(WalletReplaced):
        wallet.database.run_now(take_order_number, BROKER)
    before = wallet.database.run_now(seeded)
    restore_seed(wallet, seed_words(wallet, ""), "")
    after = wallet.database.run_now(seeded)
    assert before is not None and after is not None
    assert (after.next_order, after.wallet == before.wallet) == (3, False)


def wallet_seed_of(wallet: Wallet) -> bytes:
    from veilmart.crypto.mnemonic import entropy_from_words

    return wallet_seed(entropy_from_words(seed_words(wallet, "")))


def test_words_are_used_at_a_second_broker_only_after_its_list_was_read(wallet: Wallet) -> None:
    """Else an order key that this broker has seen before would come again."""
    create_seed(wallet, draw_words(wallet, 12), "")
    restore_seed(wallet, seed_words(wallet, ""), "")
    wallet.database.run_now(note_restored, BROKER)
    wallet.database.run_now(set_state, CURRENT)
    assert wallet.database.run_now(take_order_number, BROKER) == 0
    with pytest.raises(NotRestoredHere):
        wallet.database.run_now(take_order_number, b"c" * 32)
    wallet.database.run_now(note_restored, b"c" * 32)
    assert wallet.database.run_now(take_order_number, b"c" * 32) == 1
