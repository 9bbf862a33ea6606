"""Hourly keys for session rows, in a file of the home folder: never in the database.

Anyone who gets the database, or an old backup of it, gets no session. A row is sealed under its
hour's key; the hour before is still opened, as long as a session lives. Whichever worker needs a
new key first makes it.
"""

from collections.abc import Callable

import msgspec

from veilmart.errors import StoreDamaged
from veilmart.storage.files.home import Home

KEY_BYTES = 32
HOUR_SECONDS = 3600
_FILE = "session-keys"


class RowKeys:
    """random: n → n unpredictable bytes."""

    def __init__(self, home: Home, random: Callable[[int], bytes]) -> None:
        self._home = home
        self.random = random
        self._keys: dict[int, bytes] = {}

    def newest(self, now: int) -> tuple[int, bytes]:
        """(hour, key of 32 bytes) to seal with. Raises DiskFull, CannotWrite, StoreDamaged."""
        hour = now // HOUR_SECONDS
        key = self._keys.get(hour)
        if key is None:
            self._renew(hour)
            key = self._keys[hour]
        return hour, key

    def find(self, hour: int, now: int) -> bytes | None:
        """The key to open with; None when it has ended."""
        current = now // HOUR_SECONDS
        if not current - 1 <= hour <= current + 1:
            return None
        if hour not in self._keys:
            self._keys = self._read()
        return self._keys.get(hour)

    def _renew(self, hour: int) -> None:
        with self._home.lock(_FILE):
            keys = {known: key for known, key in self._read().items() if known >= hour - 1}
            keys.setdefault(hour, self.random(KEY_BYTES))
            self._home.write_secret(_FILE, msgspec.msgpack.encode(keys))
        self._keys = keys

    def _read(self) -> dict[int, bytes]:
        if not self._home.has(_FILE):
            return {}
        try:
            return msgspec.msgpack.decode(self._home.read(_FILE), type=dict[int, bytes])
        except msgspec.DecodeError as fault:
            raise StoreDamaged(_FILE) from fault
