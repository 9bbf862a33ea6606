"""RSA identities, fingerprints and Ed25519 signatures."""

import base64
import os

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from veilmart.crypto import identity, signing
from veilmart.errors import BadLink, Misuse, SignatureInvalid, StoreDamaged

DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


@pytest.fixture(scope="module")
def key() -> identity.IdentityKey:
    return identity.generate_identity()


def test_a_signature_verifies_and_nothing_else_does(key: identity.IdentityKey) -> None:
    spki = identity.public_spki(key)
    signature = identity.sign_pss(key, "label", b"data")
    assert (len(spki), len(signature)) == (422, 384)
    identity.verify_pss(spki, "label", b"data", signature)
    for label, data, wrong in (
        ("label", b"datb", signature),
        ("labem", b"data", signature),
        ("label", b"", signature),
        ("label", b"data", signature[:-1]),
        ("label", b"data", signature + b"\0"),
        ("label", b"data", bytes(384)),
        ("label", b"data", b"\xff" * 384),
        ("label", b"data", b""),
    ):
        with pytest.raises(SignatureInvalid):
            identity.verify_pss(spki, label, data, wrong)


def test_salt_and_label_are_as_specified(key: identity.IdentityKey) -> None:
    signature = identity.sign_pss(key, "label", b"data")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.public_key().verify(signature, b"label\0data", pss, hashes.SHA256())
    longest = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    other_salt = key.sign(b"label\0data", longest, hashes.SHA256())
    with pytest.raises(SignatureInvalid):
        identity.verify_pss(identity.public_spki(key), "label", b"data", other_salt)
    for label in ("", "a\0b"):
        with pytest.raises(Misuse):
            identity.sign_pss(key, label, b"")


def test_only_rsa_3072_with_the_usual_exponent_is_an_identity(key: identity.IdentityKey) -> None:
    good = identity.public_spki(key)
    modulus = key.public_key().public_numbers().n
    wrong = {
        "empty": b"",
        "cut": good[:-1],
        "one-byte-more": good + b"\0",
        "enormous": good * 10,
        "rsa-2048": rsa.generate_private_key(65537, 2048).public_key().public_bytes(DER, SPKI),
        "exponent-3": rsa.RSAPublicNumbers(3, modulus).public_key().public_bytes(DER, SPKI),
        "modulus-of-3071-bits": good.replace(
            modulus.to_bytes(384, "big"), (modulus >> 1).to_bytes(384, "big")
        ),
        "p-256": ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(DER, SPKI),
    }
    for spki in wrong.values():
        with pytest.raises(SignatureInvalid):
            identity.verify_pss(spki, "label", b"", bytes(384))


def test_pem_round_trip_and_damage(key: identity.IdentityKey) -> None:
    pem = identity.identity_to_pem(key)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    again = identity.identity_from_pem(pem)
    assert identity.public_spki(again) == identity.public_spki(key)
    small = rsa.generate_private_key(65537, 2048)
    for damaged in (
        b"",
        pem[:500],
        pem.replace(b"PRIVATE", b"PUBLIC"),
        identity.identity_to_pem(small),
    ):
        with pytest.raises(StoreDamaged):
            identity.identity_from_pem(damaged)


@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32, bytes(range(32))])
def test_fingerprints_are_read_as_they_are_written(digest: bytes) -> None:
    text = identity.format_fingerprint(digest)
    groups = text.split("-")
    assert len(groups) == 13
    assert {len(group) for group in groups} == {4}
    assert text == text.lower()
    for spelling in (
        text,
        text.upper(),
        text.replace("-", ""),
        text.replace("-", "  "),
        f" {text}\n",
    ):
        assert identity.parse_fingerprint(spelling) == digest


def test_mistyped_fingerprints_are_refused() -> None:
    text = identity.format_fingerprint(bytes(range(32)))
    for wrong in ("", text[:-1], text + "a", "1" + text[1:], "é" + text[1:], "=" + text[1:]):
        with pytest.raises(BadLink):
            identity.parse_fingerprint(wrong)
    last = "abcdefghijklmnopqrstuvwxyz234567"
    taken = [c for c in last if _parses(text[:-1] + c)]
    assert taken == ["a", "q"]
    with pytest.raises(Misuse):
        identity.format_fingerprint(bytes(31))


def _parses(text: str) -> bool:
    try:
        identity.parse_fingerprint(text)
    except BadLink:
        return False
    return True


def test_a_fingerprint_is_the_hash_of_the_public_key(key: identity.IdentityKey) -> None:
    spki = identity.public_spki(key)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    expected = digest.finalize()
    assert identity.fingerprint(spki) == expected
    text = base64.b32encode(expected).decode().rstrip("=").lower()
    assert identity.format_fingerprint(expected).replace("-", "") == text


SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def test_ed25519_rfc_8032_section_7_1() -> None:
    public = signing.public_key(SEED)
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    published = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    Ed25519PublicKey.from_public_bytes(public).verify(published, b"")
    signature = signing.sign(SEED, "label", b"data")
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"label\0data")


def test_ed25519_signatures_fit_one_label_and_one_message() -> None:
    seed = signing.generate_signing_key(os.urandom)
    public = signing.public_key(seed)
    signature = signing.sign(seed, "label", b"data")
    assert signing.sign(seed, "label", b"data") == signature
    signing.verify(public, "label", b"data", signature)
    # s + L is the same number modulo the group order; RFC 8032 section 5.1.7 refuses it.
    order = 2**252 + 27742317777372353535851937790883648493
    shifted = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    for key, label, data, wrong in (
        (public, "label", b"datb", signature),
        (public, "labe", b"l\0data", signature),
        (public, "label", b"data", signature[:-1]),
        (public, "label", b"data", b""),
        (public, "label", b"data", bytes((signature[0] ^ 1,)) + signature[1:]),
        (public, "label", b"data", signature[:32] + shifted),
        (public[:-1], "label", b"data", signature),
        (b"\xff" * 32, "label", b"data", signature),
        (signing.public_key(SEED), "label", b"data", signature),
    ):
        with pytest.raises(SignatureInvalid):
            signing.verify(key, label, data, wrong)
    for label in ("", "a\0b"):
        with pytest.raises(Misuse):
            signing.sign(seed, label, b"")
    with pytest.raises(Misuse):
        signing.sign(seed[:-1], "label", b"")
