"""Accepting a descriptor: every refusal of docs/protocol/03-descriptors.md, steps 1 to 6."""

from collections.abc import Callable

import msgspec
import pytest

from tests.protocol.protocol_samples import NOW, WEEK, descriptor, flipped, shelf
from veilmart.crypto import identity
from veilmart.crypto.identity import IdentityKey
from veilmart.crypto.suite import suite_by_id
from veilmart.errors import (
    BadArgument,
    BadPublicValue,
    DescriptorExpired,
    DescriptorForked,
    FingerprintChanged,
    MalformedMessage,
    MessageTooLarge,
    SerialLower,
    SignatureInvalid,
    UnknownSuite,
    VeilmartError,
)
from veilmart.limits import DESCRIPTOR_MAX_BYTES, SIGNED_DESCRIPTOR_MAX_BYTES
from veilmart.protocol import labels
from veilmart.protocol.descriptor import (
    SIGNATURE_BYTES,
    SignedDescriptor,
    TunnelKey,
    check_descriptor,
    descriptor_hash,
    read_descriptor,
    sign_descriptor,
)

Signed = Callable[[IdentityKey, IdentityKey], bytes]


def check(
    signed: bytes, key: IdentityKey, *, now: int = NOW, known: SignedDescriptor | None = None
) -> SignedDescriptor:
    pinned = identity.fingerprint(identity.public_spki(key))
    return check_descriptor(signed, role="merchant", fingerprint=pinned, now=now, known=known)


def signed_body(key: IdentityKey, body: bytes, label: str = labels.DESCRIPTOR) -> bytes:
    """Anything at all, correctly signed."""
    return identity.sign_pss(key, label, body) + body


def body_with(key: IdentityKey, **fields: object) -> bytes:
    """A body whose fields were changed or added without regard to their types."""
    honest = msgspec.msgpack.decode(msgspec.msgpack.encode(descriptor(key)))
    return msgspec.msgpack.encode({**honest, **fields})


def body_without(key: IdentityKey, name: str) -> bytes:
    honest = msgspec.msgpack.decode(msgspec.msgpack.encode(descriptor(key)))
    del honest[name]
    return msgspec.msgpack.encode(honest)


def test_an_honest_descriptor_is_accepted(merchant_identity: IdentityKey) -> None:
    made = descriptor(merchant_identity)
    signed = sign_descriptor(made, merchant_identity)
    accepted = check(signed, merchant_identity)
    assert accepted.descriptor == made
    assert accepted.signed == signed
    assert accepted.hash == descriptor_hash(signed)
    assert accepted.fingerprint == identity.fingerprint(made.identity)


REFUSED: dict[str, tuple[Signed, type[VeilmartError]]] = {
    "empty": (lambda key, other: b"", MalformedMessage),
    "signature-without-body": (lambda key, other: bytes(SIGNATURE_BYTES), MalformedMessage),
    "body-of-15-kib-and-1-byte": (
        lambda key, other: signed_body(key, bytes(DESCRIPTOR_MAX_BYTES + 1)),
        MessageTooLarge,
    ),
    "body-of-zeros": (lambda key, other: signed_body(key, bytes(100)), MalformedMessage),
    "byte-after-the-body": (
        lambda key, other: signed_body(key, body_with(key) + b"\0"),
        MalformedMessage,
    ),
    "unknown-field": (
        lambda key, other: signed_body(key, body_with(key, colour="red")),
        MalformedMessage,
    ),
    "no-serial": (
        lambda key, other: signed_body(key, body_without(key, "serial")),
        MalformedMessage,
    ),
    "no-tunnel-key": (
        lambda key, other: signed_body(key, body_with(key, tunnel_keys=[])),
        MalformedMessage,
    ),
    "nine-tunnel-keys": (
        lambda key, other: signed_body(
            key, body_with(key, tunnel_keys=[{"suite": 1, "public": bytes(32)}] * 9)
        ),
        MalformedMessage,
    ),
    "tunnel-key-of-31-bytes": (
        lambda key, other: signed_body(
            key, body_with(key, tunnel_keys=[{"suite": 1, "public": bytes(31)}])
        ),
        MalformedMessage,
    ),
    "signing-key-that-is-the-identity": (
        lambda key, other: signed_body(key, body_with(key, signing_key=(1).to_bytes(32, "little"))),
        BadPublicValue,
    ),
    "tunnel-key-of-low-order": (
        lambda key, other: signed_body(
            key, body_with(key, tunnel_keys=[{"suite": 1, "public": bytes(32)}])
        ),
        BadPublicValue,
    ),
    "ffdhe3072-tunnel-key-of-one": (
        lambda key, other: signed_body(
            key,
            body_with(key, tunnel_keys=[{"suite": 2, "public": (1).to_bytes(384, "big")}]),
        ),
        BadPublicValue,
    ),
    "sixty-five-shelves": (
        lambda key, other: signed_body(
            key, body_with(key, shelves=[msgspec.structs.asdict(shelf(name=""))] * 65)
        ),
        MalformedMessage,
    ),
    "seventeen-brokers": (
        lambda key, other: signed_body(key, body_with(key, brokers=[bytes(32)] * 17)),
        MalformedMessage,
    ),
    "seventeen-extensions": (
        lambda key, other: signed_body(
            key, body_with(key, extensions={str(n): b"" for n in range(17)})
        ),
        MalformedMessage,
    ),
    "third-role": (
        lambda key, other: signed_body(key, body_with(key, role="auditor")),
        MalformedMessage,
    ),
    "seven-decimals": (
        lambda key, other: signed_body(key, body_with(key, decimals=7)),
        MalformedMessage,
    ),
    "negative-serial": (
        lambda key, other: signed_body(key, body_with(key, serial=-1)),
        MalformedMessage,
    ),
    "serial-of-2-to-the-53": (
        lambda key, other: signed_body(key, body_with(key, serial=2**53)),
        MalformedMessage,
    ),
    "signed-by-somebody-else": (
        lambda key, other: signed_body(other, body_with(key)),
        SignatureInvalid,
    ),
    "signed-under-another-label": (
        lambda key, other: signed_body(key, body_with(key), labels.LINK_MERCHANT),
        SignatureInvalid,
    ),
    "identity-is-no-key": (
        lambda key, other: signed_body(key, body_with(key, identity=b"no key")),
        SignatureInvalid,
    ),
    "identity-of-somebody-else": (
        lambda key, other: sign_descriptor(descriptor(other), other),
        FingerprintChanged,
    ),
    "role-is-broker": (
        lambda key, other: sign_descriptor(descriptor(key, role="broker"), key),
        MalformedMessage,
    ),
    "valid-for-a-week-and-a-second": (
        lambda key, other: sign_descriptor(
            descriptor(key, not_before=NOW - 1, not_after=NOW + WEEK), key
        ),
        MalformedMessage,
    ),
    "ended-this-second": (
        lambda key, other: sign_descriptor(descriptor(key, not_after=NOW), key),
        DescriptorExpired,
    ),
    "begins-in-301-seconds": (
        lambda key, other: sign_descriptor(
            descriptor(key, not_before=NOW + 301, not_after=NOW + WEEK), key
        ),
        DescriptorExpired,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, merchant_identity: IdentityKey, stranger_identity: IdentityKey) -> None:
    make, expected = REFUSED[name]
    signed = make(merchant_identity, stranger_identity)
    with pytest.raises(VeilmartError) as caught:
        check(signed, merchant_identity)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "changes",
    [
        {"not_before": NOW + 300, "not_after": NOW + WEEK},
        {"not_after": NOW + 1},
        {"not_before": NOW, "not_after": NOW + WEEK},
    ],
    ids=["begins-in-300-seconds", "ends-in-a-second", "valid-for-exactly-a-week"],
)
def test_at_the_edge_of_its_time_it_is_accepted(
    changes: dict[str, int], merchant_identity: IdentityKey
) -> None:
    check(
        sign_descriptor(descriptor(merchant_identity, **changes), merchant_identity),
        merchant_identity,
    )


def test_every_changed_byte_is_noticed(merchant_identity: IdentityKey) -> None:
    signed = sign_descriptor(descriptor(merchant_identity), merchant_identity)
    for index in range(0, len(signed), 7):
        with pytest.raises((SignatureInvalid, MalformedMessage)):
            check(flipped(signed, index), merchant_identity)


def test_a_cut_descriptor_is_noticed(merchant_identity: IdentityKey) -> None:
    signed = sign_descriptor(descriptor(merchant_identity), merchant_identity)
    for length in range(0, len(signed), 97):
        with pytest.raises((SignatureInvalid, MalformedMessage)):
            check(signed[:length], merchant_identity)


class TestChain:
    """Step 6: what was accepted before binds what is accepted now."""

    def known(self, key: IdentityKey, serial: int = 5) -> SignedDescriptor:
        return read_descriptor(sign_descriptor(descriptor(key, serial=serial), key))

    def test_the_same_one_again(self, merchant_identity: IdentityKey) -> None:
        known = self.known(merchant_identity)
        assert check(known.signed, merchant_identity, known=known) == known

    def test_serial_lower(self, merchant_identity: IdentityKey) -> None:
        older = sign_descriptor(descriptor(merchant_identity, serial=4), merchant_identity)
        with pytest.raises(SerialLower):
            check(older, merchant_identity, known=self.known(merchant_identity))

    def test_same_serial_other_content(self, merchant_identity: IdentityKey) -> None:
        twin = sign_descriptor(
            descriptor(merchant_identity, serial=5, name="Other"), merchant_identity
        )
        with pytest.raises(DescriptorForked):
            check(twin, merchant_identity, known=self.known(merchant_identity))

    def test_next_serial_that_follows(self, merchant_identity: IdentityKey) -> None:
        known = self.known(merchant_identity)
        successor = descriptor(merchant_identity, serial=6, previous=known.hash)
        signed = sign_descriptor(successor, merchant_identity)
        assert check(signed, merchant_identity, known=known).descriptor.serial == 6

    def test_next_serial_that_follows_another(self, merchant_identity: IdentityKey) -> None:
        signed = sign_descriptor(descriptor(merchant_identity, serial=6), merchant_identity)
        with pytest.raises(DescriptorForked):
            check(signed, merchant_identity, known=self.known(merchant_identity))

    def test_a_later_serial_has_no_known_predecessor(self, merchant_identity: IdentityKey) -> None:
        signed = sign_descriptor(
            descriptor(merchant_identity, serial=7, previous=b"x" * 32), merchant_identity
        )
        check(signed, merchant_identity, known=self.known(merchant_identity))


def test_the_largest_body_is_15_kib(merchant_identity: IdentityKey) -> None:
    empty = descriptor(merchant_identity, extensions={"filler": b""})
    spare = DESCRIPTOR_MAX_BYTES - len(msgspec.msgpack.encode(empty)) - 1  # bin16, not bin8
    full = descriptor(merchant_identity, extensions={"filler": bytes(spare)})
    signed = sign_descriptor(full, merchant_identity)
    assert len(signed) == SIGNED_DESCRIPTOR_MAX_BYTES
    check(signed, merchant_identity)
    with pytest.raises(BadArgument):
        sign_descriptor(
            descriptor(merchant_identity, extensions={"filler": bytes(spare + 1)}),
            merchant_identity,
        )


def test_suites_are_named_in_order_and_unknown_ones_ignored(
    merchant_identity: IdentityKey,
) -> None:
    made = descriptor(
        merchant_identity,
        tunnel_keys=[
            TunnelKey(suite=77, public=bytes(32)),
            TunnelKey(suite=2, public=bytes(384)),
        ],
    )
    assert [suite.id for suite in made.suites()] == [2]
    assert made.tunnel_key(suite_by_id(2)) == bytes(384)
    with pytest.raises(UnknownSuite):
        made.tunnel_key(suite_by_id(1))


def test_shelves_are_found_by_id(merchant_identity: IdentityKey) -> None:
    made = descriptor(merchant_identity)
    assert made.shelf(3) == shelf()
    assert made.shelf(4) is None
