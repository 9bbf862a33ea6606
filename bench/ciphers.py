"""The two ciphers against ChaCha20-Poly1305 and a bare SHA-256 loop."""

import hashlib
import os
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from veilmart.crypto.suite import all_suites

CHUNK_BYTES = 64 * 1024
MESSAGE_BYTES = 1024
PARCEL_BYTES = 1024 * 1024
ROUNDS = 41


def seconds_per_call(function: Callable[[], object], calls: int) -> float:
    """Mean over `calls` calls."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], calls: int
) -> tuple[float, float]:
    """Seconds per call of both, from the round with the median ratio; taken in short turns."""
    pairs = [
        (seconds_per_call(ours, calls), seconds_per_call(theirs, calls)) for _ in range(ROUNDS)
    ]
    pairs.sort(key=lambda pair: pair[1] / pair[0])
    return pairs[ROUNDS // 2]


def _row(name: str, size: int, ours: float, theirs: float, reach: float) -> dict[str, object]:
    return {
        "name": name,
        "ratio": round(theirs / ours, 3),
        "reach": reach,
        "ours_mb_per_s": round(size / ours / 1e6, 1),
        "theirs_mb_per_s": round(size / theirs / 1e6, 1),
    }


def measure_khae() -> list[dict[str, object]]:
    """Whole 1 MiB objects in 64 KiB chunks, against 16 ChaCha20-Poly1305 calls of 64 KiB."""
    suite = all_suites()[0]
    key, nonce, data = os.urandom(32), os.urandom(24), os.urandom(PARCEL_BYTES)
    chacha = ChaCha20Poly1305(key)
    parts = [data[at : at + CHUNK_BYTES] for at in range(0, PARCEL_BYTES, CHUNK_BYTES)]
    sealed_parts = [chacha.encrypt(nonce[:12], part, b"") for part in parts]
    sealed = suite.cipher.seal_object(key, "bench", nonce, b"", data)
    seal = interleaved(
        lambda: suite.cipher.seal_object(key, "bench", nonce, b"", data),
        lambda: [chacha.encrypt(nonce[:12], part, b"") for part in parts],
        8,
    )
    opened = interleaved(
        lambda: suite.cipher.open_object(key, "bench", b"", sealed),
        lambda: [chacha.decrypt(nonce[:12], part, b"") for part in sealed_parts],
        8,
    )
    return [
        _row("KHAE seal / ChaCha20-Poly1305", PARCEL_BYTES, *seal, 0.6),
        _row("KHAE open / ChaCha20-Poly1305", PARCEL_BYTES, *opened, 0.6),
    ]


def bare_loop(blocks: int) -> Callable[[], None]:
    """One hashlib.sha256 call per 32 bytes of plaintext, over 64 bytes as the formulas need."""
    block = os.urandom(64)

    def loop() -> None:
        sha256 = hashlib.sha256
        for _ in range(blocks):
            sha256(block).digest()

    return loop


def measure_mix() -> list[dict[str, object]]:
    suite = all_suites()[1]
    key, nonce = os.urandom(32), os.urandom(24)
    message, parcel = os.urandom(MESSAGE_BYTES), os.urandom(PARCEL_BYTES)
    cipher = suite.cipher
    sealed_message = cipher.seal(key, "bench", nonce, b"", message)
    sealed_parcel = cipher.seal_object(key, "bench", nonce, b"", parcel)
    short, long = bare_loop(MESSAGE_BYTES // 32), bare_loop(PARCEL_BYTES // 32)
    return [
        _row(
            "MIX message seal / bare loop",
            MESSAGE_BYTES,
            *interleaved(lambda: cipher.seal(key, "bench", nonce, b"", message), short, 200),
            0.4,
        ),
        _row(
            "MIX message open / bare loop",
            MESSAGE_BYTES,
            *interleaved(lambda: cipher.open(key, "bench", nonce, b"", sealed_message), short, 200),
            0.4,
        ),
        _row(
            "MIX parcel seal / bare loop",
            PARCEL_BYTES,
            *interleaved(lambda: cipher.seal_object(key, "bench", nonce, b"", parcel), long, 1),
            0.55,
        ),
        _row(
            "MIX parcel open / bare loop",
            PARCEL_BYTES,
            *interleaved(lambda: cipher.open_object(key, "bench", b"", sealed_parcel), long, 1),
            0.55,
        ),
    ]
