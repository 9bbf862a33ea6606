"""Vouchers to print: a page of cards, each with its value, its code and a QR code of it."""

from html import escape

import segno

from veilmart.errors import BadArgument

_COLUMNS = 3
_CARD_WIDTH, _CARD_HEIGHT = 250, 160
_STYLE = """\
body{font:14px sans-serif;display:flex;flex-wrap:wrap;gap:6mm;margin:10mm}
div{border:1px dashed #888;padding:4mm;width:60mm;text-align:center;break-inside:avoid}
b{display:block;font-size:20px}code{font-size:12px}"""


def draw_sheet(suffix: str, title: str, value: str, codes: list[str]) -> str:
    """The text of an .html or .svg file. Raises BadArgument for another suffix."""
    if suffix.lower() in (".html", ".htm"):
        return _html(title, value, codes)
    if suffix.lower() == ".svg":
        return _svg(title, value, codes)
    raise BadArgument("A sheet is an .html or an .svg file.")


def _html(title: str, value: str, codes: list[str]) -> str:
    cards = "\n".join(
        f"<div>{escape(title)}<b>{escape(value)}</b>{_qr(code)}<br><code>{code}</code></div>"
        for code in codes
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>\n{cards}\n</body></html>\n"


def _svg(title: str, value: str, codes: list[str]) -> str:
    rows = (len(codes) + _COLUMNS - 1) // _COLUMNS
    size = f'width="{_COLUMNS * _CARD_WIDTH}" height="{rows * _CARD_HEIGHT}"'
    cards = []
    for number, code in enumerate(codes):
        row, column = divmod(number, _COLUMNS)
        middle = _CARD_WIDTH // 2
        texts = ((20, 13, title), (42, 18, value), (148, 12, code))
        lines = "".join(
            f'<text x="{middle}" y="{y}" font-size="{points}" text-anchor="middle" '
            f'font-family="monospace">{escape(text)}</text>'
            for y, points, text in texts
        )
        place = f"translate({column * _CARD_WIDTH},{row * _CARD_HEIGHT})"
        cards.append(
            f'<g transform="{place}">{lines}<g transform="translate(82,48)">{_qr(code)}</g></g>'
        )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(cards) + "\n</svg>\n"


def _qr(code: str) -> str:
    drawn: str = segno.make(code, micro=False, error="m").svg_inline(scale=3, border=2)
    return drawn
