"""Use cases: making, unlocking and replacing a wallet's seed, without questions to the person."""

from dataclasses import replace

from veilmart.crypto.mnemonic import entropy_from_words, words_from_entropy
from veilmart.customer.wallet.seed_file import open_entropy, read_sealed, seal_entropy
from veilmart.customer.wallet.seed_state import (
    CURRENT,
    RESTORING,
    SeededWallet,
    save_seeded,
    seeded,
)
from veilmart.customer.wallet.wallet import SEED_FILE, Wallet
from veilmart.errors import AlreadyInitialised, Misuse, NoSeed, SeedDiffers
from veilmart.protocol.wallet_derivations import wallet_seed

WALLET_ID_BYTES = 16
ENTROPY_BYTES = {12: 16, 24: 32}
DAY_SECONDS = 24 * 3600


def has_seed(wallet: Wallet) -> bool:
    return wallet.home.has(SEED_FILE)


def is_protected(wallet: Wallet) -> bool:
    """Whether a passphrase is needed. Raises NoSeed, SeedDamaged."""
    if not has_seed(wallet):
        raise NoSeed
    return read_sealed(wallet.home.read(SEED_FILE)).protected


def unlock(wallet: Wallet, passphrase: str) -> Wallet:
    """The wallet with its seed. Raises NoSeed, WrongPassphrase, SeedDamaged."""
    return replace(wallet, seed=wallet_seed(_entropy(wallet, passphrase)))


def seed_words(wallet: Wallet, passphrase: str) -> str:
    """Raises as `unlock`."""
    return words_from_entropy(_entropy(wallet, passphrase))


def draw_words(wallet: Wallet, count: int) -> str:
    """12 or 24 fresh words, from which the same seed was made again."""
    entropy = wallet.random(ENTROPY_BYTES[count])
    words = words_from_entropy(entropy)
    if entropy_from_words(words) != entropy:
        raise Misuse("Words do not give back what they were made from.")
    return words


def create_seed(wallet: Wallet, words: str, passphrase: str) -> Wallet:
    """Give a wallet a seed; it is read back from the file before anything relies on it.

    Raises AlreadyInitialised; WordCountWrong, WordUnknown, WordsMistyped.
    """
    if has_seed(wallet):
        raise AlreadyInitialised("This wallet has its words already.")
    return _take_seed(wallet, entropy_from_words(words), passphrase, CURRENT)


def restore_seed(wallet: Wallet, words: str, passphrase: str) -> Wallet:
    """The seed of words that were written down, under a new wallet id, to be filled by `recover`.

    A wallet that has a seed takes only its own words. Raises SeedDiffers and as `create_seed`.
    """
    entropy = entropy_from_words(words)
    if has_seed(wallet) and _entropy(wallet, passphrase) != entropy:
        raise SeedDiffers
    return _take_seed(wallet, entropy, passphrase, RESTORING)


def _take_seed(wallet: Wallet, entropy: bytes, passphrase: str, state: str) -> Wallet:
    wallet.home.write_secret(SEED_FILE, seal_entropy(entropy, passphrase, wallet.random))
    if _entropy(wallet, passphrase) != entropy:
        raise Misuse("The seed file does not give back what was put into it.")
    known = wallet.database.run_now(seeded)
    fresh = SeededWallet(
        wallet=wallet.random(WALLET_ID_BYTES),
        state=state,
        next_order=0 if known is None else known.next_order,
        refill_second=int.from_bytes(wallet.random(8), "big") % DAY_SECONDS,
    )
    wallet.database.run_now(save_seeded, fresh)
    return replace(wallet, seed=wallet_seed(entropy))


def _entropy(wallet: Wallet, passphrase: str) -> bytes:
    if not has_seed(wallet):
        raise NoSeed
    return open_entropy(read_sealed(wallet.home.read(SEED_FILE)), passphrase)
