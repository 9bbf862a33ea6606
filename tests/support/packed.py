"""What a customer's wallet makes of a packed product, for tests that look into the store."""

from veilmart.crypto.padding import is_zeros, parse_prefix


def unpack_product(packed: bytes) -> tuple[str, bytes]:
    """(name, content) of a whole packed product; the filler has to be zeros."""
    name, content_bytes, start = parse_prefix(packed)
    end = start + content_bytes
    assert end <= len(packed)
    assert is_zeros(packed[end:])
    return name, packed[start:end]
