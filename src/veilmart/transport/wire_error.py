"""The body of every answer that is not 200; both sides of HTTP read it here."""

import msgspec

OCTETS = "application/octet-stream"


class WireError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MessagePack {"code": int, "detail": str}."""

    code: int
    detail: str
