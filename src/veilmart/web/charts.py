"""Charts drawn by the server: an SVG in the text's colour, and the same numbers as a table.

The drawing is hidden from screen readers; the table is the chart for them, and for everybody who
wants to copy the numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 640, 180
_LEFT, _BOTTOM, _TOP = 64, 22, 8
_LABELS_MAX = 8


@dataclass(frozen=True)
class Bar:
    """One column. value: not negative; shown: the value as people read it."""

    label: str
    value: int
    shown: str


@dataclass(frozen=True)
class Chart:
    """heading: caption of the table. columns: heads of its two columns."""

    heading: str
    columns: tuple[str, str]
    bars: tuple[Bar, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw: no column, or none above zero."""
        return not any(bar.value for bar in self.bars)

    @property
    def svg(self) -> Markup:
        """The drawing. Colours come from the text around it, so both colour schemes work."""
        return _draw(self.bars)


def bar_chart(
    heading: str,
    columns: tuple[str, str],
    rows: Sequence[tuple[str, int]],
    shown: Callable[[int], str] = str,
) -> Chart:
    """A chart of (label, value) rows in their order."""
    bars = tuple(Bar(label, value, shown(value)) for label, value in rows)
    return Chart(heading, columns, bars)


def _draw(bars: Sequence[Bar]) -> Markup:
    most = max((bar.value for bar in bars), default=0) or 1
    top_bar = max(bars, key=lambda bar: bar.value, default=None)
    inner_width, inner_height = WIDTH - _LEFT, HEIGHT - _BOTTOM - _TOP
    step = inner_width / max(1, len(bars))
    every = max(1, -(-len(bars) // _LABELS_MAX))
    parts: list[Markup] = []
    for number, bar in enumerate(bars):
        height = inner_height * bar.value / most
        x = _LEFT + number * step
        parts.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="currentColor" '
                'fill-opacity="0.7"/>'
            ).format(x + step * 0.1, _TOP + inner_height - height, step * 0.8, height)
        )
        if number % every == 0:
            parts.append(_text(x + step / 2, HEIGHT - 6, bar.label, "middle"))
    base = _TOP + inner_height
    for y, label in ((_TOP + 10, "" if top_bar is None else top_bar.shown), (base, "0")):
        parts.append(_text(_LEFT - 6, y, label, "end"))
    axis = Markup(
        '<path d="M{} {}V{}H{}" fill="none" stroke="currentColor" stroke-opacity="0.5"/>'
    ).format(_LEFT, _TOP, base, WIDTH)
    return Markup('<svg viewBox="0 0 {} {}" class="chart" aria-hidden="true">{}{}</svg>').format(
        WIDTH, HEIGHT, axis, Markup("").join(parts)
    )


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="11" fill="currentColor">{}</text>'
    ).format(x, y, anchor, text)
