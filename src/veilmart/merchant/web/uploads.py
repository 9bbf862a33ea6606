"""Files that a browser sends in parts: written as they come, resumed by offset, bounded.

A part is at most 8 MiB and is written piece by piece, so memory does not grow with the file. What
was written survives the process: the name of an upload comes from the file's name, size and time of
change, and the same file sent again goes on where it stopped.
"""

import asyncio
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from veilmart.errors import FormInvalid, PageOutdated
from veilmart.limits import PIECE_BYTES, PIECES_MAX, WEB_UPLOAD_CHUNK_BYTES
from veilmart.protocol.ports import Random
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.web.forms import bounded_body

NAME_CHARACTERS = 32
FILE_MAX_BYTES = PIECES_MAX * PIECE_BYTES
UPLOADS_MAX = 200
CHANGED_MAX_CHARACTERS = 20


@dataclass(frozen=True)
class Upload:
    """offset: bytes stored. size: bytes of the whole file."""

    name: str
    file_name: str
    size: int
    offset: int

    @property
    def done(self) -> bool:
        return self.offset == self.size


class Uploads:
    """One folder: NAME.json says what a file is, NAME.part holds its bytes."""

    def __init__(self, folder: Path, random: Random) -> None:
        self._folder, self._random = folder, random
        self._turns: dict[str, asyncio.Lock] = {}

    def begin(self, file_name: str, size: str, changed: str = "") -> Upload:
        """A new upload, or the one of the same file. Raises FormInvalid, CannotWrite, DiskFull.

        changed: when the browser says that the file was changed last; parts of a file before and
        after a change are not joined.
        """
        if not (size.isascii() and size.isdigit() and len(size) < 16):
            raise FormInvalid("The size is not a number.")
        if not 0 < int(size) <= FILE_MAX_BYTES or not 0 < len(file_name.encode()) <= 255:
            raise FormInvalid("The file is empty, too large, or its name is too long.")
        key = f"{size}/{changed[:CHANGED_MAX_CHARACTERS]}/{file_name}".encode()
        name = hashlib.sha256(key).hexdigest()[:NAME_CHARACTERS]
        with typed_file_errors("The upload"):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not self._about(name).exists():
                if len(list(self._folder.glob("*.json"))) >= UPLOADS_MAX:
                    raise FormInvalid("Too many files are waiting; put them on sale first.")
                self._part(name).touch(mode=0o600)
                self._about(name).write_text(json.dumps([file_name, int(size)]))
        return self.find(name)

    def find(self, name: str) -> Upload:
        """Raises PageOutdated."""
        if len(name) != NAME_CHARACTERS or not set(name) <= set("0123456789abcdef"):
            raise PageOutdated
        try:
            file_name, size = json.loads(self._about(name).read_text())
            return Upload(name, file_name, size, self._part(name).stat().st_size)
        except (OSError, ValueError):
            raise PageOutdated("That upload is not known any longer.") from None

    async def take_part(self, name: str, offset: str, request: Request) -> Upload:
        """Append the body. Raises FormInvalid for another offset, PageOutdated, DiskFull."""
        async with self._turns.setdefault(name, asyncio.Lock()):
            upload = await asyncio.to_thread(self.find, name)
            if offset != str(upload.offset):
                raise FormInvalid(f"{upload.offset} bytes are stored; go on from there.")
            room = min(WEB_UPLOAD_CHUNK_BYTES, upload.size - upload.offset)
            with typed_file_errors("The upload"), self._part(name).open("ab") as stream:
                async for chunk in bounded_body(request, room):
                    await asyncio.to_thread(stream.write, chunk)
                await asyncio.to_thread(stream.flush)
                await asyncio.to_thread(os.fsync, stream.fileno())
            return await asyncio.to_thread(self.find, name)

    def complete(self) -> list[Upload]:
        """Files that are here whole and wait to be put on sale."""
        if not self._folder.is_dir():
            return []
        found = [self.find(path.stem) for path in sorted(self._folder.glob("*.json"))]
        return [upload for upload in found if upload.done]

    def path(self, name: str) -> Path:
        """Raises PageOutdated, FormInvalid while parts are missing."""
        if not self.find(name).done:
            raise FormInvalid("The file has not come whole.")
        return self._part(name)

    def file_name(self, name: str) -> str:
        return self.find(name).file_name

    def forget(self, names: list[str]) -> None:
        """They are on sale."""
        for name in names:
            upload = self.find(name)
            self._about(upload.name).unlink(missing_ok=True)
            self._part(upload.name).unlink(missing_ok=True)

    def _about(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _part(self, name: str) -> Path:
        return self._folder / f"{name}.part"
