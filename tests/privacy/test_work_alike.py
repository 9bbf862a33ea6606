"""Work equality without a clock: what the merchant does for a choice and its segment.

The same statements, the same number of steps of SQLite's machine for each (so rows that are
touched), the same reads of the store with the same lengths, whatever product of a shelf is chosen.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Connection

from tests.privacy.conftest import MakeStall
from tests.privacy.work import Done, statements
from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import delivered, offered, shop_with
from veilmart.merchant.sales import codes
from veilmart.merchant.server import tunnel_rules
from veilmart.protocol import labels
from veilmart.protocol.link_messages import FetchSegment
from veilmart.protocol.offer import Offer, open_object, order_of
from veilmart.storage.products.folder_store import FolderStore

READS = ("piece_list", "read", "size", "has")


@contextmanager
def counted() -> Iterator[Done]:
    """Statements, and reads of the store."""
    done: Done = []

    def watched(name: str) -> Callable[..., Any]:
        honest = getattr(FolderStore, name)

        def call(store: FolderStore, *arguments: Any) -> Any:
            answer = honest(store, *arguments)
            done.append((name, len(answer) if isinstance(answer, bytes) else 0))
            return answer

        return call

    with ExitStack() as stack:
        for name in READS:
            stack.enter_context(patch.object(FolderStore, name, watched(name)))
        stack.enter_context(statements(done))
        yield done


def served(stall: Stall, title: str) -> None:
    """A choice and its first segment."""
    customer, found, _ = offered(stall, title)
    key = customer.descriptor.descriptor.signing_key
    offer = open_object(Offer, key, labels.OFFER, found.offer)
    name = order_of(found.offer)
    assert offer.size
    reply = stall.ask(stall.link(), FetchSegment(order=name, index=0, held_at=stall.now))
    assert reply.attachment is not None


def test_files_of_a_shelf_cost_the_merchant_the_same(make_stall: MakeStall) -> None:
    stall = make_stall("files")
    titles = sorted(product.title for product in stall.state.shop.products.values())
    work = []
    for title in [*titles, *titles]:
        with counted() as done:
            served(stall, title)
        work.append(done)
    assert len(work[-1]) > 5
    assert {kind for kind, _ in work[-1]} & set(READS), "the store was read"
    assert work[2] == work[3], "the first two make what is made once"


@pytest.mark.parametrize(
    ("start", "at_most"), [(bytes(32), 0), (b"\xff" * 32, 1)], ids=["one follows", "none follows"]
)
def test_codes_of_a_shelf_cost_the_merchant_the_same(
    make_stall: MakeStall,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: bytes,
    at_most: int,
) -> None:
    """In shops of their own: how many orders the shelf had before is the same, and may be known.

    start: where the search for a code begins; it is random otherwise. Where no code follows, which
    happens more often with fewer codes, SQLite takes some steps less, and one step less again where
    no other product's codes follow in the index: at_most.
    """

    honest = codes.find_code

    @wraps(honest)
    def find_code(connection: Connection, product: bytes, shelf: int, now: int, _: bytes) -> Any:
        return honest(connection, product, shelf, now, start)

    monkeypatch.setattr(tunnel_rules, "find_code", find_code)
    work = []
    for title in ("sun", "moon", "star"):
        folder = tmp_path / f"codes-{title}"
        stall = shop_with(make_stall(title), folder, sun=12, moon=40, star=200)
        with counted() as done:
            delivered(stall, *offered(stall, title))
        work.append(done)
    assert len(work[0]) > 5
    for done in work[1:]:
        assert [what for what, _ in done] == [what for what, _ in work[0]]
        pairs = zip(done, work[0], strict=True)
        assert sum(abs(steps - other) for (_, steps), (_, other) in pairs) <= at_most


def test_a_store_that_reads_more_for_one_product_is_noticed(make_stall: MakeStall) -> None:
    """The gate's control."""
    stall = make_stall("control")
    titles = sorted(product.title for product in stall.state.shop.products.values())
    honest = FolderStore.read

    def twice(store: FolderStore, root: bytes, *rest: Any) -> bytes:
        first = honest(store, root, *rest)
        if _is(stall, root, titles[0]):
            store.size(root)
        return first

    work = []
    with patch.object(FolderStore, "read", twice):
        for title in [*titles, *titles]:
            with counted() as done:
                served(stall, title)
            work.append([kind for kind, _ in done])
    assert work[2] != work[3]


def _is(stall: Stall, root: bytes, title: str) -> bool:
    return any(p.root == root and p.title == title for p in stall.state.shop.products.values())
