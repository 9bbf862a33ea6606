"""Key encapsulation: ML-KEM-768 (FIPS 203), for the `hfs` part of the handshake."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from veilmart.crypto.key_pair import KeyPair, RandomSource
from veilmart.errors import BadPublicValue, Misuse

SEED_BYTES = 64


class Kem(Protocol):
    """A key encapsulation over byte strings of fixed length."""

    @property
    def name(self) -> str:
        """As it stands in a Noise protocol name."""
        ...

    @property
    def public_bytes(self) -> int:
        """Length of an encapsulation key."""
        ...

    @property
    def ciphertext_bytes(self) -> int:
        """Length of a ciphertext."""
        ...

    def generate(self, random: RandomSource) -> KeyPair:
        """A fresh key pair."""
        ...

    def encapsulate(self, public: bytes, random: RandomSource) -> tuple[bytes, bytes]:
        """(ciphertext, shared secret). Raises BadPublicValue for a malformed key."""
        ...

    def decapsulate(self, pair: KeyPair, ciphertext: bytes) -> bytes:
        """The shared secret. Raises BadPublicValue for a malformed ciphertext."""
        ...


class MLKEM768:
    """ML-KEM-768: public key 1184 bytes, ciphertext 1088, shared secret 32, private seed 64.

    A ciphertext of the right length that was changed decapsulates to another secret and raises
    nothing (implicit rejection, FIPS 203 section 6.3); the handshake's next tag then fails.
    """

    name = "MLKEM768"
    public_bytes = 1184
    ciphertext_bytes = 1088

    def generate(self, random: RandomSource) -> KeyPair:
        """Private half: the 64 random bytes d ‖ z that FIPS 203 expands."""
        seed = random(SEED_BYTES)
        if len(seed) != SEED_BYTES:
            raise Misuse("An ML-KEM seed has 64 bytes.")
        key = MLKEM768PrivateKey.from_seed_bytes(seed)
        return KeyPair(seed, key.public_key().public_bytes_raw(), key)

    def encapsulate(self, public: bytes, random: RandomSource) -> tuple[bytes, bytes]:
        """(1088, 32) bytes. Raises BadPublicValue on a wrong length or a coefficient >= q.

        `random` is not used: the library draws encapsulation randomness itself and takes none
        from outside. It is the one value in a handshake that a seeded run does not repeat.
        """
        if len(public) != self.public_bytes:
            raise BadPublicValue("An ML-KEM-768 key has 1184 bytes.")
        try:
            key = MLKEM768PublicKey.from_public_bytes(public)
        except ValueError:
            raise BadPublicValue("An ML-KEM-768 key is malformed.") from None
        shared, ciphertext = key.encapsulate()
        return ciphertext, shared

    def decapsulate(self, pair: KeyPair, ciphertext: bytes) -> bytes:
        """32 bytes. Raises BadPublicValue on a wrong length."""
        key = pair.parsed
        if not isinstance(key, MLKEM768PrivateKey):
            if len(pair.private) != SEED_BYTES:
                raise Misuse("An ML-KEM seed has 64 bytes.")
            key = MLKEM768PrivateKey.from_seed_bytes(pair.private)
        if len(ciphertext) != self.ciphertext_bytes:
            raise BadPublicValue("An ML-KEM-768 ciphertext has 1088 bytes.")
        return key.decapsulate(ciphertext)
