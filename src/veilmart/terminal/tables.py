"""Tables of lines: no cell is wrapped or cut, whatever the width of the terminal.

Only columns declared as shrinkable are shortened, and only on a terminal that is too narrow.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from veilmart.storage.files.names import visible
from veilmart.terminal.console import Console, Terminal

GAP = "  "
LEAST_CELLS = 8
MORE = "…"


def draw_table(
    console: Console,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    gives: Sequence[str] = (),
) -> None:
    """Cells are harmless on a terminal. gives: heads of the columns that may be shortened."""
    width = console.width if console.is_terminal else None
    for line in table_lines(heads, rows, gives, width):
        console.print(line)


def show_table(
    terminal: Terminal,
    value: object,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    gives: Sequence[str] = ("Note", "title"),
) -> None:
    """A command's result: `value` with --json, else the table of `draw_table`."""
    terminal.result(value, lambda console: draw_table(console, heads, rows, gives))


def table_lines(
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    gives: Sequence[str] = (),
    width: int | None = None,
) -> list[str]:
    """One line a row, columns aligned by terminal cells. width: in cells; None: any."""
    cells = [list(heads), *([visible(str(cell)) for cell in row] for row in rows)]
    widths = [max(cell_len(row[place]) for row in cells) for place in range(len(heads))]
    if width is not None:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - width
        for place, head in enumerate(heads):
            if head in gives and over > 0:
                less = min(over, max(widths[place] - LEAST_CELLS, 0))
                widths[place] -= less
                over -= less
    return [
        GAP.join(_fit(text, space) for text, space in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _fit(text: str, space: int) -> str:
    if cell_len(text) > space:
        return set_cell_size(text, space - 1) + MORE
    return set_cell_size(text, space)
