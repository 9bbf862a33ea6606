"""Both ciphers: known answers, and that nothing changed, cut, moved or dropped ever opens."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import tests.crypto.crypto_reference as reference
from tests.crypto import make_vectors
from veilmart.crypto.cipher import (
    PREFIX_BYTES,
    SEALED_CHUNK_BYTES,
    TAG_BYTES,
    Cipher,
    object_bytes,
)
from veilmart.crypto.keyed_hash import KeyedHashCipher
from veilmart.crypto.mixing import MixingCipher
from veilmart.errors import Misuse, OpenFailed
from veilmart.limits import CHUNK_BYTES

KEY, NONCE, AD, USE = bytes(range(32)), bytes(24), b"ad", "test"
EDGES = (0, 1, 31, 32, 33, 65535, 65536, 65537)
CIPHERS: dict[str, Cipher] = {"KHAE-BLAKE3": KeyedHashCipher(), "MIX-SHA256": MixingCipher()}
VECTORS = [
    pytest.param(content["cipher"], vector, id=f"{content['cipher']}-{vector['name']}")
    for content in (
        json.loads((make_vectors.FOLDER / file).read_text()) for file in ("khae.json", "mix.json")
    )
    for vector in content["vectors"]
]

each_cipher = pytest.mark.parametrize("cipher", CIPHERS.values(), ids=CIPHERS.keys())
each_edge = pytest.mark.parametrize("size", EDGES)


def test_vector_files_are_what_the_reference_makes() -> None:
    for file, text in make_vectors.files().items():
        assert (make_vectors.FOLDER / file).read_text() == text


@pytest.mark.parametrize(("name", "vector"), VECTORS)
def test_vector(name: str, vector: dict[str, Any]) -> None:
    cipher = CIPHERS[name]
    key, nonce, ad = (bytes.fromhex(vector[field]) for field in ("key", "nonce", "ad"))
    plaintext = make_vectors.plaintext_of(vector["plaintext_bytes"])
    long = vector["form"] == "long"
    if vector["expect"] == "success":
        seal = cipher.seal_object if long else cipher.seal
        sealed = seal(key, vector["use"], nonce, ad, plaintext)
        if "sealed" in vector:
            assert sealed.hex() == vector["sealed"]
        else:
            assert len(sealed) == vector["sealed_bytes"]
            assert hashlib.sha256(sealed).hexdigest() == vector["sealed_sha256"]
    else:
        assert vector["expect"] == "OpenFailed"
        sealed = bytes.fromhex(vector["sealed"])
    try:
        if long:
            opened = cipher.open_object(key, vector["use"], ad, sealed)
        else:
            opened = cipher.open(key, vector["use"], nonce, ad, sealed)
    except OpenFailed:
        assert vector["expect"] == "OpenFailed"
    else:
        assert vector["expect"] == "success"
        assert opened == plaintext


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 65536 + 7])
@pytest.mark.parametrize(
    ("cipher", "expected"),
    [
        (CIPHERS["KHAE-BLAKE3"], reference.khae_object),
        (CIPHERS["MIX-SHA256"], reference.mix_object),
    ],
    ids=CIPHERS.keys(),
)
def test_many_chunks_agree_with_the_reference(cipher: Cipher, expected: Any, size: int) -> None:
    plaintext = hashlib.shake_256(b"parcel").digest(size)
    sealed = cipher.seal_object(KEY, USE, NONCE, AD, memoryview(plaintext))
    assert sealed == expected(KEY, USE, NONCE, AD, plaintext)
    assert len(sealed) == object_bytes(size)
    assert cipher.open_object(KEY, USE, AD, memoryview(sealed)) == plaintext


@each_cipher
@each_edge
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_or_a_cut_never_opens(cipher: Cipher, size: int, data: st.DataObject) -> None:
    plaintext = make_vectors.plaintext_of(size)
    short = cipher.seal(KEY, USE, NONCE, AD, plaintext)
    long = cipher.seal_object(KEY, USE, NONCE, AD, plaintext)
    for sealed, opener in (
        (short, lambda s: cipher.open(KEY, USE, NONCE, AD, s)),
        (long, lambda s: cipher.open_object(KEY, USE, AD, s)),
    ):
        bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OpenFailed):
            opener(bytes(changed))
        with pytest.raises(OpenFailed):
            opener(sealed[: data.draw(st.integers(0, len(sealed) - 1))])
        with pytest.raises(OpenFailed):
            opener(sealed + bytes(data.draw(st.integers(1, 40))))


@each_cipher
def test_every_bit_of_a_small_object_counts(cipher: Cipher) -> None:
    sealed = cipher.seal_object(KEY, USE, NONCE, AD, b"abc")
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OpenFailed):
            cipher.open_object(KEY, USE, AD, bytes(changed))


@each_cipher
@pytest.mark.parametrize("size", [2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 10])
@pytest.mark.parametrize(
    "order", [[1, 0, 2], [0, 2], [1, 2], [2], [], [0, 1], [0], [0, 0, 1, 2], [0, 1, 1, 2], [2, 2]]
)
def test_moved_or_dropped_chunks_never_open(cipher: Cipher, size: int, order: list[int]) -> None:
    sealed = cipher.seal_object(KEY, USE, NONCE, AD, bytes(size))
    starts = [PREFIX_BYTES + SEALED_CHUNK_BYTES * i for i in range(3)]
    parts = [sealed[start : start + SEALED_CHUNK_BYTES] for start in starts]
    forged = sealed[:PREFIX_BYTES] + b"".join(parts[i] for i in order)
    with pytest.raises(OpenFailed):
        cipher.open_object(KEY, USE, AD, forged)


@each_cipher
def test_chunks_of_two_objects_do_not_mix(cipher: Cipher) -> None:
    one = cipher.seal_object(KEY, USE, bytes(24), AD, bytes(CHUNK_BYTES + 5))
    two = cipher.seal_object(KEY, USE, b"\1" * 24, AD, bytes(CHUNK_BYTES + 5))
    cut = PREFIX_BYTES + SEALED_CHUNK_BYTES
    for forged in (one[:cut] + two[cut:], one[:PREFIX_BYTES] + two[PREFIX_BYTES:]):
        with pytest.raises(OpenFailed):
            cipher.open_object(KEY, USE, AD, forged)


@each_cipher
def test_a_sealed_short_text_is_no_object_and_the_other_cipher_opens_nothing(
    cipher: Cipher,
) -> None:
    other = next(c for c in CIPHERS.values() if c is not cipher)
    short = cipher.seal(KEY, USE, NONCE, AD, bytes(200))
    long = cipher.seal_object(KEY, USE, NONCE, AD, bytes(200))
    with pytest.raises(OpenFailed):
        cipher.open_object(KEY, USE, AD, short)
    with pytest.raises(OpenFailed):
        cipher.open(KEY, USE, NONCE, AD, long[PREFIX_BYTES:])
    with pytest.raises(OpenFailed):
        other.open(KEY, USE, NONCE, AD, short)
    with pytest.raises(OpenFailed):
        other.open_object(KEY, USE, AD, long)


@each_cipher
def test_chunks_are_sealed_and_opened_out_of_order(cipher: Cipher) -> None:
    plaintext = make_vectors.plaintext_of(2 * CHUNK_BYTES + 100)
    sealed = cipher.seal_object(KEY, USE, NONCE, AD, plaintext)
    sealer = cipher.sealer(KEY, USE, NONCE, AD)
    opener = cipher.opener(KEY, USE, AD, sealed[:PREFIX_BYTES])
    assert sealer.prefix == sealed[:PREFIX_BYTES]
    for index in (2, 0, 1):
        part = plaintext[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        start = PREFIX_BYTES + index * SEALED_CHUNK_BYTES
        chunk = sealed[start : start + SEALED_CHUNK_BYTES]
        assert sealer.seal(index, index == 2, part) == chunk
        assert opener.open(index, index == 2, chunk) == part
    with pytest.raises(OpenFailed):
        opener.open(0, False, sealed[-132:])
    with pytest.raises(OpenFailed):
        opener.open(2, True, chunk)


@each_cipher
def test_our_own_wrong_lengths_are_misuse(cipher: Cipher) -> None:
    sealer = cipher.sealer(KEY, USE, NONCE, AD)
    sealed = cipher.seal_object(KEY, USE, NONCE, AD, b"")
    for wrong in (
        lambda: cipher.seal(KEY[:-1], USE, NONCE, AD, b""),
        lambda: cipher.seal(KEY, USE, NONCE[:-1], AD, b""),
        lambda: cipher.open(KEY, USE, NONCE + b"\0", AD, bytes(32)),
        lambda: cipher.open_object(KEY + b"\0", USE, AD, sealed),
        lambda: cipher.seal(KEY, "", NONCE, AD, b""),
        lambda: cipher.seal(KEY, "a\0b", NONCE, AD, b""),
        lambda: cipher.seal_object(KEY, "short parcel", NONCE, AD, b""),
        lambda: cipher.seal_object(KEY, "commitment parcel", NONCE, AD, b""),
        lambda: sealer.seal(0, False, b"short"),
        lambda: sealer.seal(0, True, bytes(CHUNK_BYTES)),
        lambda: sealer.seal(0, True, bytes(CHUNK_BYTES + 1)),
        lambda: sealer.seal(-1, True, b""),
        lambda: sealer.seal_run(0, memoryview(bytes(CHUNK_BYTES + 1))),
        lambda: object_bytes(-1),
    ):
        with pytest.raises(Misuse):
            wrong()


@each_edge
def test_object_bytes(size: int) -> None:
    assert object_bytes(size) == 63 + size + TAG_BYTES * (size // CHUNK_BYTES + 1)


def test_a_second_chunking_made_by_the_key_holder_does_not_open() -> None:
    """A full chunk sealed as final, a short one sealed as not final: tags right, format wrong."""
    full, part = bytes(CHUNK_BYTES), b"part"
    khae = CIPHERS["KHAE-BLAKE3"]
    header, ck, com = reference.khae_keys(KEY, USE, NONCE, AD)
    prefix = header + NONCE + com
    mix = CIPHERS["MIX-SHA256"]
    mix_prefix = reference.mix_object(KEY, USE, NONCE, AD, b"")[:PREFIX_BYTES]
    for final, plaintext in ((1, full), (0, part)):
        for cipher, start, chunk in (
            (khae, prefix, reference.khae_chunk(ck, 0, final, plaintext)),
            (
                mix,
                mix_prefix,
                reference.mix_chunk(KEY, USE, NONCE, mix_prefix[:7], AD, 0, final, plaintext),
            ),
        ):
            with pytest.raises(OpenFailed):
                cipher.opener(KEY, USE, AD, start).open(0, bool(final), chunk)
            with pytest.raises(OpenFailed):
                cipher.open_object(KEY, USE, AD, start + chunk)
