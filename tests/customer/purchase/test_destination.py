"""The place of the file is tried before paying; afterwards there is always another place."""

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.customer.purchase.buying import buy, only_order
from tests.support.scripted_customer import CONTENT, Market
from veilmart.customer.purchase.purchase_rules import SAVE_ELSEWHERE
from veilmart.customer.purchase.recovery_rules import recover
from veilmart.customer.wallet.orders import all_orders, save_elsewhere
from veilmart.errors import MONEY_SAFE, NO_MONEY, BadArgument, CannotWrite, DiskFull
from veilmart.storage.files.names import safe_name
from veilmart.storage.files.partial_file import PartialFile


def refused(market: Market, out: Path, error: type[Exception]) -> Any:
    """The purchase ends with `error` before anything was ordered."""
    with pytest.raises(error) as caught:
        buy(market, out)
    assert not market.wallet.database.run_now(all_orders)
    assert not market.invoices
    return caught.value


def test_a_folder_that_is_a_file_is_found_before_paying(market: Market, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = refused(market, tmp_path / "file", CannotWrite)
    assert error.money_now == NO_MONEY and "--out" in error.hint


def test_a_folder_that_cannot_be_made_is_found_before_paying(market: Market) -> None:
    assert refused(market, Path("/proc/no-such/folder"), CannotWrite).money_now == NO_MONEY


def test_a_folder_whose_name_cannot_be_stored_is_refused(market: Market, tmp_path: Path) -> None:
    refused(market, tmp_path / "caf\udce9", BadArgument)
    assert not (tmp_path / "caf\udce9").exists()


def test_too_little_room_is_found_before_paying_and_nothing_is_left(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.statvfs

    def full(place: Path) -> os.statvfs_result:
        values = list(honest(place))
        values[4] = 1  # f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr("veilmart.customer.purchase.destination.os.statvfs", full)
    error = refused(market, tmp_path / "new" / "folder", DiskFull)
    assert error.money_now == NO_MONEY and "are needed" in error.detail
    assert not (tmp_path / "new").exists()


def test_the_room_that_is_wanted_is_the_shelfs_and_not_the_products(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wallet that goes on for a short product only would tell that it is short."""
    honest, wanted = os.statvfs, []
    for size in (1, 4000):
        market.product = msgspec.structs.replace(market.product, size=size)

        def full(place: Path) -> os.statvfs_result:
            values = list(honest(place))
            values[4] = 1  # f_bavail
            return os.statvfs_result(values)

        monkeypatch.setattr("veilmart.customer.purchase.destination.os.statvfs", full)
        wanted.append(refused(market, tmp_path / "out", DiskFull).detail)
    assert wanted[0] == wanted[1]


def test_a_full_disk_is_found_before_paying(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_partial: PartialFile) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("veilmart.storage.files.partial_file.PartialFile._claim", full)
    assert refused(market, tmp_path / "out", DiskFull).money_now == NO_MONEY


def test_what_happens_to_the_folder_after_paying_leads_to_another(
    market: Market, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    honest = market.tricks.receipt

    def spoil(receipt: Any) -> Any:
        out.rmdir()
        out.write_text("somebody's")
        return honest(receipt)

    market.tricks.receipt = spoil
    with pytest.raises(CannotWrite) as caught:
        buy(market, out)
    assert (caught.value.money_now, caught.value.hint) == (MONEY_SAFE, SAVE_ELSEWHERE)
    order = only_order(market.wallet)
    with pytest.raises(CannotWrite) as again:
        market.run(recover(order, market.clock))
    assert (again.value.money_now, again.value.hint) == (MONEY_SAFE, SAVE_ELSEWHERE)
    market.wallet.database.run_now(save_elsewhere, order.order, str(tmp_path / "other"))
    done = market.run(recover(only_order(market.wallet), market.clock))
    assert done.outcome == "done" and done.path.parent == tmp_path / "other"
    assert done.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("refuses", "number"),
    [
        ('?:*"<>|', errno.EINVAL),  # the kernel's exFAT, NTFS-3G
        ('?:*"<>|', errno.ENOENT),  # exfat-fuse, Samba
        ('?:*"<>|', errno.EACCES),
        ('?:*"<>|', errno.EIO),
        ("length", errno.ENAMETOOLONG),  # eCryptfs
        ("locale", 0),  # Latin-1
    ],
)
def test_a_name_that_the_file_system_refuses_becomes_a_safe_one(
    refuses: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As real ones were seen to; none of them is needed for it."""
    honest = os.open

    def strict(path: Any, *more: Any, **options: Any) -> int:
        name = Path(path).name
        if refuses == "length" and len(os.fsencode(name)) > 143:
            raise OSError(number, os.strerror(number))
        if refuses == "locale" and not name.isascii():
            raise UnicodeEncodeError("latin-1", name, 0, 1, "ordinal not in range")
        if set(name) & set(refuses) & set('?:*"<>|'):
            raise OSError(number, os.strerror(number))
        return honest(path, *more, **options)

    monkeypatch.setattr("veilmart.storage.files.partial_file.os.open", strict)
    if refuses == "locale":
        monkeypatch.setattr(
            "veilmart.storage.files.names.os.fsencode", lambda text: str(text).encode("ascii")
        )
    name = {"length": "é" * 90 + ".pdf", "locale": "日本.pdf"}.get(refuses, 'a?b: "c".pdf')
    with PartialFile(tmp_path, name, mode=0o666) as partial:
        partial.write(b"content")
        path = partial.finish()
    assert path.read_bytes() == b"content" and path.suffix == ".pdf"
    wanted = {"locale": "__.pdf", '?:*"<>|': "a_b_ _c_.pdf"}.get(refuses)
    assert path.name == (wanted or path.name) and len(os.fsencode(path.name)) <= 143


def test_a_full_disk_is_not_taken_for_a_refused_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def full(path: Any, *_more: Any, **_options: Any) -> int:
        tried.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("veilmart.storage.files.partial_file.os.open", full)
    with pytest.raises(DiskFull):
        PartialFile(tmp_path, "a?b.pdf")
    assert len(tried) == 1


def test_a_finished_file_has_the_mode_that_umask_gives(market: Market, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        bought = buy(market, tmp_path / "out")
    finally:
        os.umask(before)
    assert bought.path.stat().st_mode & 0o777 == 0o640


def test_safe_names_keep_the_extension_and_are_never_empty() -> None:
    assert safe_name("???") == "___"
    assert safe_name("a" * 300 + ".tar").endswith("a.tar")
    assert safe_name("x. ") == "x_" or safe_name("x. ").strip(" .")
