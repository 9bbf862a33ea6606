"""Folders that a merchant imports."""

import os
from pathlib import Path
from typing import Any

from tests.support.scripted_merchant import NOW, Stall


def folder_of(tmp_path: Path, **sizes: int) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir(exist_ok=True)
    for name, size in sizes.items():
        (folder / f"{name}.txt").write_bytes(name.encode() * size)
    return folder


def run_import_of(stall: Stall, comparison: Any) -> None:
    from veilmart.merchant.stocking.importing import import_folder

    for _ in import_folder(
        stall.market, comparison, prune=False, alone=False, now=NOW, random=os.urandom
    ):
        continue
