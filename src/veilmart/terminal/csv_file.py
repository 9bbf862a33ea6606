"""Tables as CSV files (RFC 4180) that a spreadsheet can open without running anything in them."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from veilmart.storage.files.names import shown_path, visible
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.console import Terminal

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
    terminal: Terminal, target: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write the table, row by row, and tell where it is. Raises as `write_csv`."""
    count = 0

    def counted() -> Iterator[Sequence[object]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    path = write_csv(target, heads, counted())
    terminal.result(
        {"path": path, "rows": count},
        lambda console: console.print(f"{count} rows written to {shown_path(path)}"),
    )


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
