"""EMSA-PSS of RFC 8017 section 9.1.1 with SHA-384 and MGF1-SHA-384.

Written here because the libraries encode and sign in one step, and a blinded message has to be
multiplied in between.
"""

from hashlib import sha384

from veilmart.errors import Misuse

HASH_BYTES = 48
_TRAILER = b"\xbc"


def encode_pss(message: bytes, salt: bytes, bits: int) -> bytes:
    """EM of ceil(bits / 8) bytes, a number below 2^bits; bits is one less than the modulus has.

    Raises Misuse where the salt does not fit.
    """
    length = (bits + 7) // 8
    room = length - HASH_BYTES - 2 - len(salt)
    if room < 0:
        raise Misuse("The salt does not fit into the encoded message.")
    digest = sha384(bytes(8) + sha384(message).digest() + salt).digest()
    block = bytes(room) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, _mgf1(digest, len(block)), strict=True))
    masked[0] &= 0xFF >> (8 * length - bits)
    return bytes(masked) + digest + _TRAILER


def _mgf1(seed: bytes, length: int) -> bytes:
    """RFC 8017 appendix B.2.1."""
    count = -(-length // HASH_BYTES)
    blocks = (sha384(seed + number.to_bytes(4, "big")).digest() for number in range(count))
    return b"".join(blocks)[:length]
