"""Opaque names for addresses.

Browsers keep and synchronise the addresses of pages. A product's id, an order's hash or a
merchant's fingerprint would tell there what somebody looked at, so an address carries a name that
only this process can translate, and only until it ends.
"""

from hashlib import blake2b

from veilmart.errors import PageOutdated
from veilmart.limits import WEB_NAMES_MAX

NAME_CHARACTERS = 24


class OpaqueNames:
    """Names of things, by kind. The oldest are forgotten first."""

    def __init__(self, key: bytes) -> None:
        """key: 32 random bytes of this process."""
        self._key = key
        self._values: dict[str, tuple[str, bytes]] = {}

    def name(self, kind: str, value: bytes) -> str:
        """24 hexadecimal digits, the same for the same thing until the process ends."""
        framed = kind.encode() + b"\0" + value
        name = blake2b(framed, key=self._key, digest_size=NAME_CHARACTERS // 2).hexdigest()
        if name not in self._values:
            if len(self._values) >= WEB_NAMES_MAX:
                del self._values[next(iter(self._values))]
            self._values[name] = (kind, value)
        return name

    def value(self, kind: str, name: str) -> bytes:
        """What was named. Raises PageOutdated for a name that this process did not give."""
        found = self._values.get(name)
        if found is None or found[0] != kind:
            raise PageOutdated
        return found[1]
