"""No key stands twice in a map (docs/protocol/01-notation.md, 1.2).

MessagePack parsers keep the first of two equal keys, or the last, or refuse: two verifiers of one
signed object would read different things in it.
"""

from struct import unpack_from

from veilmart.errors import MalformedMessage

_FIXED_BYTES = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
# Type byte → format of the length that follows, and what comes on top of it (an extension's type).
_COUNTED = {
    0xC4: (">B", 0), 0xC5: (">H", 0), 0xC6: (">I", 0), 0xC7: (">B", 1), 0xC8: (">H", 1),
    0xC9: (">I", 1), 0xD9: (">B", 0), 0xDA: (">H", 0), 0xDB: (">I", 0),
}  # fmt: skip
_LONG = {0xDC: (">H", False), 0xDD: (">I", False), 0xDE: (">H", True), 0xDF: (">I", True)}
_LENGTH_BYTES = {">B": 1, ">H": 2, ">I": 4}


def check_unique_keys(data: bytes | memoryview) -> None:
    """Raises MalformedMessage if a map in `data` has a key twice. `data` is valid MessagePack.

    Time and memory grow with the bytes of `data`, whatever it is nested like.
    """
    data = bytes(data)
    # Of each open map: its keys so far, and how many items are to come; arrays keep no keys.
    open_ones: list[tuple[set[bytes] | None, int]] = []
    place = 0
    while place < len(data):
        start = place
        place, items, is_map = _item(data, place)
        if open_ones:
            keys, left = open_ones.pop()
            if keys is not None and left % 2 == 0:
                key = data[start:place]
                text = _key_text(key)
                if text in keys:
                    raise MalformedMessage("A key stands twice.")
                keys.add(text)
            if left > 1:
                open_ones.append((keys, left - 1))
        if items:
            open_ones.append((set() if is_map else None, items))


def _item(data: bytes, place: int) -> tuple[int, int, bool]:
    """(where the item's own bytes end, items that it holds, whether it is a map)."""
    kind = data[place]
    place += 1
    if 0x80 <= kind <= 0x9F:
        is_map = kind <= 0x8F
        return place, (kind & 0x0F) * (2 if is_map else 1), is_map
    if kind in _COUNTED:
        form, more = _COUNTED[kind]
        return place + _LENGTH_BYTES[form] + unpack_from(form, data, place)[0] + more, 0, False
    if kind not in _LONG:
        fixed = kind & 0x1F if 0xA0 <= kind <= 0xBF else _FIXED_BYTES.get(kind, 0)
        return place + fixed, 0, False
    form, is_map = _LONG[kind]
    count: int = unpack_from(form, data, place)[0]
    return place + _LENGTH_BYTES[form], count * (2 if is_map else 1), is_map


def _key_text(key: bytes) -> bytes:
    """A string key's text without its length, which has several forms."""
    kind = key[0]
    return key[{0xD9: 2, 0xDA: 3, 0xDB: 5}.get(kind, 1) :]
