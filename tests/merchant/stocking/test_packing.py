"""What may be sold and how it is packed: hostile names and files, padding, changed sources."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.bad_names import BAD_NAMES
from tests.support.packed import unpack_product
from tests.support.scripted_merchant import NOW
from veilmart.crypto.padding import pack_product
from veilmart.errors import BadName, BadSourceFile, SourceChanged
from veilmart.limits import PIECE_BYTES
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.goods.shelves import load_shelves
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.stocking import packing
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import Source, look_at, pack, sources_in
from veilmart.protocol.parcel import check_piece_list
from veilmart.storage.products.folder_store import FolderStore


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    source = tmp_path / "content"
    source.write_bytes(b"x")
    with pytest.raises(BadName):
        look_at(source, file_name=name)


@pytest.mark.parametrize("name", ["a", "n" * 200, "ä" * 100, "résumé (final).pdf", "日本.txt"])
def test_names_that_are_fine(tmp_path: Path, name: str) -> None:
    source = tmp_path / "content"
    source.write_bytes(b"x")
    assert look_at(source, file_name=name).file_name == name


def _symlink(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"secret")
    path.symlink_to(target)


def _unreadable(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


BAD_FILES: dict[str, Any] = {
    "empty": lambda path: path.write_bytes(b""),
    "symlink": _symlink,
    "dangling_symlink": _unreadable,
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "missing": lambda path: None,
}


@pytest.mark.parametrize("make", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_files_that_are_refused(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(BadSourceFile):
        look_at(path)


def test_a_device_is_refused() -> None:
    with pytest.raises(BadSourceFile):
        look_at(Path("/dev/null"))


def test_a_folder_gives_its_files_but_not_the_hidden_ones(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    assert [source.file_name for source in sources_in(tmp_path)] == ["a", "b"]


def test_folders_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSourceFile):
        sources_in(tmp_path)
    (tmp_path / "sub").mkdir()
    with pytest.raises(BadSourceFile):
        sources_in(tmp_path)
    with pytest.raises(BadSourceFile):
        sources_in(tmp_path / "missing")


PREFIX = len(pack_product(bytes(32), "file", 1))
LENGTHS = [
    1,
    1024 - PREFIX,
    PIECE_BYTES - PREFIX - 1,
    PIECE_BYTES - PREFIX,
    PIECE_BYTES - PREFIX + 1,
    2 * PIECE_BYTES + 5,
]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("filler", [0, 1, PIECE_BYTES])
def test_packed_bytes_unpack_to_the_file(tmp_path: Path, length: int, filler: int) -> None:
    content = os.urandom(length)
    path = tmp_path / "file"
    path.write_bytes(content)
    source = look_at(path)
    assert source.packed_size == PREFIX + length
    store = FolderStore(tmp_path / "store")
    size = source.packed_size + filler
    packed = pack(source, size, store, os.urandom)
    check_piece_list(packed.pieces, packed.root, size)
    assert unpack_product(store.read(packed.root, 0, size)) == ("file", content)


def test_the_same_file_twice_has_two_roots(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"same")
    store = FolderStore(tmp_path / "store")
    roots = {pack(look_at(path), 1024, store, os.urandom).root for _ in range(2)}
    assert len(roots) == 2


def _grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def _shrink(path: Path) -> None:
    os.truncate(path, 10)


def _rewrite(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"other")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("change", "when"),
    [
        (_grow, "before"),
        (_shrink, "before"),
        (_grow, "while"),
        (_shrink, "while"),
        (_rewrite, "while"),
    ],
)
def test_a_source_that_changes(
    tmp_path: Path, change: Any, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 * PIECE_BYTES))
    source = look_at(path)
    if when == "before":
        change(path)
    else:
        read, calls = os.read, []

        def reading(descriptor: int, length: int) -> bytes:
            calls.append(length)
            if len(calls) == 2:
                change(path)
            return read(descriptor, length)

        monkeypatch.setattr(packing.os, "read", reading)  # type: ignore[attr-defined]
    store = FolderStore(tmp_path / "store")
    with pytest.raises(SourceChanged):
        pack(source, 4 * PIECE_BYTES, store, os.urandom)


def test_a_failed_batch_puts_nothing_on_sale(market: MerchantHome, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"g" * 100)
    bad.write_bytes(b"b" * 100)
    sources = (look_at(good), look_at(bad))
    os.truncate(bad, 5)
    with pytest.raises(SourceChanged):
        add_now(market, sources, now=NOW, random=os.urandom)
    assert market.database.run_now(load_products) == ()
    assert market.database.run_now(load_shelves) == ()


def test_large_files_are_copied_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(8 * PIECE_BYTES)
    asked: list[int] = []
    read = os.read

    def reading(descriptor: int, length: int) -> bytes:
        asked.append(length)
        return read(descriptor, length)

    monkeypatch.setattr(packing.os, "read", reading)  # type: ignore[attr-defined]

    class Counting(FolderStore):
        def put(self, pieces: Any, size: int) -> bytes:
            root = hashlib.sha256()
            for piece in pieces:
                assert len(piece) <= PIECE_BYTES
                root.update(piece)
            return root.digest()

        def piece_list(self, root: bytes) -> bytes:
            return root

    source = Source(path, "large", None, None, 8 * PIECE_BYTES)
    pack(source, 9 * PIECE_BYTES, Counting(tmp_path / "store"), os.urandom)
    assert max(asked) <= PIECE_BYTES
