"""Where things are: cities and the distances between them, the brightest stars, ten years' days."""

import math
from datetime import date, timedelta
from itertools import combinations

from veilmart.demo.goods.good import City, Good, Recipe, as_csv, cities, stars

EARTH_RADIUS_KM = 6371.0088
FIRST_DAY, LAST_DAY = date(2027, 1, 1), date(2036, 12, 31)
_LIGHT_YEARS_PER_PARSEC = 3.261563777


def great_circle(start: City, end: City) -> tuple[float, float]:
    """(kilometres, initial bearing in degrees from north) on a sphere of the mean radius."""
    here, there = math.radians(start["latitude"]), math.radians(end["latitude"])
    turn = math.radians(end["longitude"] - start["longitude"])
    east = math.cos(there) * math.sin(turn)
    north = math.cos(here) * math.sin(there) - math.sin(here) * math.cos(there) * math.cos(turn)
    up = math.sin(here) * math.sin(there) + math.cos(here) * math.cos(there) * math.cos(turn)
    kilometres = EARTH_RADIUS_KM * math.atan2(math.hypot(east, north), up)
    return kilometres, math.degrees(math.atan2(east, north)) % 360


def distance_table() -> bytes:
    """CSV, one row per pair of cities."""
    rows = []
    for start, end in combinations(cities(), 2):
        kilometres, bearing = great_circle(start, end)
        _, back = great_circle(end, start)
        distances = (round(kilometres), round(kilometres / 1.852))
        bearings = (round(bearing) % 360, round(back) % 360)
        rows.append((start["name"], end["name"], *distances, *bearings))
    return as_csv(("from", "to", "km", "nautical_miles", "bearing_deg", "bearing_back_deg"), rows)


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


def easter(year: int) -> date:
    """Western Easter Sunday, by the Gregorian computus of Meeus, Jones and Butcher."""
    century, position = divmod(year, 100)
    golden = year % 19
    leaps = century // 4
    shift = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - leaps - shift + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (position // 4) - moon - position % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def calendar() -> bytes:
    """CSV, a row per day: weekday, ISO week, day of the year, days left, and days to Easter."""
    rows = []
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=number)
        left = (date(day.year, 12, 31) - day).days
        week = day.isocalendar()
        name = f"{week.year}-W{week.week:02}"
        of_year = day.timetuple().tm_yday
        rows.append((day, f"{day:%A}", name, of_year, left, (easter(day.year) - day).days))
    return as_csv(("date", "weekday", "iso_week", "day", "days_left", "days_to_easter"), rows)


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
            "city-distances.csv",
            "Distances between eighty cities",
            "Great-circle distances in kilometres and nautical miles and the bearings both ways, "
            "for every pair of eighty large cities.",
        ),
        distance_table,
    ),
    Recipe(
        Good(
            "calendar-2027-2036.csv",
            "Calendar of ten years with week numbers",
            "Every day from 2027 to 2036 with weekday, ISO week, number in the year and the days "
            "to Easter, ready for a spreadsheet.",
        ),
        calendar,
    ),
)
