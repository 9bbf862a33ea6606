"""Two charts to print: the colour code of resistors, and chords on the piano."""

from collections.abc import Iterator

from veilmart.demo.goods.good import Good, Recipe

# colour, shade, digit, power of ten, tolerance in percent (IEC 60062)
BANDS = (
    ("black", "#111111", 0, 0, None),
    ("brown", "#7a4419", 1, 1, "1"),
    ("red", "#d32222", 2, 2, "2"),
    ("orange", "#ee8112", 3, 3, "0.05"),
    ("yellow", "#f5dc2c", 4, 4, "0.02"),
    ("green", "#2c9440", 5, 5, "0.5"),
    ("blue", "#2450b8", 6, 6, "0.25"),
    ("violet", "#7d3fb0", 7, 7, "0.1"),
    ("grey", "#8a8a8a", 8, 8, "0.01"),
    ("white", "#fafafa", 9, 9, None),
    ("gold", "#c9a227", None, -1, "5"),
    ("silver", "#b9bcc2", None, -2, "10"),
)
# the E24 series of IEC 60063, which rounds 10^(n/24) with a few historical exceptions
E24 = (
    *(10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30),
    *(33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91),
)
NOTES = ("C", "C♯/D♭", "D", "D♯/E♭", "E", "F", "F♯/G♭", "G", "G♯/A♭", "A", "A♯/B♭", "B")
CHORDS = (
    *(("major", "", (0, 4, 7)), ("minor", "m", (0, 3, 7)), ("diminished", "dim", (0, 3, 6))),
    *(("augmented", "aug", (0, 4, 8)), ("suspended second", "sus2", (0, 2, 7))),
    *(("suspended fourth", "sus4", (0, 5, 7)), ("sixth", "6", (0, 4, 7, 9))),
    *(("seventh", "7", (0, 4, 7, 10)), ("major seventh", "maj7", (0, 4, 7, 11))),
    *(("minor seventh", "m7", (0, 3, 7, 10)), ("half diminished", "m7♭5", (0, 3, 6, 10))),
    *(("diminished seventh", "dim7", (0, 3, 6, 9)), ("ninth", "9", (0, 4, 7, 10, 14))),
)
_WHITE = (0, 2, 4, 5, 7, 9, 11)
_KEYS = 28
_KEY_WIDTH = 7.0


def _document(width: float, height: float, title: str, style: str, body: Iterator[str]) -> bytes:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">\n<title>{title}</title><style>{style}</style>\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
    )
    return (head + "\n".join(body) + "\n</svg>\n").encode()


def value_bands(ohms: int) -> tuple[int, int, int]:
    """Indices into BANDS of the two digits and the multiplier; `ohms` has two figures at most."""
    power = len(str(ohms)) - 2
    figures = ohms // 10**power if power >= 0 else ohms * 10
    multiplier = power if power >= 0 else 10
    return figures // 10, figures % 10, multiplier


def _resistors() -> Iterator[str]:
    yield '<text class="title" x="20" y="34">Resistor colour code</text>'
    heads = ((60, "colour"), (170, "digit"), (240, "multiplier"), (340, "tolerance"))
    for x, head in heads:
        yield f'<text class="head" x="{x}" y="62">{head}</text>'
    for row, (name, shade, digit, power, tolerance) in enumerate(BANDS):
        y = 72 + row * 26
        yield f'<rect x="20" y="{y}" width="30" height="20" fill="{shade}" stroke="#555"/>'
        digit_shown = "" if digit is None else str(digit)
        tolerance_shown = "" if tolerance is None else f"± {tolerance} %"
        cells = (name, digit_shown, f"&#215; 10<tspan dy='-5' font-size='9'>{power}</tspan>")
        for (x, _), cell in zip(heads, (*cells, tolerance_shown), strict=True):
            if cell:
                yield f'<text x="{x}" y="{y + 15}">{cell}</text>'
    yield '<text class="head" x="20" y="418">E24 series, 5 %, here in hundreds of ohms</text>'
    for index, figures in enumerate(E24):
        x, y = 20 + index % 6 * 110, 432 + index // 6 * 56
        yield f'<path d="M{x} {y + 14}h100" stroke="#777" stroke-width="2"/>'
        yield f'<rect x="{x + 15}" y="{y}" width="70" height="28" rx="9" fill="#e6d3a8"/>'
        for place, band in enumerate((*value_bands(figures * 10), 10)):
            at = x + (25, 37, 49, 69)[place]
            yield f'<rect x="{at}" y="{y}" width="7" height="28" fill="{BANDS[band][1]}"/>'
        yield f'<text class="value" x="{x + 50}" y="{y + 42}">{figures * 10} Ω</text>'


def resistor_chart() -> bytes:
    """SVG: the table of colours and the twenty-four values of a decade, drawn."""
    style = (
        "text{font:13px sans-serif}.title{font-size:22px}.head{font-weight:bold}"
        ".value{text-anchor:middle;font-size:12px}"
    )
    return _document(690, 670, "Resistor colour code", style, _resistors())


def _key_x(key: int) -> float:
    """The left edge of a key: black ones sit across the gap between two white ones."""
    octave, step = divmod(key, 12)
    whites = octave * 7 + sum(1 for white in _WHITE if white < step)
    return whites * _KEY_WIDTH - (0 if step in _WHITE else _KEY_WIDTH * 0.3)


def _keyboard(x: float, y: float, keys: tuple[int, ...]) -> Iterator[str]:
    yield f'<g transform="translate({x:g} {y:g})"><use href="#keys"/>'
    for key in keys:
        white = key % 12 in _WHITE
        middle = _key_x(key) + _KEY_WIDTH * (0.5 if white else 0.3)
        yield f'<circle class="on" cx="{middle:.1f}" cy="{25 if white else 12}" r="2.6"/>'
    yield "</g>"


def _bare_keys() -> Iterator[str]:
    for black in (False, True):
        for key in range(_KEYS):
            if (key % 12 in _WHITE) != black:
                size = (_KEY_WIDTH * 0.6, 19) if black else (_KEY_WIDTH, 31)
                kind = "b" if black else "w"
                at = f'x="{_key_x(key):.1f}" width="{size[0]:.1f}" height="{size[1]}"'
                yield f'<rect class="{kind}" {at}/>'


def chord_notes(root: int, steps: tuple[int, ...]) -> str:
    """The names of a chord's notes, from the root up."""
    return " ".join(NOTES[(root + step) % 12] for step in steps)


def _chords() -> Iterator[str]:
    yield f'<defs><g id="keys">{"".join(_bare_keys())}</g></defs>'
    yield '<text class="title" x="20" y="36">Piano chords</text>'
    for root, note in enumerate(NOTES):
        yield f'<text class="kind" x="{20 + root * 132}" y="62">{note}</text>'
    for row, (name, suffix, steps) in enumerate(CHORDS):
        y = 90 + row * 78
        named = f"{name} ({suffix})" if suffix else name
        yield f'<text class="kind" x="20" y="{y}">{named}</text>'
        for root in range(12):
            x = 20 + root * 132
            yield f'<text class="notes" x="{x}" y="{y + 16}">{chord_notes(root, steps)}</text>'
            yield from _keyboard(x, y + 21, tuple(root + step for step in steps))


def chord_chart() -> bytes:
    """SVG: thirteen kinds of chord on the twelve roots, each on a small keyboard."""
    style = (
        "text{font-family:sans-serif}.title{font-size:24px}.kind{font-size:13px;font-weight:bold}"
        ".notes{font-size:8px;fill:#444}.w{fill:#fff;stroke:#555;stroke-width:.6}.b{fill:#333}"
        ".on{fill:#e0533d;stroke:#fff;stroke-width:.6}"
    )
    return _document(1610, 1110, "Piano chords", style, _chords())


RECIPES = (
    Recipe(
        Good(
            "resistor-colour-code.svg",
            "Resistor colour code",
            "All twelve colours with digit, multiplier and tolerance, and the E24 values of a "
            "decade drawn with their bands, on one sheet.",
        ),
        resistor_chart,
    ),
    Recipe(
        Good(
            "piano-chords.svg",
            "Piano chord chart",
            "Thirteen kinds of chord on all twelve roots, each with its notes and a keyboard that "
            "shows where the fingers go.",
        ),
        chord_chart,
    ),
)
