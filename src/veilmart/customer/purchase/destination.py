"""The place of the finished file, tried before paying: folder, name and free space."""

import os
from pathlib import Path

from veilmart.customer.quote import Choice
from veilmart.customer.wallet.parcels import Parcels
from veilmart.errors import NO_MONEY, BadArgument, BadName, DiskFull, StorageFailure
from veilmart.protocol.parcel import piece_count, segment_length
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.names import encodable, shown_path
from veilmart.storage.files.partial_file import PartialFile, check_file_name

_ROOM_LEFT_BYTES = 64 * 1024  # for the wallet's database beside parcel and file


def try_destination(parcels: Parcels, choice: Choice) -> None:
    """Create and remove the unfinished file under its final name, and check the free space.

    Leaves nothing behind. Raises BadArgument, CannotWrite, DiskFull.
    """
    folder = choice.out.absolute()
    if not encodable(str(folder)):
        raise BadArgument(f"The folder {shown_path(folder)} has a name in no UTF-8.")
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        with PartialFile(folder, _tried_name(choice.product.file_name)):
            _require_room(folder, parcels, choice.shelf.size)
    except StorageFailure as error:
        error.money_now = NO_MONEY
        error.hint = "Choose another folder with --out; nothing was ordered."
        raise
    finally:
        for place in missing:
            if place.is_dir():
                place.rmdir()


def _tried_name(name: str) -> str:
    """Delivery replaces an impossible name in the same way."""
    try:
        return check_file_name(name)
    except BadName:
        return "product"


def _require_room(folder: Path, parcels: Parcels, padded: int) -> None:
    """Room for any product of the shelf: else whether a wallet goes on would tell how long one is.

    The sealed parcel lies in the wallet's folder until the file is finished.
    """
    parcel = sum(segment_length(padded, index) for index in range(piece_count(padded)))
    with typed_file_errors(shown_path(folder)):
        same = folder.stat().st_dev == parcels.place.stat().st_dev
    wanted = {folder: padded + _ROOM_LEFT_BYTES, parcels.place: parcel + _ROOM_LEFT_BYTES}
    if same:
        wanted = {folder: padded + parcel + _ROOM_LEFT_BYTES}
    for place, needed in wanted.items():
        with typed_file_errors(shown_path(place)):
            status = os.statvfs(place)
        free = status.f_bavail * status.f_frsize
        if free < needed:
            raise DiskFull(f"{shown_path(place)} has {free:,} bytes left; {needed:,} are needed.")
