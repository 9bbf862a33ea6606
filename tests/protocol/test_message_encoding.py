"""MessagePack as page 1 fixes it: strict, bounded, and never an untyped error."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import Meta

from veilmart.errors import MalformedMessage, MessageTooLarge
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.catalogue import Catalogue
from veilmart.protocol.customer_messages import CustomerRequest, GetStatus, Login
from veilmart.protocol.descriptor import Descriptor
from veilmart.protocol.encoding import (
    Bytes32,
    Message,
    Natural,
    decode,
    encode,
    labelled_hash,
    le64,
)
from veilmart.protocol.link_messages import LinkRequest
from veilmart.protocol.merchant_messages import CustomerTunnelRequest
from veilmart.protocol.offer import Invoice, Offer, PaymentReceipt

KINDS: list[Any] = [
    CustomerRequest,
    LinkRequest,
    CustomerTunnelRequest,
    Offer,
    Invoice,
    PaymentReceipt,
    Descriptor,
    Catalogue,
]


class Sample(Message, frozen=True):
    count: Natural
    name: str
    digest: Bytes32
    known: bool
    list: Annotated[list[Natural], Meta(max_length=3)]
    map: Annotated[dict[str, bytes], Meta(max_length=2)]


HONEST: dict[str, Any] = {
    "count": 7,
    "name": "ada",
    "digest": b"d" * 32,
    "known": True,
    "list": [1, 2, 3],
    "map": {"a": b"b"},
}


def pack(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in HONEST.items() if key != name}


def with_raw_count(raw: bytes) -> bytes:
    """The honest map with `count` last, as these bytes."""
    return bytes([0x86]) + pack(without("count"))[1:] + pack("count") + raw


NEST = 200_000

REFUSED: dict[str, bytes] = {
    "empty": b"",
    "nil": b"\xc0",
    "array-instead-of-map": pack(list(HONEST.values())),
    "byte-after-the-map": pack(HONEST) + b"\0",
    "second-map-after-the-map": pack(HONEST) * 2,
    "cut-by-a-byte": pack(HONEST)[:-1],
    "unknown-field": pack({**HONEST, "colour": "red"}),
    "key-as-bytes": pack({**without("count"), b"count": 7}),
    "negative": pack({**HONEST, "count": -1}),
    "2-to-the-53": pack({**HONEST, "count": 2**53}),
    "2-to-the-64-less-1": pack({**HONEST, "count": 2**64 - 1}),
    "float": pack({**HONEST, "count": 7.0}),
    "number-as-text": pack({**HONEST, "count": "7"}),
    "boolean-as-number": pack({**HONEST, "count": True}),
    "number-as-boolean": pack({**HONEST, "known": 1}),
    "nil-field": pack({**HONEST, "count": None}),
    "text-for-bytes": pack({**HONEST, "digest": "d" * 32}),
    "bytes-for-text": pack({**HONEST, "name": b"ada"}),
    "text-not-utf-8": pack({**HONEST, "name": "zzz"}).replace(b"zzz", b"\xff\xfe\xff"),
    "key-not-utf-8": pack(HONEST).replace(b"count", b"c\xff\xfe\xfft"),
    "digest-of-31-bytes": pack({**HONEST, "digest": bytes(31)}),
    "digest-of-33-bytes": pack({**HONEST, "digest": bytes(33)}),
    "list-too-long": pack({**HONEST, "list": [1, 2, 3, 4]}),
    "list-of-text": pack({**HONEST, "list": ["a"]}),
    "map-too-long": pack({**HONEST, "map": {"a": b"", "b": b"", "c": b""}}),
    "map-of-text": pack({**HONEST, "map": {"a": "b"}}),
    "array-that-claims-4-gi-entries": with_raw_count(b"\xdd\xff\xff\xff\xff"),
    "map-that-claims-4-gi-entries": b"\xdf\xff\xff\xff\xff" + pack("count") + b"\x07",
    "bytes-that-claim-4-gib": with_raw_count(b"\xc6\xff\xff\xff\xff"),
    "extension-type": with_raw_count(b"\xd6\xff\0\0\0\1"),
    "never-used-byte": with_raw_count(b"\xc1"),
    "nested-deeply": with_raw_count(b"\x91" * NEST + b"\x07"),
    "nested-deeply-in-an-unknown-field": pack(HONEST)[:1].replace(b"\x86", b"\x87")
    + pack(HONEST)[1:]
    + pack("deep")
    + b"\x91" * NEST
    + b"\x07",
    "nested-deeply-in-a-list": pack({**HONEST, "list": []}).replace(
        pack("list") + b"\x90", pack("list") + b"\x91" * NEST + b"\x90"
    ),
}


def test_the_honest_one_is_read() -> None:
    assert encode(decode(Sample, pack(HONEST), 1000)) == pack(HONEST)


def test_the_order_of_keys_is_free() -> None:
    assert decode(Sample, pack(dict(reversed(HONEST.items()))), 1000).name == "ada"


@pytest.mark.parametrize("number", [0, 1, 127, 128, 2**32, INTEGER_MAX])
def test_integers_within_53_bits(number: int) -> None:
    assert decode(Sample, pack({**HONEST, "count": number}), 1000).count == number


def test_an_integer_in_a_longer_form_than_needed() -> None:
    assert decode(Sample, with_raw_count(b"\xcf" + (7).to_bytes(8, "big")), 1000).count == 7


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(MalformedMessage):
        decode(Sample, REFUSED[name], 10 * NEST)


@pytest.mark.parametrize("name", HONEST)
def test_every_field_is_needed(name: str) -> None:
    with pytest.raises(MalformedMessage):
        decode(Sample, pack(without(name)), 1000)


def test_the_bound_on_bytes() -> None:
    data = pack(HONEST)
    decode(Sample, data, len(data))
    with pytest.raises(MessageTooLarge):
        decode(Sample, data, len(data) - 1)
    with pytest.raises(MessageTooLarge):
        decode(Sample, b"\xff" * 100, 99)


def test_one_kind_does_not_pass_for_another() -> None:
    status = encode(GetStatus(order=bytes(32), signature=bytes(64)))
    assert decode(CustomerRequest, status, 1000) == GetStatus(order=bytes(32), signature=bytes(64))  # type: ignore[arg-type]
    for kind in (Login, LinkRequest, CustomerTunnelRequest, Offer):
        with pytest.raises(MalformedMessage):
            decode(kind, status, 1000)  # type: ignore[arg-type]


@given(st.binary(max_size=2000), st.sampled_from(KINDS))
def test_random_bytes_raise_nothing_else(data: bytes, kind: Any) -> None:
    with pytest.raises((MalformedMessage, MessageTooLarge)):
        decode(kind, data, 1500)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
field_names = st.sampled_from(
    ["kind", "order", "index", "signature", "username", "password", "device", "products", "record"]
)
kinds = st.sampled_from(["login", "status", "segment", "select", "relay", "open", "report"])


@given(st.dictionaries(field_names, anything), kinds | anything, st.sampled_from(KINDS))
def test_well_formed_messagepack_of_anything(fields: Any, kind: Any, wanted: Any) -> None:
    """What is accepted is what was sent; everything else is one of two errors."""
    data = pack({**fields, "kind": kind})
    try:
        message = decode(wanted, data, 4096)
    except (MalformedMessage, MessageTooLarge):
        return
    assert msgspec.msgpack.decode(encode(message)) == msgspec.msgpack.decode(data)


@given(st.data())
def test_a_damaged_message_raises_nothing_else(data: st.DataObject) -> None:
    honest = bytearray(encode(GetStatus(order=b"o" * 32, signature=b"s" * 64)))
    for _ in range(data.draw(st.integers(1, 4))):
        honest[data.draw(st.integers(0, len(honest) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode(CustomerRequest, bytes(honest), 1000)  # type: ignore[arg-type, var-annotated]
    except MalformedMessage:
        return
    assert isinstance(message, GetStatus)


def test_labelled_hash_is_that_of_page_1() -> None:
    from hashlib import sha256

    expected = sha256(b"veilmart 2026 offer hash" + b"\0" + b"signed").digest()
    assert labelled_hash("veilmart 2026 offer hash", b"sig", b"ned") == expected
    assert le64(258) == b"\2\1" + bytes(6)
