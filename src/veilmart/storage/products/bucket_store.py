"""Padded products in S3-compatible storage, by obstore; the same promises as the folder's.

    <prefix>/data/<random, 32 hex digits>/<index, 5 digits>      one piece of 1 MiB each
    <prefix>/root/<root in hex>     LE64(size) ‖ name of the data's folder (16) ‖ piece list

The root's object is written last and is one PUT: a product is there whole, or not at all. Bucket,
address and credentials come from the URL and the AWS_* variables of the environment.
"""

import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from veilmart.crypto.hash_functions import bulk_hash
from veilmart.errors import BadArgument, Misuse, StoreDamaged
from veilmart.limits import CONNECT_SECONDS, HASH_BYTES, PIECE_BYTES, PIECES_MAX
from veilmart.storage.products.bucket_errors import bucket_error, names_no_bucket
from veilmart.storage.products.folder_store import root_named, root_of

_SIZE_BYTES = 8
_NAME_BYTES = 16
_HEAD_BYTES = _SIZE_BYTES + _NAME_BYTES
_REQUEST_SECONDS = 30
_RETRIES = 3
_RETRY_SECONDS = 10
_LEARNERS = 16


class _Product(NamedTuple):
    """What a root's object says. folder: of the pieces."""

    size: int
    folder: str
    piece_list: bytes


class ObjectStore:
    """A `ProductStore`. Thread-safe."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises BadArgument for a URL that obstore does not take."""
        try:
            self._store: Any = S3Store.from_url(
                url,
                config={"checksum_algorithm": "SHA256"},
                client_options={
                    # Given options replace those of the environment.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
                    "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                    "timeout": timedelta(seconds=_REQUEST_SECONDS),
                },
                retry_config={
                    "max_retries": _RETRIES,
                    "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
                },
            )
        except (BaseError, ValueError) as fault:
            raise BadArgument("A product store is s3://BUCKET/PREFIX.") from fault
        self._known: dict[bytes, _Product] = {}
        self._turn = threading.Lock()

    def check(self) -> None:
        """See `ProductStore`."""
        with _typed_errors():
            next(iter(obstore.list(self._store, "root", chunk_size=1)), None)

    def learn(self) -> None:
        """See `ProductStore`. Every root's object is kept: 32 bytes for each MiB of goods."""
        roots = list(self.roots())
        with self._turn:
            fresh = [root for root in roots if root not in self._known]
        with ThreadPoolExecutor(_LEARNERS) as threads:
            found = list(threads.map(self._find, fresh))
        with self._turn:
            self._known |= {
                root: product
                for root, product in zip(fresh, found, strict=True)
                if product is not None
            }

    def roots(self) -> Iterator[bytes]:
        """See `ProductStore`. What nobody of us has put there is passed over."""
        with _typed_errors():
            for page in obstore.list(self._store, "root"):
                names = (entry["path"].rsplit("/", 1)[-1] for entry in page)
                yield from (root for name in names if (root := root_named(name)) is not None)

    def put(self, pieces: Iterable[bytes], size: int) -> bytes:
        """See `ProductStore`. Each piece travels with its checksum. Raises StoreAway, Misuse.

        A product put again takes the place of the one before, whose pieces may be damaged.
        """
        if not 0 < size <= PIECES_MAX * PIECE_BYTES:
            raise Misuse("A product has 1 byte to 16 GiB.")
        folder = secrets.token_hex(_NAME_BYTES)
        try:
            piece_list = self._put_pieces(folder, pieces, size)
            root = root_of(piece_list)
            earlier = self._find(root)
            with _typed_errors():
                head = size.to_bytes(_SIZE_BYTES, "little") + bytes.fromhex(folder)
                obstore.put(self._store, _root_path(root), head + piece_list)
        except BaseException:
            self._remove(folder)
            raise
        self._forget(root)
        if earlier is not None:
            self._remove(earlier.folder)
        return root

    def has(self, root: bytes) -> bool:
        """See `ProductStore`."""
        product = self._find(root)
        return product is not None and self._intact(product)

    def size(self, root: bytes) -> int:
        """See `ProductStore`."""
        return self._product(root).size

    def piece_list(self, root: bytes) -> bytes:
        """See `ProductStore`."""
        return self._product(root).piece_list

    def read(self, root: bytes, offset: int, length: int) -> bytes:
        """See `ProductStore`. Whole pieces are compared with the list. Raises also StoreAway."""
        if offset < 0 or length < 0:
            raise Misuse("A range begins at 0 and has no negative length.")
        for _attempt in range(2):
            product = self._product(root)
            if offset + length > product.size:
                raise _damaged(root)
            try:
                return b"".join(self._ranges(root, product, offset, offset + length))
            except StoreDamaged:
                # It may have been put again meanwhile, into another folder.
                self._forget(root)
        raise _damaged(root)

    def _put_pieces(self, folder: str, pieces: Iterable[bytes], size: int) -> bytes:
        hashes = []
        left = size
        for index, piece in enumerate(pieces):
            if len(piece) != min(left, PIECE_BYTES) or not left:
                raise Misuse("Every piece but the last has 1 MiB; together they have the size.")
            with _typed_errors():
                obstore.put(self._store, _piece_path(folder, index), piece, use_multipart=False)
            hashes.append(bulk_hash(piece))
            left -= len(piece)
        if left:
            raise Misuse(f"The pieces are {left} bytes short.")
        return b"".join(hashes)

    def _ranges(self, root: bytes, product: _Product, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            index, first = divmod(start, PIECE_BYTES)
            whole = min(PIECE_BYTES, product.size - index * PIECE_BYTES)
            last = min(whole, first + end - start)
            path = _piece_path(product.folder, index)
            with _typed_errors(root):
                part = bytes(obstore.get_range(self._store, path, start=first, end=last))
            if len(part) != last - first:
                raise _damaged(root)
            if len(part) == whole:
                expected = product.piece_list[index * HASH_BYTES : (index + 1) * HASH_BYTES]
                if bulk_hash(part) != expected:
                    raise _damaged(root)
            yield part
            start += len(part)

    def remove(self, root: bytes) -> None:
        found = self._find(root)
        if found is None:
            return
        with suppress(BaseError, OSError):
            obstore.delete(self._store, [_root_path(root)])
        self._remove(found.folder)
        self._forget(root)

    def _product(self, root: bytes) -> _Product:
        with self._turn:
            known = self._known.get(root)
        if known is None:
            known = self._find(root)
            if known is None:
                raise _damaged(root)
            with self._turn:
                self._known[root] = known
        return known

    def _find(self, root: bytes) -> _Product | None:
        """None when it is missing or does not fit its root."""
        if len(root) != HASH_BYTES:
            raise Misuse("A root has 32 bytes.")
        try:
            with _typed_errors(root):
                content = bytes(obstore.get(self._store, _root_path(root)).bytes())
        except StoreDamaged:
            return None
        size = int.from_bytes(content[:_SIZE_BYTES], "little")
        folder, piece_list = content[_SIZE_BYTES:_HEAD_BYTES].hex(), content[_HEAD_BYTES:]
        pieces = len(piece_list) // HASH_BYTES
        if root_of(piece_list) != root or not (pieces - 1) * PIECE_BYTES < size <= (
            pieces * PIECE_BYTES
        ):
            return None
        return _Product(size, folder, piece_list)

    def _intact(self, product: _Product) -> bool:
        """Whether every piece is there with its length."""
        with _typed_errors():
            found = {
                entry["path"].rsplit("/", 1)[-1]: entry["size"]
                for page in obstore.list(self._store, f"data/{product.folder}")
                for entry in page
            }
        return found == {
            f"{index:05}": min(PIECE_BYTES, product.size - index * PIECE_BYTES)
            for index in range(len(product.piece_list) // HASH_BYTES)
        }

    def _remove(self, folder: str) -> None:
        """As far as possible: what stays behind takes room, but nothing leads to it."""
        try:
            for page in obstore.list(self._store, f"data/{folder}"):
                obstore.delete(self._store, [entry["path"] for entry in page])
        except (BaseError, OSError):
            return

    def _forget(self, root: bytes) -> None:
        with self._turn:
            self._known.pop(root, None)


def _piece_path(folder: str, index: int) -> str:
    return f"data/{folder}/{index:05}"


def _root_path(root: bytes) -> str:
    return f"root/{root.hex()}"


@contextmanager
def _typed_errors(root: bytes | None = None) -> Iterator[None]:
    """`StoreDamaged` for what is not there, if it is a product's; else `StoreAway` or one of its
    kinds (bucket_errors.py).
    """
    try:
        yield
    except (NotFoundError, FileNotFoundError) as fault:
        if root is None or names_no_bucket(fault):
            raise bucket_error(fault) from fault
        raise _damaged(root) from fault
    except (BaseError, OSError) as fault:
        raise bucket_error(fault) from fault


def _damaged(root: bytes) -> StoreDamaged:
    return StoreDamaged(f"The product {root.hex()[:16]}...")
