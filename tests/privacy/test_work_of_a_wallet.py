"""Work equality without a clock, the customer's side: what a wallet does between two messages.

The same statements with the same steps, as many bytes of the database's log, the same calls on
files with the same lengths, whatever product of a shelf was chosen. The one difference is the
finished file itself, which is as long as the product: after it the acknowledgement leaves at a
slot, which test_purchases_look_alike.py compares on a virtual clock.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from tests.privacy.work import Done, files, statements
from tests.support.scripted_customer import NOW, Keys, Market, counting_random
from veilmart.customer.display.lists import find_product
from veilmart.customer.library.updates import current_product
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.wallet.wallet import DATABASE_FILE, open_wallet
from veilmart.protocol.effects import Transact
from veilmart.storage.files.partial_file import PartialFile

SIZES = {"small": 4096, "big": 512 * 1024}
Interval = tuple[str, Done]
"""(the message that ends it, the work before that message, sorted: threads share it)"""


class Watched(Market):
    """A market that notes the work of the wallet before each message."""

    done: Done
    log: Path

    def watch(self, done: Done, log: Path) -> None:
        self.done, self.log = done, log
        self.intervals: list[Interval] = []

    def _mortal(self, performer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def performed(effect: Any) -> Any:
            request = getattr(effect, "request", None)  # of the effects that ask the broker
            if request is not None:
                self.intervals.append((type(request).__name__, sorted(self.done)))
                self.done.clear()
            if not isinstance(effect, Transact):
                return performer(effect)
            before = self.log.stat().st_size
            answer = performer(effect)
            self.done.append(("bytes of the log", self.log.stat().st_size - before))
            return answer

        return performed


def worked(
    folder: Path, keys: Keys, content: bytes, name: str, title: str, size: int
) -> list[Interval]:
    """A purchase's intervals, without what goes into the finished file."""
    wallet = open_wallet(folder / "wallet", lambda: NOW, counting_random(b"wallet"))
    done: Done = []

    def nothing(_file: PartialFile, _block: bytes | memoryview) -> None:
        """The file's own bytes, which differ."""

    try:
        market = Watched(wallet, keys, content=content, name=name, size=size)
        market.product = msgspec.structs.replace(market.product, title=title)
        market.watch(done, folder / "wallet" / f"{DATABASE_FILE}-wal")
        rule = purchase(
            market.choice(folder / "out"), AccountPayment(), market.clock, wallet.random
        )
        with statements(done), files(done), patch.object(PartialFile, "write", nothing):
            market.run(rule)
        market.intervals.append(("the end", sorted(done)))
        return market.intervals
    finally:
        wallet.close()


@pytest.mark.parametrize("shelf", list(SIZES))
def test_a_wallet_does_the_same_work_before_each_message(
    tmp_path: Path, keys: Keys, shelf: str
) -> None:
    size = SIZES[shelf]
    least = worked(tmp_path / "least", keys, b"x", "a.txt", "A", size)
    most = worked(
        tmp_path / "most", keys, b"y" * (size - 400), f"{'b' * 190}.pdf", "\u4e00" * 200, size
    )
    assert [name for name, _ in least] == [name for name, _ in most]
    for one, other in zip(least, most, strict=True):
        assert one == other, one[0]
    kinds = {kind for _, done in least for kind, _ in done}
    assert {"fsync", "bytes of the log"} < kinds and any("INSERT" in kind for kind in kinds)


def test_a_wallet_that_writes_by_product_is_noticed(tmp_path: Path, keys: Keys) -> None:
    """The gate's control: a disk that is synced once more for a longer product."""
    honest = PartialFile.finish

    def finish(file: PartialFile, **how: Any) -> Path:
        if "long" in file._name:
            file._stream.flush()
            import os

            os.fsync(file._stream.fileno())
        return honest(file, **how)

    with patch.object(PartialFile, "finish", finish):
        least = worked(tmp_path / "least", keys, b"x", "a.txt", "A", 4096)
        most = worked(tmp_path / "most", keys, b"y" * 3000, "long.txt", "A", 4096)
    assert least != most


class Shelved(list[Any]):
    """Products; counts how many of them are looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[Any]:
        for product in super().__iter__():
            self.looked_at += 1
            yield product


def looked_at(keys: Keys, folder: Path, place: int) -> list[int]:
    """How many products each way to find the one at `place` looks at."""
    wallet = open_wallet(folder, lambda: NOW, counting_random(b"wallet"))
    try:
        one = Market(wallet, keys).product
    finally:
        wallet.close()
    named = [
        msgspec.structs.replace(one, id=bytes([n]) * 16, title=f"Part {n:03}") for n in range(100)
    ]
    counts = []
    order: Any = SimpleNamespace(product=named[place].id)
    terms: Any = SimpleNamespace(offer=SimpleNamespace(shelf=one.shelf))
    with patch("veilmart.customer.library.updates.terms_of", lambda _order: terms):
        for find in (
            lambda menu: current_product(menu, order),
            lambda menu: find_product(menu, named[place].title),
            lambda menu: find_product(menu, named[place].id.hex()),
            lambda menu: find_product(menu, str(place + 1)),
        ):
            menu: Any = SimpleNamespace(products=Shelved(named))
            assert find(menu) is named[place]
            counts.append(menu.products.looked_at)
    return counts


def test_a_product_is_found_as_late_at_the_beginning_of_a_menu_as_at_its_end(
    tmp_path: Path, keys: Keys
) -> None:
    """What is found sooner is asked for sooner."""
    assert looked_at(keys, tmp_path / "first", 0) == looked_at(keys, tmp_path / "last", 99)
