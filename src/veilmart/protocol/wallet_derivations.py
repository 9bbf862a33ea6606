"""What a wallet derives from its seed of 32 bytes (docs/protocol/11-tokens.md).

The seed and public values (token keys, counters, order keys) give everything again, so a wallet is
restored from its seed alone. Numbers are LE64.
"""

from veilmart.crypto.blind_rsa import SALT_BYTES, choose_blinding
from veilmart.crypto.key_derivation import derive
from veilmart.crypto.token_key import MODULUS_BYTES, TokenPublicKey
from veilmart.protocol import labels
from veilmart.protocol.encoding import le64
from veilmart.protocol.token import TokenSecrets

SEED_BYTES = 32
REQUEST_ID_BYTES = 16


def wallet_seed(entropy: bytes) -> bytes:
    """32 bytes from what the words say, 16 or 32 bytes; its length is a part of its own.

    Not stretched as BIP-39 does for its wallets: the words are drawn by the program, never chosen
    by a person, so there is nothing to guess.
    """
    return derive(entropy, labels.WALLET_SEED, le64(len(entropy)))


def account_seed(seed: bytes, account: str) -> bytes:
    """32 bytes, from which the tokens of one account come.

    Each account counts its tokens for itself: from one seed two accounts would get one nonce.
    """
    return derive(seed, labels.ACCOUNT_SEED, account.encode())


def token_secrets(of_account: bytes, key: TokenPublicKey, counter: int) -> TokenSecrets:
    """The secrets of the token with this counter under this key, from the account's seed."""
    names = (labels.TOKEN_NONCE, labels.TOKEN_SALT, labels.TOKEN_BLINDING)
    return _secrets(of_account, key, names, le64(counter))


def refund_secrets(seed: bytes, key: TokenPublicKey, order_key: bytes) -> TokenSecrets:
    """The secrets of the token that refunds the order of this order key (public half, 32)."""
    names = (labels.REFUND_NONCE, labels.REFUND_SALT, labels.REFUND_BLINDING)
    return _secrets(seed, key, names, order_key)


def order_seed(seed: bytes, number: int) -> bytes:
    """32 bytes: the Ed25519 seed of the wallet's order number 0, 1, ..."""
    return derive(seed, labels.ORDER_SEED, le64(number))


def issue_request_id(seed: bytes, account: str, key_id: bytes, first: int, count: int) -> bytes:
    """16 bytes: names the withdrawal of the tokens first ... first + count - 1 by this account."""
    parts = (account.encode(), key_id, le64(first), le64(count))
    return derive(seed, labels.TOKEN_REQUEST, *parts)[:REQUEST_ID_BYTES]


def _secrets(
    seed: bytes, key: TokenPublicKey, names: tuple[str, str, str], part: bytes
) -> TokenSecrets:
    nonce, salt, blinding = names

    def candidate(number: int) -> bytes:
        return derive(seed, blinding, key.key_id, part, le64(number), length=MODULUS_BYTES)

    return TokenSecrets(
        nonce=derive(seed, nonce, key.key_id, part),
        salt=derive(seed, salt, key.key_id, part, length=SALT_BYTES),
        blinding=choose_blinding(key.numbers, candidate),
    )
