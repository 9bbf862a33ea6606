"""The night sky: a catalogue of bright stars and a chart of both hemispheres drawn from it."""

import math
from collections.abc import Iterator

from veilmart.demo.goods.good import Good, Recipe, Star, as_csv, stars

Box = tuple[float, float, float, float]

_LIGHT_YEARS_PER_PARSEC = 3.261563777
_RADIUS = 480.0
_MARGIN = 60.0
# the charts overlap a little, so that no star near the equator falls off an edge
_REACH_DEGREES = 105.0
_FIGURES = (
    ("Dubhe", "Merak", "Phecda", "Megrez", "Dubhe"),
    ("Megrez", "Alioth", "Mizar", "Alkaid"),
    ("Caph", "Schedar", "Tsih", "Ruchbah", "Segin"),
    ("Betelgeuse", "Bellatrix", "Mintaka", "Rigel", "Saiph", "Alnitak", "Betelgeuse"),
    ("Mintaka", "Alnilam", "Alnitak"),
    ("Deneb", "Sadr", "Albireo"),
    ("Fawaris", "Sadr", "Aljanah"),
    ("Acrux", "Gacrux"),
    ("Mimosa", "Imai"),
    ("Castor", "Pollux"),
    ("Alpheratz", "Mirach", "Almach"),
    ("Mirfak", "Algol"),
    ("Regulus", "Algieba", "Denebola", "Regulus"),
    ("Rigil Kentaurus", "Hadar"),
    ("Dschubba", "Antares", "Sargas", "Shaula"),
    ("Capella", "Menkalinan"),
)


def angle(text: str) -> float:
    """`[±]u mm ss` as units with decimals: hours or degrees, whichever u counts."""
    sign = -1.0 if text.startswith("-") else 1.0
    units, minutes, seconds = (float(part) for part in text.lstrip("+-").split())
    return sign * (units + minutes / 60 + seconds / 3600)


def star_catalogue() -> bytes:
    """CSV, brightest first, with the distance that the parallax gives."""
    rows = []
    for star in stars():
        parsecs = 1000 / star["parallax_mas"]
        absolute = star["magnitude"] - 5 * math.log10(parsecs / 10)
        place = (f"{angle(star['right_ascension']) * 15:.4f}", f"{angle(star['declination']):.4f}")
        rows.append(
            (
                *(star["name"], star["designation"], star["right_ascension"], star["declination"]),
                *(*place, f"{star['magnitude']:.2f}", f"{star['parallax_mas']:.2f}"),
                *(f"{parsecs * _LIGHT_YEARS_PER_PARSEC:.3g}", f"{absolute:.1f}"),
                star["spectral_type"],
            )
        )
    header = ("name", "designation", "ra_hms", "dec_dms", "ra_deg", "dec_deg", "v_magnitude")
    tail = ("parallax_mas", "distance_ly", "absolute_magnitude", "spectral_type")
    return as_csv((*header, *tail), rows)


def project(ra_hours: float, dec_degrees: float, north: bool) -> tuple[float, float]:
    """Azimuthal equidistant about a pole, in drawing units from the pole, y downwards.

    As seen from inside the sphere: with north up right ascension grows to the left.
    """
    from_pole = 90 - dec_degrees if north else 90 + dec_degrees
    radius = _RADIUS * from_pole / _REACH_DEGREES
    turn = math.radians(ra_hours * 15)
    x = -radius * math.sin(turn) if north else radius * math.sin(turn)
    return x, -radius * math.cos(turn)


def _path(points: Iterator[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _grid(north: bool) -> Iterator[str]:
    sign = 1 if north else -1
    for degrees in range(-15, 90, 15):
        radius = _RADIUS * (90 - degrees) / _REACH_DEGREES
        kind = "equator" if degrees == 0 else "grid"
        yield f'<circle class="{kind}" r="{radius:.1f}"/>'
        if degrees > 0:
            label = f"{sign * degrees:+d}°"
            yield f'<text class="scale" x="3" y="{-radius - 3:.1f}">{label}</text>'
    for hour in range(24):
        ends = (project(hour, sign * dec, north) for dec in (75, -15))
        yield f'<path class="grid" d="{_path(ends)}"/>'
        x, y = project(hour, sign * -18.5, north)
        yield f'<text class="hour" x="{x:.1f}" y="{y + 4:.1f}">{hour}h</text>'
    obliquity = math.radians(23.4393)
    for half in (0, 1):
        yield f'<path class="ecliptic" d="{_path(_ecliptic(obliquity, north, half))}"/>'


def _ecliptic(obliquity: float, north: bool, half: int) -> Iterator[tuple[float, float]]:
    start = 0 if north else 180
    # each chart shows its own half of the ecliptic and a little of the other
    for longitude in range(start - 30 + half * 120, start - 30 + half * 120 + 121, 1):
        turn = math.radians(longitude)
        ra = math.atan2(math.cos(obliquity) * math.sin(turn), math.cos(turn))
        dec = math.asin(math.sin(obliquity) * math.sin(turn))
        yield project(math.degrees(ra) / 15, math.degrees(dec), north)


def _visible(star: Star, north: bool) -> bool:
    dec = angle(star["declination"])
    return (dec if north else -dec) > 90 - _REACH_DEGREES


def _colour(spectral_type: str) -> str:
    colours = {"O": "#9bb6ff", "B": "#b4c8ff", "A": "#dfe7ff", "F": "#fffbe8", "G": "#fff0b8"}
    return colours.get(spectral_type[0], "#ffc98a" if spectral_type[0] == "K" else "#ff9d72")


def _stars(north: bool) -> Iterator[str]:
    shown = {star["name"]: star for star in stars() if _visible(star, north)}
    where = {
        name: project(angle(star["right_ascension"]), angle(star["declination"]), north)
        for name, star in shown.items()
    }
    for figure in _FIGURES:
        if all(name in where for name in figure):
            yield f'<path class="figure" d="{_path(where[name] for name in figure)}"/>'
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in where.values()]
    for name, star in shown.items():
        x, y = where[name]
        radius = max(1.6, 5.2 - 1.2 * star["magnitude"])
        note = f"{name} ({star['designation']}), magnitude {star['magnitude']:.2f}"
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" '
            f'fill="{_colour(star["spectral_type"])}"><title>{note}</title></circle>'
        )
        left, top, right, bottom = _free_box(name, x, y, radius, taken)
        taken.append((left, top, right, bottom))
        yield f'<text class="star" x="{left:.1f}" y="{bottom - 2:.1f}">{name}</text>'


def _free_box(name: str, x: float, y: float, radius: float, taken: list[Box]) -> Box:
    """Where the name of a star at (x, y) goes: the first place that covers nothing else."""
    width, height, gap = 5.3 * len(name), 10.0, radius + 2
    corners = [
        (x + gap, y - height / 2),
        (x - gap - width, y - height / 2),
        *((x - width / 2, y + gap + down) for down in (0, 6, 14, 24)),
        *((x - width / 2, y - gap - height - up) for up in (0, 6, 14, 24)),
        *((x + gap + 3, y + down) for down in (-16, 8, -26, 18)),
        *((x - gap - 3 - width, y + down) for down in (-16, 8, -26, 18)),
    ]
    boxes = [(left, top, left + width, top + height) for left, top in corners]
    own = (x - 4, y - 4, x + 4, y + 4)
    others = [box for box in taken if box != own]
    return next((box for box in boxes if not any(_overlap(box, o) for o in others)), boxes[0])


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def sky_chart() -> bytes:
    """SVG, both celestial hemispheres side by side."""
    middle = _RADIUS + _MARGIN
    width, height = 4 * middle, 2 * middle + 40
    style = (
        "text{font-family:sans-serif;fill:#c9d4ee}"
        ".grid{fill:none;stroke:#2b3a5e;stroke-width:.7}"
        ".equator{fill:none;stroke:#6f86bd;stroke-width:1.2}"
        ".ecliptic{fill:none;stroke:#c9a23c;stroke-width:1;stroke-dasharray:6 4}"
        ".figure{fill:none;stroke:#5f7fb5;stroke-width:1.1}"
        ".star{font-size:9px}"
        ".hour{font-size:11px;text-anchor:middle}.scale{font-size:8px;fill:#6f7fa5}"
        ".title{font-size:22px;text-anchor:middle}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">',
        f"<title>The brightest stars</title><style>{style}</style>",
        '<rect width="100%" height="100%" fill="#0b1224"/>',
    ]
    for index, (title, north) in enumerate((("Northern sky", True), ("Southern sky", False))):
        x = middle * (1 + 2 * index)
        parts.append(f'<text class="title" x="{x:.0f}" y="34">{title}</text>')
        parts.append(f'<g transform="translate({x:.0f} {middle + 40:.0f})">')
        parts += _grid(north)
        parts += _stars(north)
        parts.append("</g>")
    parts.append("</svg>")
    return ("\n".join(parts) + "\n").encode()


RECIPES = (
    Recipe(
        Good(
            "bright-stars.csv",
            "Catalogue of the brightest stars",
            "Names, positions for J2000.0, magnitudes, parallaxes, distances and spectral types of "
            "more than eighty stars that the naked eye sees from a city.",
        ),
        star_catalogue,
    ),
    Recipe(
        Good(
            "sky-chart.svg",
            "Chart of the northern and southern sky",
            "Both hemispheres with bright stars in their colours, the best-known figures, the "
            "ecliptic and a grid; prints sharply at any size.",
        ),
        sky_chart,
    ),
)
