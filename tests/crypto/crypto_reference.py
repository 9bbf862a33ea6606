"""The ciphers and the NKhfs handshake once more, in as few lines as possible, from the design.

Independent of veilmart: nothing is imported from it. Slow on purpose (byte by byte where it helps
reading). Known answers are made with this, not with the code under test.
"""

import hashlib
import hmac
import struct

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

CHUNK = 65536


def q(number: int) -> bytes:
    return struct.pack("<Q", number)


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def chunks_of(plaintext: bytes) -> list[tuple[int, int, bytes]]:
    count = len(plaintext) // CHUNK + 1
    return [(i, int(i == count - 1), plaintext[i * CHUNK : (i + 1) * CHUNK]) for i in range(count)]


# ---- KHAE ------------------------------------------------------------------------------------


def khae_chunk(ck: bytes, i: int, final: int, p: bytes) -> bytes:
    both = blake3(q(i) + bytes([final]), key=ck).digest(64)
    t = blake3(p, key=both[:32]).digest(32)
    return xor(p, blake3(t, key=both[32:]).digest(len(p))) + t


def khae_short(key: bytes, use: str, n: bytes, ad: bytes, p: bytes) -> bytes:
    mk = blake3(key, derive_key_context="veilmart 2026 KHAE short " + use).digest()
    return khae_chunk(blake3(n + q(len(ad)) + ad, key=mk).digest(), 0, 1, p)


def khae_keys(key: bytes, use: str, n: bytes, ad: bytes) -> tuple[bytes, bytes, bytes]:
    """(header, ck, com)."""
    mk = blake3(key, derive_key_context="veilmart 2026 KHAE " + use).digest()
    header = b"KHAE\x01\x01\x10"
    both = blake3(header + n + q(len(ad)) + ad, key=mk).digest(64)
    return header, both[:32], both[32:]


def khae_object(key: bytes, use: str, n: bytes, ad: bytes, p: bytes) -> bytes:
    header, ck, com = khae_keys(key, use, n, ad)
    return header + n + com + b"".join(khae_chunk(ck, *chunk) for chunk in chunks_of(p))


# ---- MIX-SHA256 ------------------------------------------------------------------------------


def mix_chunk(
    key: bytes, use: str, n: bytes, header: bytes, ad: bytes, i: int, final: int, p: bytes
) -> bytes:
    label = b"veilmart 2026 MIX " + use.encode() + b"\0"
    k = hmac.new(key, label + n + q(i) + bytes([final]) + q(len(ad)) + q(len(p)), "sha256").digest()
    c, feedback = b"", bytes(32)
    for start in range(0, len(p), 32):
        block = p[start : start + 32]
        b = hashlib.sha256(k + feedback).digest()
        feedback = xor(block, b[: len(block)])
        c += feedback
    k_int = ((int.from_bytes(k, "big") + 1) % 2**256).to_bytes(32, "big")
    return c + hashlib.sha256(header + q(len(ad)) + ad + q(len(c)) + c + k_int).digest()


def mix_short(key: bytes, use: str, n: bytes, ad: bytes, p: bytes) -> bytes:
    return mix_chunk(key, use, n, b"", ad, 0, 1, p)


def mix_object(key: bytes, use: str, n: bytes, ad: bytes, p: bytes) -> bytes:
    header = b"MIXS\x01\x02\x10"
    label = b"veilmart 2026 MIX commitment " + use.encode() + b"\0"
    com = hmac.new(key, label + header + n + q(len(ad)) + ad, "sha256").digest()
    body = [mix_chunk(key, use, n, header, ad, i, final, part) for i, final, part in chunks_of(p)]
    return header + n + com + b"".join(body)


# ---- the whole NKhfs handshake over 25519+MLKEM768, KHAE, BLAKE3 -------------------------------


def h(data: bytes) -> bytes:
    return blake3(data).digest()


def hmac_blake3(key: bytes, data: bytes) -> bytes:
    key = key + bytes(64 - len(key))
    return h(xor(key, b"\x5c" * 64) + h(xor(key, b"\x36" * 64) + data))


def hkdf(ck: bytes, material: bytes) -> tuple[bytes, bytes, bytes]:
    t = hmac_blake3(ck, material)
    one = hmac_blake3(t, b"\x01")
    two = hmac_blake3(t, one + b"\x02")
    return one, two, hmac_blake3(t, two + b"\x03")


def dh(private: bytes, public: bytes) -> bytes:
    own = X25519PrivateKey.from_private_bytes(private)
    return own.exchange(X25519PublicKey.from_public_bytes(public))


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal_n(key: bytes, n: int, ad: bytes, p: bytes) -> bytes:
    return khae_short(key, "handshake", q(n) + bytes(16), ad, p)


def open_n(key: bytes, n: int, ad: bytes, sealed: bytes) -> bytes:
    """By trial of the keystream: T is at the end, P = C XOR BLAKE3(sk; T), then sealed again."""
    mk = blake3(key, derive_key_context="veilmart 2026 KHAE short handshake").digest()
    ck = blake3(q(n) + bytes(16) + q(len(ad)) + ad, key=mk).digest()
    sk = blake3(q(0) + b"\x01", key=ck).digest(64)[32:]
    c, t = sealed[:-32], sealed[-32:]
    p = xor(c, blake3(t, key=sk).digest(len(c)))
    assert seal_n(key, n, ad, p) == sealed
    return p


def nkhfs_start(prologue: bytes, rs: bytes) -> tuple[bytes, bytes]:
    """(ck, h) before the first message."""
    ck = h(b"Noise_NKhfs_25519+MLKEM768_KHAE_BLAKE3")
    return ck, h(h(ck + prologue) + rs)


def nkhfs_initiator_message1(
    prologue: bytes, rs: bytes, e: bytes, kem_seed: bytes, payload: bytes
) -> tuple[bytes, bytes, bytes]:
    """(message, ck, h)."""
    ck, hh = nkhfs_start(prologue, rs)
    hh = h(hh + public(e))
    ck, k, _ = hkdf(ck, dh(e, rs))
    kem = MLKEM768PrivateKey.from_seed_bytes(kem_seed).public_key().public_bytes_raw()
    c1 = seal_n(k, 0, hh, kem)
    hh = h(hh + c1)
    c2 = seal_n(k, 1, hh, payload)
    return public(e) + c1 + c2, ck, h(hh + c2)


def nkhfs_initiator_finish(
    ck: bytes, hh: bytes, e: bytes, kem_seed: bytes, message: bytes
) -> tuple[bytes, bytes, tuple[bytes, bytes, bytes]]:
    """(payload, handshake hash, three keys)."""
    re, c1, c2 = message[:32], message[32:1152], message[1152:]
    hh = h(hh + re)
    ck, k, _ = hkdf(ck, dh(e, re))
    kem_ct = open_n(k, 0, hh, c1)
    hh = h(hh + c1)
    ck, k, _ = hkdf(ck, MLKEM768PrivateKey.from_seed_bytes(kem_seed).decapsulate(kem_ct))
    payload = open_n(k, 0, hh, c2)
    return payload, h(hh + c2), hkdf(ck, b"")


def nkhfs_responder(
    prologue: bytes, s: bytes, e: bytes, message: bytes, payload: bytes
) -> tuple[bytes, bytes, bytes, tuple[bytes, bytes, bytes]]:
    """(payload of message 1, message 2, handshake hash, three keys)."""
    ck, hh = nkhfs_start(prologue, public(s))
    re, c1, c2 = message[:32], message[32:1248], message[1248:]
    hh = h(hh + re)
    ck, k, _ = hkdf(ck, dh(s, re))
    kem = open_n(k, 0, hh, c1)
    hh = h(hh + c1)
    received = open_n(k, 1, hh, c2)
    hh = h(h(hh + c2) + public(e))
    ck, k, _ = hkdf(ck, dh(e, re))
    shared, kem_ct = MLKEM768PublicKey.from_public_bytes(kem).encapsulate()
    c1 = seal_n(k, 0, hh, kem_ct)
    hh = h(hh + c1)
    ck, k, _ = hkdf(ck, shared)
    c2 = seal_n(k, 0, hh, payload)
    return received, public(e) + c1 + c2, h(hh + c2), hkdf(ck, b"")
