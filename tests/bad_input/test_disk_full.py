"""The customer's disk full: the folder for the file, and the wallet's own home.

A file system of a few kilobytes is really filled up where the tests may mount one (as root);
elsewhere writing fails with the same error after the same number of bytes.
"""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.roles import CREDIT, GOODS, PRICE, Roles, product_of, told
from veilmart.customer.events import Event, StepReached
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.orders import all_orders
from veilmart.errors import MONEY_SAFE, DiskFull, StorageFailure
from veilmart.storage.files.partial_file import PartialFile

DISK_KIB = 768
SmallDisk = tuple[Path, Callable[[], None], Callable[[], None]]


def mounted(folder: Path) -> bool:
    """Whether a small file system could be mounted there."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", str(folder)]
    if os.geteuid() != 0:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """(folder, fill it to the last byte, make room again)."""
    folder = tmp_path / "small"
    folder.mkdir()
    ballast = folder / "ballast"
    if mounted(folder):

        def fill() -> None:
            with ballast.open("ab", buffering=0) as stream:
                for size in (65536, 4096, 1):
                    try:
                        while stream.write(bytes(size)) == size:
                            continue
                    except OSError as fault:
                        assert fault.errno == errno.ENOSPC
            assert os.statvfs(folder).f_bavail == 0

        try:
            yield folder, fill, ballast.unlink
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    full = False
    write, connect = os.write, PartialFile.write

    def refuse(*arguments: Any) -> Any:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*arguments)

    def refuse_file(partial: PartialFile, block: bytes) -> None:
        if full and partial._folder.is_relative_to(folder):
            raise DiskFull(partial._name)
        connect(partial, block)

    monkeypatch.setattr("veilmart.customer.wallet.parcels.os.write", refuse)
    monkeypatch.setattr(PartialFile, "write", refuse_file)

    def switch(on: bool) -> Callable[[], None]:
        def turn() -> None:
            nonlocal full
            full = on

        return turn

    yield folder, switch(True), switch(False)


async def test_disk_full_in_the_out_folder(
    roles: Roles, tmp_path: Path, small_disk: SmallDisk
) -> None:
    """Paid, key there, no room for the file: nothing half written, and `sync` goes on."""
    folder, fill, make_room = small_disk
    await (await roles.customer("mia")).aclose()

    def observe(event: Event) -> None:
        if event == StepReached("release"):
            fill()

    shopper = await roles.connect("mia", observe=observe)
    menu = await shopper.browse(roles.merchant_print)
    (folder / "out").mkdir()
    with pytest.raises(DiskFull) as full:
        await shopper.buy(menu, product_of(menu, "june.txt"), folder / "out")
    told(full.value, code=5101, money=MONEY_SAFE)
    assert not list((folder / "out").iterdir()), "nothing half written"
    assert await roles.balance("mia") == CREDIT - PRICE
    assert (await roles.states()) == ["released"]
    await roles.check_books()
    make_room()
    (order,) = to_sync(shopper.wallet)
    recovered = await shopper.recover(order)
    assert recovered.outcome == "done"
    assert recovered.path is not None
    assert recovered.path.read_bytes() == GOODS["june.txt"]
    await roles.check_customer("mia")
    await roles.check_books()


@pytest.mark.parametrize("step", ["select", "pay", "segment", "release", "acknowledge"])
async def test_disk_full_in_the_home(
    roles: Roles, tmp_path: Path, small_disk: SmallDisk, step: str
) -> None:
    """No room for the wallet's own records from `step` on: it stops, and finishes later."""
    folder, fill, make_room = small_disk
    (folder / "home").mkdir()
    (tmp_path / "mia").symlink_to(folder / "home")
    await (await roles.customer("mia")).aclose()

    def observe(event: Event) -> None:
        if event == StepReached(step):
            fill()

    shopper = await roles.connect("mia", observe=observe)
    menu = await shopper.browse(roles.merchant_print)
    try:
        await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "out")
    except StorageFailure as error:
        assert isinstance(error, DiskFull) and error.code == 5101 and error.hint
        moved = await roles.balance("mia") != CREDIT
        assert error.money_now == MONEY_SAFE or not moved
    await roles.check_books()
    make_room()
    async with await roles.connect("mia") as again:
        for order in to_sync(again.wallet):
            await again.recover(order)
        orders = await again.wallet.database.run(all_orders)
        if "done" not in {order.state for order in orders}:
            await again.buy(menu, product_of(menu, "june.txt"), tmp_path / "out")
    await roles.check_customer("mia")
    await roles.check_books()
    for file in (tmp_path / "out").iterdir():
        assert file.read_bytes() == GOODS["june.txt"]
