"""Both product stores keep the same promises: a folder, and S3-compatible storage on loopback."""

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest

from veilmart.errors import BadArgument, Misuse, StoreAway, StoreDamaged
from veilmart.limits import PIECE_BYTES
from veilmart.storage.products.bucket_store import ObjectStore
from veilmart.storage.products.folder_store import FolderStore, ProductStore, root_of
from veilmart.storage.products.open_store import open_store

BUCKET = "goods"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server of its own, with one bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/{BUCKET}", method="PUT")).close()
    yield address
    server.stop()


@pytest.fixture
def bucket(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "name",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": s3,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    return tmp_path if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def store(place: str | Path) -> ProductStore:
    return open_store(place)


def cut(content: bytes) -> list[bytes]:
    return [content[i : i + PIECE_BYTES] for i in range(0, len(content), PIECE_BYTES)]


def names(store: ObjectStore) -> list[str]:
    return [entry["path"] for page in obstore.list(store._store) for entry in page]


@pytest.mark.parametrize("size", [1, PIECE_BYTES, PIECE_BYTES + 1])
def test_what_is_put_is_read(store: ProductStore, place: str | Path, size: int) -> None:
    content = os.urandom(size)
    store.check()
    root = store.put(iter(cut(content)), size)
    for one in (store, open_store(place)):
        assert one.has(root)
        assert one.size(root) == size
        assert root_of(one.piece_list(root)) == root
        assert one.read(root, 0, size) == content
        assert one.read(root, size // 2, size - size // 2) == content[size // 2 :]
        assert one.read(root, size, 0) == b""
        with pytest.raises(StoreDamaged):
            one.read(root, 0, size + 1)
    assert store.put(cut(content), size) == root


def test_a_range_across_pieces(store: ProductStore) -> None:
    content = os.urandom(2 * PIECE_BYTES + 9)
    root = store.put(cut(content), len(content))
    assert (
        store.read(root, PIECE_BYTES - 5, PIECE_BYTES + 10)
        == content[PIECE_BYTES - 5 : 2 * PIECE_BYTES + 5]
    )


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ([b"x"], 2),
        ([b"xx"], 1),
        ([b"x", b"x"], 1),
        ([b"x", b""], 1),
        ([], 0),
        ([], 1),
        ([b"x" * (PIECE_BYTES + 1)], PIECE_BYTES + 1),
        ([b"x"], -1),
    ],
)
def test_wrong_pieces_are_refused(store: ProductStore, pieces: list[bytes], size: int) -> None:
    with pytest.raises(Misuse):
        store.put(pieces, size)
    if isinstance(store, ObjectStore):
        assert names(store) == []


def test_a_failing_source_leaves_nothing(store: ProductStore, tmp_path: Path) -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * PIECE_BYTES
        raise KeyError

    with pytest.raises(KeyError):
        store.put(source(), 2 * PIECE_BYTES)
    if isinstance(store, FolderStore):
        assert list((tmp_path / "new").iterdir()) == []
    elif isinstance(store, ObjectStore):
        assert names(store) == []


def test_what_was_never_put_is_missing(store: ProductStore) -> None:
    assert not store.has(bytes(32))
    asks: list[Any] = [store.size, store.piece_list, lambda root: store.read(root, 0, 1)]
    for ask in asks:
        with pytest.raises(StoreDamaged):
            ask(bytes(32))
    with pytest.raises(Misuse):
        store.has(b"../../etc/passwd")
    with pytest.raises(Misuse):
        store.read(bytes(32), -1, 1)


@pytest.mark.parametrize("what", ["a piece lost", "a piece changed", "root lost", "root changed"])
def test_a_lost_or_damaged_object_is_said_and_mended_by_putting_again(
    bucket: str, what: str
) -> None:
    store = ObjectStore(bucket)
    content = os.urandom(PIECE_BYTES + 5)
    root = store.put(cut(content), len(content))
    kind = "root/" if what.startswith("root") else "data/"
    victim = sorted(name for name in names(store) if kind in name)[0]
    if what.endswith("lost"):
        obstore.delete(store._store, victim)
    else:
        damaged = bytearray(obstore.get(store._store, victim).bytes())
        damaged[-1] ^= 1
        obstore.put(store._store, victim, bytes(damaged))
    fresh = ObjectStore(bucket)
    with pytest.raises(StoreDamaged):
        fresh.read(root, 0, PIECE_BYTES)
    assert fresh.has(root) is (what == "a piece changed")
    assert fresh.put(cut(content), len(content)) == root
    assert fresh.read(root, 0, len(content)) == content
    # Also anyone who knew the earlier place finds the new one.
    assert store.read(root, 0, len(content)) == content


def test_a_store_that_cannot_be_reached_is_said(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadArgument):
        open_store("http://somewhere/else")
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    away = ObjectStore(bucket)
    for ask in (away.check, lambda: away.put([b"x"], 1), lambda: away.read(bytes(32), 0, 1)):
        with pytest.raises(StoreAway):
            ask()


def test_a_first_read_asks_the_bucket_for_no_more_than_the_next(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product that was not read since the start is as quick as the one sold all day."""
    roots = [open_store(bucket).put([content], len(content)) for content in (b"one", b"two")]
    started = open_store(bucket)
    obstore.put(started._store, "root/not-ours", b"x")  # type: ignore[attr-defined]
    started.learn()
    asked: list[str] = []
    for name in ("get", "get_range"):
        real = getattr(obstore, name)

        def counting(store: object, path: str, real: Any = real, **options: Any) -> Any:
            asked.append(path)
            return real(store, path, **options)

        monkeypatch.setattr(obstore, name, counting)
    for root in (roots[0], roots[0], roots[1]):
        asked.clear()
        started.read(root, 0, 3)
        assert len(asked) == 1
