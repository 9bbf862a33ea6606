"""Writes vectors/khae.json and vectors/mix.json from the reference in this folder.

    python tests/crypto/make_vectors.py            write both files
    python tests/crypto/make_vectors.py --check    compare, exit code 1 if they differ

Plaintext byte j is j mod 251. Sealed texts longer than 4096 bytes are given by their SHA-256.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tests.crypto.crypto_reference as reference

FOLDER = Path(__file__).resolve().parents[2] / "vectors"
LENGTHS = (0, 1, 31, 32, 33, 1000, 65535, 65536, 65537, 131072)
SHOWN_MAX_BYTES = 4096
USE = "vector"
KEY = bytes(range(32))
NONCE = bytes(range(100, 124))
AD = b"associated data"

Seal = Callable[[bytes, str, bytes, bytes, bytes], bytes]


def plaintext_of(size: int) -> bytes:
    return bytes(j % 251 for j in range(size))


def case(name: str, form: str, size: int, sealed: bytes, **changes: Any) -> dict[str, Any]:
    inputs = {"key": KEY.hex(), "use": USE, "nonce": NONCE.hex(), "ad": AD.hex()}
    shown = (
        {"sealed": sealed.hex()}
        if len(sealed) <= SHOWN_MAX_BYTES
        else {"sealed_bytes": len(sealed), "sealed_sha256": hashlib.sha256(sealed).hexdigest()}
    )
    made = {"name": name, "form": form, **inputs, "plaintext_bytes": size, **shown}
    return made | {"expect": "success"} | changes


def flipped(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


def cases(short: Seal, long: Seal) -> list[dict[str, Any]]:
    made = []
    for form, seal in (("short", short), ("long", long)):
        for size in LENGTHS:
            sealed = seal(KEY, USE, NONCE, AD, plaintext_of(size))
            made.append(case(f"{form}-{size}", form, size, sealed))
        no_ad = seal(KEY, USE, NONCE, b"", plaintext_of(33))
        made.append(case(f"{form}-no-ad", form, 33, no_ad, ad=""))
        good = seal(KEY, USE, NONCE, AD, plaintext_of(33))
        fails: dict[str, tuple[bytes, dict[str, str]]] = {
            "changed-ciphertext": (flipped(good, -40), {}),
            "changed-tag": (flipped(good, -1), {}),
            "cut-by-one-byte": (good[:-1], {}),
            "one-byte-more": (good + b"\0", {}),
            "empty": (b"", {}),
            "tag-only": (good[-32:], {}),
            "other-key": (good, {"key": flipped(KEY, 0).hex()}),
            "other-use": (good, {"use": "vectors"}),
            "other-ad": (good, {"ad": flipped(AD, 0).hex()}),
            "no-ad-but-sealed-with": (good, {"ad": ""}),
        }
        if form == "short":
            fails["other-nonce"] = (good, {"nonce": flipped(NONCE, 0).hex()})
        else:
            fails |= {
                "changed-magic": (flipped(good, 0), {}),
                "other-version": (flipped(good, 4), {}),
                "other-suite": (flipped(good, 5), {}),
                "other-chunk-size": (flipped(good, 6), {}),
                "changed-nonce": (flipped(good, 7), {}),
                "changed-commitment": (flipped(good, 31), {}),
                "no-chunks": (good[:63], {}),
                "final-chunk-twice": (good + good[63:], {}),
            }
        for name, (sealed, changes) in fails.items():
            made.append(case(f"{form}-{name}", form, 33, sealed, expect="OpenFailed", **changes))
    return made


def files() -> dict[str, str]:
    both = {
        "khae.json": ("KHAE-BLAKE3", reference.khae_short, reference.khae_object),
        "mix.json": ("MIX-SHA256", reference.mix_short, reference.mix_object),
    }
    made = {}
    for file, (name, short, long) in both.items():
        content = {
            "cipher": name,
            "generator": "tests/crypto/make_vectors.py",
            "plaintext": "byte j is j mod 251",
            "vectors": cases(short, long),
        }
        made[file] = json.dumps(content, indent=1) + "\n"
    return made


def main() -> int:
    check = "--check" in sys.argv[1:]
    differing = 0
    for file, text in files().items():
        path = FOLDER / file
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{file} differs from what the reference makes")
            differing += 1
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
