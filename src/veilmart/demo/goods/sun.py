"""Where and when: sunrise and sunset for a year, and distances between cities.

The sun's place follows the low-precision formulae of J. Meeus, Astronomical Algorithms,
chapter 25; times are Universal Time, good to about a minute below the polar circles.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from veilmart.demo.goods.good import City, Good, Recipe, as_csv, as_text, cities

YEAR = 2027
EARTH_RADIUS_KM = 6371.0088
# refraction at the horizon and the sun's half-width
_RISE_ALTITUDE_DEGREES = -0.833

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SunDays:
    """One city's year, an array entry a day. Minutes from 0h UT; NaN where there is no rise."""

    rise: Floats
    noon: Floats
    sunset: Floats
    noon_altitude: Floats


def sun_position(days: Floats) -> tuple[Floats, Floats]:
    """Days since J2000.0 (UT) → (declination in radians, equation of time in minutes)."""
    t = (days + 71 / 86400) / 36525
    mean_longitude = 280.46646 + 36000.76983 * t + 0.0003032 * t**2
    anomaly = np.radians(357.52911 + 35999.05029 * t - 0.0001537 * t**2)
    centre = (
        (1.914602 - 0.004817 * t) * np.sin(anomaly)
        + (0.019993 - 0.000101 * t) * np.sin(2 * anomaly)
        + 0.000289 * np.sin(3 * anomaly)
    )
    node = np.radians(125.04 - 1934.136 * t)
    longitude = np.radians(mean_longitude + centre - 0.00569 - 0.00478 * np.sin(node))
    obliquity = np.radians(23.439291 - 0.0130042 * t + 0.00256 * np.cos(node))
    ra = np.degrees(np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude)))
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    nutation = -0.00478 * np.sin(node) * np.cos(obliquity)
    difference = mean_longitude - 0.0057183 - ra + nutation
    return declination, 4 * ((difference + 180) % 360 - 180)


def sun_days(city: City, year: int = YEAR) -> SunDays:
    """Rise, noon and sunset of every local day of `year`.

    Each time is found by three rounds of taking the sun's place at the time found before.
    """
    first = date(year, 1, 1)
    count = (date(year + 1, 1, 1) - first).days
    start = (datetime(year, 1, 1, tzinfo=UTC) - datetime(2000, 1, 1, 12, tzinfo=UTC)).days
    # days since J2000.0 at 0h UT: the epoch is a noon, so `days` above is one half too many down
    midnight = np.arange(count, dtype=np.float64) + start + 0.5
    latitude = math.radians(city["latitude"])
    mean_noon = 720.0 - 4 * city["longitude"]
    noon = np.full(count, mean_noon)
    for _ in range(3):
        declination, equation = sun_position(midnight + noon / 1440)
        noon = mean_noon - equation
    altitude = 90 - np.abs(city["latitude"] - np.degrees(declination))
    found = []
    for side in (-1, 1):
        at = noon.copy()
        for _ in range(3):
            declination, equation = sun_position(midnight + at / 1440)
            above = math.sin(math.radians(_RISE_ALTITUDE_DEGREES))
            cosine = (above - math.sin(latitude) * np.sin(declination)) / (
                math.cos(latitude) * np.cos(declination)
            )
            reached = np.abs(cosine) <= 1
            half = np.degrees(np.arccos(np.clip(cosine, -1, 1))) * 4
            at = mean_noon - equation + side * half
        found.append(np.where(reached, at, np.nan))
    return SunDays(found[0], noon, found[1], altitude)


def clock(minutes: float) -> str:
    """Minutes from 0h UT as hh:mm, on whatever day that falls; empty for NaN."""
    if math.isnan(minutes):
        return ""
    hours, rest = divmod(math.floor(minutes + 0.5) % 1440, 60)
    return f"{hours:02}:{rest:02}"


def sun_table() -> bytes:
    """CSV, a row per city and day."""
    day_names = [(date(YEAR, 1, 1) + timedelta(days=n)).isoformat() for n in range(365)]
    faces = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]
    lines = ["city,country,date,sunrise_ut,noon_ut,sunset_ut,noon_altitude_deg"]
    for city in cities():
        year = sun_days(city)
        columns = []
        for minutes in (year.rise, year.noon, year.sunset):
            known = ~np.isnan(minutes)
            whole = np.floor(np.where(known, minutes, 0.0) + 0.5).astype(np.int64) % 1440
            pairs = zip(whole.tolist(), known.tolist(), strict=True)
            columns.append([faces[minute] if there else "" for minute, there in pairs])
        start = f"{city['name']},{city['country']},"
        rows = zip(day_names, *columns, year.noon_altitude.tolist(), strict=True)
        lines += [f"{start}{day},{up},{top},{down},{alt:.1f}" for day, up, top, down, alt in rows]
    return as_text(lines)


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


RECIPES = (
    Recipe(
        Good(
            "city-distances.csv",
            "Distances between eighty cities",
            "Great-circle distance in kilometres and nautical miles and the bearing both ways, for "
            "every pair of eighty cities on six continents.",
        ),
        distance_table,
    ),
    Recipe(
        Good(
            "sunrise-sunset-2027.csv",
            "Sunrise and sunset 2027 for eighty cities",
            "Sunrise, solar noon, sunset and the sun's height at noon for every day of the year, "
            "in Universal Time.",
        ),
        sun_table,
    ),
)
