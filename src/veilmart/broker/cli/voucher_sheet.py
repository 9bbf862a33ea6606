"""Vouchers and invitations to print: a page of cards.

A card has the broker's name and fingerprint, what it is worth, the code, a QR code of it, and how
it is used.
"""

from dataclasses import dataclass
from html import escape

import segno

from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import BadArgument

_COLUMNS = 3
_CARD_WIDTH, _CARD_HEIGHT = 250, 260
_GROUPS_A_LINE = 5
_STYLE = """\
body{font:14px sans-serif;display:flex;flex-wrap:wrap;gap:6mm;margin:10mm}
div{border:1px dashed #888;padding:4mm;width:64mm;text-align:center;break-inside:avoid}
b{display:block;font-size:20px}code{font-size:12px}small{display:block;font-size:10px}"""


@dataclass(frozen=True)
class Cards:
    """What all cards of a sheet say. broker: name. fingerprint: of its identity (32).

    value: of each, for people. use: lines that say how it is used.
    """

    broker: str
    fingerprint: bytes
    value: str
    use: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """The small lines: how it is used, and the fingerprint in short lines."""
        groups = format_fingerprint(self.fingerprint).split("-")
        lines = [
            "-".join(groups[start : start + _GROUPS_A_LINE])
            for start in range(0, len(groups), _GROUPS_A_LINE)
        ]
        return (*self.use, "Fingerprint of the broker:", *lines)


def draw_sheet(suffix: str, cards: Cards, codes: list[str]) -> str:
    """The text of an .html or .svg file. Raises BadArgument for another suffix."""
    if suffix.lower() in (".html", ".htm"):
        return _html(cards, codes)
    if suffix.lower() == ".svg":
        return _svg(cards, codes)
    raise BadArgument("A sheet is an .html or an .svg file.")


def _html(cards: Cards, codes: list[str]) -> str:
    title = escape(cards.broker)
    notes = "".join(f"<small>{escape(line)}</small>" for line in cards.notes)
    drawn = "\n".join(
        f"<div>{title}<b>{escape(cards.value)}</b>{_qr(code)}<br><code>{code}</code>{notes}</div>"
        for code in codes
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>\n{drawn}\n</body></html>\n"


def _svg(cards: Cards, codes: list[str]) -> str:
    rows = (len(codes) + _COLUMNS - 1) // _COLUMNS
    size = f'width="{_COLUMNS * _CARD_WIDTH}" height="{rows * _CARD_HEIGHT}"'
    notes = [(162 + 13 * place, 9, line) for place, line in enumerate(cards.notes)]
    drawn = []
    for number, code in enumerate(codes):
        row, column = divmod(number, _COLUMNS)
        middle = _CARD_WIDTH // 2
        texts = [(20, 13, cards.broker), (42, 18, cards.value), (146, 12, code), *notes]
        lines = "".join(
            f'<text x="{middle}" y="{y}" font-size="{points}" text-anchor="middle" '
            f'font-family="monospace">{escape(text)}</text>'
            for y, points, text in texts
        )
        place = f"translate({column * _CARD_WIDTH},{row * _CARD_HEIGHT})"
        drawn.append(
            f'<g transform="{place}">{lines}<g transform="translate(82,48)">{_qr(code)}</g></g>'
        )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(drawn) + "\n</svg>\n"


def _qr(code: str) -> str:
    drawn: str = segno.make(code, micro=False, error="m").svg_inline(scale=3, border=2)
    return drawn
