"""Padding of messages to cells and of products to their shelf's size (protocol 4.4, 8.1)."""

from struct import Struct, error as struct_error

from veilmart.characters import is_plain
from veilmart.errors import BadName, MalformedMessage, Misuse, PaddingInvalid
from veilmart.limits import CELL_BYTES, INTEGER_MAX, NAME_MAX_BYTES

SMALL_SHELF_MAX_BYTES = 64 * 1024
PRODUCT_RANDOM_BYTES = 32
PRODUCT_PREFIX_MAX_BYTES = PRODUCT_RANDOM_BYTES + 8 + 2 + NAME_MAX_BYTES
_LENGTH_BYTES = 4

_le32 = Struct("<I")
_lengths = Struct("<QH")


def cells(size_bytes: int) -> int:
    """The number of 1 KiB cells that hold `size_bytes` bytes."""
    if size_bytes < 0:
        raise Misuse("A length cannot be negative.")
    return -(-size_bytes // CELL_BYTES)


def padme(size_bytes: int) -> int:
    """`size_bytes` rounded up so that its length leaks O(log log) bits, by at most 12 per cent.

    Padmé: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, "Reducing Metadata Leakage from
    Encrypted Files and Communication with PURBs", PoPETs 2019(4), section 4, algorithm 1.
    """
    if size_bytes < 0:
        raise Misuse("A length cannot be negative.")
    if size_bytes < 2:
        return size_bytes
    exponent = size_bytes.bit_length() - 1
    zero_bits = exponent - exponent.bit_length()
    unit = 1 << zero_bits
    return -(-size_bytes // unit) * unit


def shelf_bytes(largest_bytes: int) -> int:
    """Size of a shelf whose largest packed product has `largest_bytes` bytes (1 or more).

    Multiples of 1 KiB up to 64 KiB; above, Padmé rounded up to a multiple of 1 KiB.
    """
    if largest_bytes < 1:
        raise Misuse("A packed product is never empty.")
    if largest_bytes <= SMALL_SHELF_MAX_BYTES:
        return cells(largest_bytes) * CELL_BYTES
    return cells(padme(largest_bytes)) * CELL_BYTES


def is_zeros(filler: bytes | memoryview) -> bool:
    """True if every byte is zero; for checking a product's filler piece by piece."""
    return bytes(filler).count(0) == len(filler)


def pad_message(body: bytes, cell_count: int) -> bytes:
    """LE32|body| ‖ body ‖ zeros, `cell_count` times 1 KiB. Misuse if it does not fit."""
    size_bytes = cell_count * CELL_BYTES
    if _LENGTH_BYTES + len(body) > size_bytes:
        raise Misuse(f"A message of {len(body)} bytes does not fit into {cell_count} cells.")
    return (_le32.pack(len(body)) + body).ljust(size_bytes, b"\0")


def unpad_message(padded: bytes) -> bytes:
    """The body. Raises MalformedMessage on a wrong length or a filler that is not all zero.

    The number of cells is the caller's to check: a catalogue's last one is cut by its signature.
    """
    if len(padded) < _LENGTH_BYTES:
        raise MalformedMessage("A message is too short to hold its length.")
    end = _LENGTH_BYTES + _le32.unpack_from(padded)[0]
    if end > len(padded):
        raise MalformedMessage("A message is shorter than it says.")
    if not is_zeros(padded[end:]):
        raise MalformedMessage("A message's filler is not zero.")
    return padded[_LENGTH_BYTES:end]


def pack_product(random32: bytes, name: str, content_bytes: int) -> bytes:
    """The bytes before a product's content: 32 random ‖ LE64 length ‖ LE16|name| ‖ name.

    Zeros up to the shelf's size follow the content. Raises BadName for a name that is empty,
    longer than 200 bytes, hidden, or not a plain file name.
    """
    if len(random32) != PRODUCT_RANDOM_BYTES or not 0 <= content_bytes <= INTEGER_MAX:
        raise Misuse("A product has 32 random bytes and a length within 53 bits.")
    if not _is_file_name(name):
        raise BadName()
    encoded = name.encode()
    return random32 + _lengths.pack(content_bytes, len(encoded)) + encoded


def parse_prefix(beginning: bytes) -> tuple[str, int, int]:
    """(name, content bytes, prefix bytes) from a product's first bytes.

    242 bytes (PRODUCT_PREFIX_MAX_BYTES) are always enough; fewer will do for a small product.
    The name has no slash, so it cannot point out of the output folder. Raises PaddingInvalid.
    """
    try:
        content_bytes, name_bytes = _lengths.unpack_from(beginning, PRODUCT_RANDOM_BYTES)
    except struct_error:
        raise PaddingInvalid("A product is too short to hold its length.") from None
    start = PRODUCT_RANDOM_BYTES + _lengths.size
    end = start + name_bytes
    if name_bytes > NAME_MAX_BYTES or end > len(beginning) or content_bytes > INTEGER_MAX:
        raise PaddingInvalid("A product's length or name is out of bounds.")
    try:
        name = bytes(beginning[start:end]).decode()
    except UnicodeDecodeError:
        raise PaddingInvalid("A product's name is not UTF-8.") from None
    if not _is_file_name(name):
        raise PaddingInvalid("A product's name is not a plain file name.")
    return name, content_bytes, end


def _is_file_name(name: str) -> bool:
    if not name or name.startswith(".") or not is_plain(name) or set(name) & {"/", "\\"}:
        return False
    try:
        return len(name.encode()) <= NAME_MAX_BYTES
    except UnicodeEncodeError:
        return False
