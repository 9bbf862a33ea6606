"""The product store: addressed by content, whole or not there."""

import hashlib
import os
from pathlib import Path

import pytest
from blake3 import blake3

from veilmart.errors import Misuse, StoreDamaged
from veilmart.limits import PIECE_BYTES
from veilmart.storage.products.folder_store import FolderStore


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cut(content: bytes) -> list[bytes]:
    return [content[i : i + PIECE_BYTES] for i in range(0, len(content), PIECE_BYTES)]


def expected_root(content: bytes) -> bytes:
    hashes = b"".join(blake3(piece).digest() for piece in cut(content))
    return hashlib.sha256(b"veilmart 2026 piece list\0" + hashes).digest()


@pytest.mark.parametrize(
    "size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES]
)
def test_what_is_put_is_read_in_a_folder(tmp_path: Path, size: int) -> None:
    store = FolderStore(tmp_path / "store")
    content = os.urandom(size)
    root = store.put(iter(cut(content)), size)
    assert root == expected_root(content)
    assert store.has(root)
    assert store.size(root) == size
    assert store.read(root, 0, size) == content
    assert store.read(root, size // 2, size - size // 2) == content[size // 2 :]
    assert store.read(root, size, 0) == b""
    assert len(store.piece_list(root)) == 32 * len(cut(content))
    assert FolderStore(tmp_path / "store").has(root)
    assert store.put(cut(content), size) == root
    assert names_in(tmp_path / "store" / "new") == []


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ([b"x"], 2),
        ([b"xx"], 1),
        ([b"x", b"x"], 1),
        ([b"x", b"x"], 2),
        ([b"x", b""], 1),
        ([], 0),
        ([], 1),
        ([b"x" * (PIECE_BYTES + 1)], PIECE_BYTES + 1),
        ([b"x"], -1),
    ],
)
def test_wrong_pieces_leave_nothing(tmp_path: Path, pieces: list[bytes], size: int) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(Misuse):
        store.put(pieces, size)
    assert names_in(tmp_path) == ["new"]
    assert names_in(tmp_path / "new") == []


def test_a_failing_source_leaves_nothing(tmp_path: Path) -> None:
    def source():
        yield b"x" * PIECE_BYTES
        raise KeyError

    with pytest.raises(KeyError):
        FolderStore(tmp_path).put(source(), 2 * PIECE_BYTES)
    assert names_in(tmp_path / "new") == []


def test_damage_is_said_and_mended_by_putting_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    content = os.urandom(PIECE_BYTES + 5)
    root = store.put(cut(content), len(content))
    place = tmp_path / root.hex()[:2] / root.hex()

    def mended() -> bool:
        store.put(cut(content), len(content))
        return store.read(root, 0, len(content)) == content

    os.truncate(place / "data", PIECE_BYTES)
    assert not store.has(root)
    with pytest.raises(StoreDamaged):
        store.read(root, PIECE_BYTES, 5)
    assert mended()

    (place / "data").unlink()
    with pytest.raises(StoreDamaged):
        store.read(root, 0, 1)
    assert mended()

    (place / "pieces").write_bytes(bytes(64))
    with pytest.raises(StoreDamaged):
        store.piece_list(root)
    assert mended()
    assert len(store.piece_list(root)) == 64

    with (place / "data").open("r+b") as stream:
        stream.write(bytes([content[0] ^ 1]))
    assert mended()


def test_what_was_never_put_is_missing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert not store.has(bytes(32))
    for ask in (store.size, store.piece_list, lambda root: store.read(root, 0, 1)):
        with pytest.raises(StoreDamaged):
            ask(bytes(32))
    with pytest.raises(Misuse):
        store.has(b"../../etc/passwd")
    with pytest.raises(Misuse):
        store.read(bytes(32), -1, 1)


def test_what_a_killed_put_left_is_cleared_but_not_what_runs(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "new" / "left").mkdir()
    (tmp_path / "new" / "left" / "data").write_bytes(b"half")

    def pieces():
        yield b"x" * PIECE_BYTES
        FolderStore(tmp_path)
        yield b"y"

    root = store.put(pieces(), PIECE_BYTES + 1)
    assert store.has(root)
    assert names_in(tmp_path / "new") == []
