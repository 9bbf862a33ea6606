"""The two cipher suites (protocol section 2), by number and by name."""

from dataclasses import dataclass
from functools import cache

from veilmart.crypto.cipher import Cipher
from veilmart.crypto.diffie_hellman import FFDHE3072, X25519, DiffieHellman
from veilmart.crypto.hash_functions import Blake3, HashFunction, Sha256
from veilmart.crypto.kem import MLKEM768, Kem
from veilmart.crypto.keyed_hash import KeyedHashCipher
from veilmart.crypto.mixing import MixingCipher
from veilmart.crypto.noise import NoiseProtocol
from veilmart.crypto.symmetric_state import SuiteNoiseCipher
from veilmart.errors import UnknownSuite


@dataclass(frozen=True)
class Suite:
    """Every algorithm of a session and of what is delivered in it. `id` is the number sent."""

    id: int
    name: str
    dh: DiffieHellman
    kem: Kem | None
    cipher: Cipher
    hash_function: HashFunction
    noise_protocol: NoiseProtocol

    def hash(self, data: bytes) -> bytes:
        """32 bytes."""
        return self.hash_function.hash(data)

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """32 bytes."""
        return self.hash_function.hmac(key, data)

    @property
    def group_name(self) -> str:
        """The key agreement as people write it."""
        return "ffdhe3072" if self.kem is None else "X25519+ML-KEM-768"

    def pattern(self, base_pattern: str) -> str:
        """ "NK" → "NKhfs" where the suite has a KEM."""
        return base_pattern if self.kem is None else base_pattern + "hfs"


def all_suites() -> tuple[Suite, ...]:
    """The default first."""
    return _suites()


def suite_by_id(suite_id: int) -> Suite:
    """Raises UnknownSuite."""
    for suite in _suites():
        if suite.id == suite_id:
            return suite
    raise UnknownSuite(f"Suite number {suite_id} is not known.")


def suite_by_name(name: str) -> Suite:
    """Raises UnknownSuite, which lists the names there are."""
    for suite in _suites():
        if suite.name == name:
            return suite
    raise UnknownSuite("Known are " + ", ".join(suite.name for suite in _suites()) + ".")


@cache
def _suites() -> tuple[Suite, ...]:
    return (
        _suite(1, "X25519MLKEM768-KHAE-BLAKE3", X25519(), MLKEM768(), KeyedHashCipher(), Blake3()),
        _suite(2, "FFDHE3072-MIX-SHA256", FFDHE3072(), None, MixingCipher(), Sha256()),
    )


def _suite(
    suite_id: int,
    name: str,
    dh: DiffieHellman,
    kem: Kem | None,
    cipher: Cipher,
    hash_function: HashFunction,
) -> Suite:
    protocol = NoiseProtocol(dh, kem, SuiteNoiseCipher(cipher), hash_function)
    return Suite(suite_id, name, dh, kem, cipher, hash_function, protocol)
