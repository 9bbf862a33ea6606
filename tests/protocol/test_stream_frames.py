"""The codec of a stream's frames, without a network."""

import pytest
from hypothesis import given, strategies as st

from veilmart.errors import MalformedMessage, MessageTooLarge
from veilmart.limits import BODY_MAX_BYTES, HANDSHAKE_MAX_BYTES, REQUEST_MAX_BYTES
from veilmart.protocol.stream_frames import (
    CORRELATION_END,
    FRAME_MAX_BYTES,
    HEADER_BYTES,
    KINDS,
    PATHS,
    Kind,
    decode_frame,
    encode_frame,
)

numbers = st.integers(min_value=0, max_value=CORRELATION_END - 1)


def test_a_frame_to_the_byte() -> None:
    assert encode_frame(0x01020304, Kind.REQUEST, b"record", b"!") == b"\4\3\2\1\2record!"
    frame = decode_frame(b"\4\3\2\1\x80answer")
    assert (frame.correlation, frame.kind, bytes(frame.body)) == (0x01020304, 0x80, b"answer")


@given(numbers, st.sampled_from(Kind), st.binary(max_size=200))
def test_what_is_encoded_is_decoded(number: int, kind: Kind, body: bytes) -> None:
    frame = decode_frame(encode_frame(number, kind, body))
    assert (frame.correlation, frame.kind, bytes(frame.body)) == (number, kind, body)
    assert frame.asks == (kind not in (Kind.ANSWER, Kind.ERROR))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_frame_or_a_typed_error(message: bytes) -> None:
    try:
        frame = decode_frame(message)
    except MalformedMessage:
        return
    assert encode_frame(frame.correlation, frame.kind, bytes(frame.body)) == message


@pytest.mark.parametrize("length", range(HEADER_BYTES))
def test_a_cut_header(length: int) -> None:
    with pytest.raises(MalformedMessage, match="cut short"):
        decode_frame(bytes([0, 0, 0, 0, Kind.REQUEST])[:length])


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(Kind)))
def test_an_unknown_kind(kind: int) -> None:
    with pytest.raises(MalformedMessage, match="unknown"):
        decode_frame(bytes(4) + bytes([kind]))


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (Kind.SESSION, HANDSHAKE_MAX_BYTES),
        (Kind.REQUEST, REQUEST_MAX_BYTES),
        (Kind.LINK_REQUEST, 2 * REQUEST_MAX_BYTES),
        (Kind.GET, 200),
        (Kind.ANSWER, BODY_MAX_BYTES),
        (Kind.ERROR, 4096),
    ],
)
def test_each_kind_has_its_longest_body(kind: Kind, most: int) -> None:
    frame = encode_frame(7, kind, bytes(most))
    assert len(decode_frame(frame).body) == most
    assert len(frame) <= FRAME_MAX_BYTES
    with pytest.raises(MessageTooLarge):
        decode_frame(frame + b"!")
    with pytest.raises(MessageTooLarge):
        encode_frame(7, kind, bytes(most), b"!")


def test_every_posted_path_has_one_kind() -> None:
    assert {PATHS[kind]: kind for kind in PATHS} == KINDS
    assert all(kind < Kind.ANSWER for kind in PATHS)
