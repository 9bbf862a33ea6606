"""Tables as CSV files (RFC 4180) that a spreadsheet can open without running anything in them."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from veilmart.storage.files.names import shown_path, visible
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.console import Terminal

AMOUNTS = frozenset({"amount", "balance", "fee", "fees", "price", "value"})
"""Heads of columns with money: minor units in a row are written as 5.00."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FLUSH_CHARACTERS = 256 * 1024


def write_csv(target: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table; nothing there is replaced. Raises BadName, DiskFull, CannotWrite."""
    with PartialFile(target.parent, target.name, mode=0o666) as partial:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(heads)
        for row in rows:
            writer.writerow([cell_text(value) for value in row])
            if text.tell() > _FLUSH_CHARACTERS:
                partial.write(text.getvalue().encode())
                text.seek(0)
                text.truncate()
        partial.write(text.getvalue().encode())
        return partial.finish()


def show_export(
    terminal: Terminal,
    target: Path,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    decimals: int = 0,
) -> None:
    """Write the table, row by row, and tell where it is. Raises as `write_csv`.

    decimals: of the currency, where amounts are minor units.
    """
    count = 0
    money = [head in AMOUNTS for head in heads]

    def counted() -> Iterator[Sequence[object]]:
        nonlocal count
        for row in rows:
            count += 1
            yield [_amount(v, decimals) if m else v for v, m in zip(row, money, strict=True)]

    path = write_csv(target, heads, counted())
    terminal.result(
        {"path": path, "rows": count},
        lambda console: console.print(f"{count} rows written to {shown_path(path)}"),
    )


def _amount(value: object, decimals: int) -> object:
    """500 → 5.00, as a number: its text is that of `format_amount`, and never a formula."""
    return Decimal(value).scaleb(-decimals) if isinstance(value, int) else value


def cell_text(value: object) -> str:
    """Numbers as they are; a stranger's text without control characters and never a formula."""
    if isinstance(value, bytes):
        return value.hex()
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    shown = visible(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
