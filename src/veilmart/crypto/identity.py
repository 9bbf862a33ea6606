"""RSA-3072 identities of merchant and broker: signatures, fingerprints (protocol 1.4, 3.1).

Signatures are RSASSA-PSS with SHA-256, MGF1-SHA-256 and 32 bytes of salt (RFC 8017 section 8.1)
over label ‖ NUL ‖ data: 384 bytes. Keys and salts draw their randomness from the operating system
inside the library, which takes none from outside.
"""

from base64 import b32decode, b32encode
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from veilmart.crypto.rsa_modulus import modulus_fault
from veilmart.errors import BadLink, Misuse, SignatureInvalid, StoreDamaged

IdentityKey = rsa.RSAPrivateKey

KEY_BITS = 3072
PUBLIC_EXPONENT = 65537
SIGNATURE_BYTES = 384
FINGERPRINT_BYTES = 32
_SALT_BYTES = 32
_SPKI_MAX_BYTES = 1024
_FINGERPRINT_CHARACTERS = 52
_GROUP_CHARACTERS = 4


def generate_identity() -> IdentityKey:
    """A fresh RSA-3072 key, e = 65537. The library draws its own randomness."""
    return rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS)


def identity_to_pem(key: IdentityKey) -> bytes:
    """PKCS #8, PEM, not encrypted: the file's permissions and the disk protect it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def identity_from_pem(pem: bytes) -> IdentityKey:
    """Raises StoreDamaged unless it is an RSA-3072 private key with e = 65537."""
    try:
        # Testing two 1536-bit primes takes 0.13 s at every start; the file is our own.
        key = serialization.load_pem_private_key(
            pem, password=None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StoreDamaged("The identity key cannot be read.") from None
    if not isinstance(key, rsa.RSAPrivateKey) or not _has_our_form(key.public_key()):
        raise StoreDamaged("The identity key is not an RSA-3072 key.")
    return key


def public_spki(key: IdentityKey) -> bytes:
    """SubjectPublicKeyInfo, DER, 422 bytes."""
    return _to_spki(key.public_key())


def sign_pss(key: IdentityKey, label: str, data: bytes) -> bytes:
    """384 bytes; differs each time, for the salt is random."""
    return key.sign(_labelled(label, data), _pss(), hashes.SHA256())


def verify_pss(spki: bytes, label: str, data: bytes, signature: bytes) -> None:
    """Raises SignatureInvalid for a wrong signature and for a key that page 1.4 refuses."""
    message = _labelled(label, data)
    try:
        _public_key(spki).verify(signature, message, _pss(), hashes.SHA256())
    except InvalidSignature:
        raise SignatureInvalid() from None


def fingerprint(spki: bytes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo, 32 bytes."""
    return sha256(spki).digest()


def format_fingerprint(digest: bytes) -> str:
    """13 groups of 4 characters, base32 (RFC 4648) in lower case, joined by dashes."""
    if len(digest) != FINGERPRINT_BYTES:
        raise Misuse("A fingerprint has 32 bytes.")
    text = b32encode(digest).decode().rstrip("=").lower()
    starts = range(0, _FINGERPRINT_CHARACTERS, _GROUP_CHARACTERS)
    return "-".join(text[start : start + _GROUP_CHARACTERS] for start in starts)


def parse_fingerprint(text: str) -> bytes:
    """32 bytes; tolerates case, white space and dashes. Raises BadLink for anything else."""
    compact = "".join(text.replace("-", " ").split()).upper()
    if len(compact) != _FINGERPRINT_CHARACTERS or not compact.isascii():
        raise BadLink("A fingerprint has 13 groups of 4 letters and digits.")
    try:
        digest = b32decode(compact + "====")
    except ValueError:
        raise BadLink("A fingerprint has the letters a to z and the digits 2 to 7.") from None
    # 52 characters carry 260 bits; the last 4 must be zero, or one key would have many spellings.
    if compact[-1] not in "AQ":
        raise BadLink("A fingerprint's last character is mistyped.")
    return digest


def _labelled(label: str, data: bytes) -> bytes:
    if not label or "\0" in label:
        raise Misuse("A signature's label is not empty and holds no NUL.")
    return label.encode() + b"\0" + data


def _pss() -> padding.PSS:
    return padding.PSS(padding.MGF1(hashes.SHA256()), _SALT_BYTES)


def _has_our_form(key: rsa.RSAPublicKey) -> bool:
    return key.key_size == KEY_BITS and key.public_numbers().e == PUBLIC_EXPONENT


def _to_spki(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@lru_cache(maxsize=256)
def _public_key(spki: bytes) -> rsa.RSAPublicKey:
    """Only the one DER form of an RSA-3072 key, so that a key has exactly one fingerprint."""
    if len(spki) > _SPKI_MAX_BYTES:
        raise SignatureInvalid("The identity key is too long.")
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureInvalid("The identity key cannot be read.") from None
    if not isinstance(key, rsa.RSAPublicKey) or not _has_our_form(key) or _to_spki(key) != spki:
        raise SignatureInvalid("The identity key is not an RSA-3072 key.")
    fault = modulus_fault(key.public_numbers().n, KEY_BITS)
    if fault:
        raise SignatureInvalid(f"The identity key cannot be one. {fault}")
    return key
