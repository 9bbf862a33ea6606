"""A calendar of ten years: phases of the moon, seasons, Easter and the days that hang on it.

Moon and seasons follow J. Meeus, Astronomical Algorithms, chapters 49 and 27; the dates of
Easter follow his chapter 8. Times are Universal Time, good to a minute or two.
"""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from veilmart.demo.goods.good import Good, Recipe

FIRST_YEAR = 2027
LAST_YEAR = 2036
_DELTA_T_SECONDS = 71.0
_PHASES = ("New moon", "First quarter", "Full moon", "Last quarter")

# (new, full, quarter) coefficients in days; powers of E; multiples of M, M', F, Omega
_MOON_TERMS = (
    ((-0.40720, -0.40614, -0.62801), 0, (0, 1, 0, 0)),
    ((0.17241, 0.17302, 0.17172), 1, (1, 0, 0, 0)),
    ((0.01608, 0.01614, 0.00862), 0, (0, 2, 0, 0)),
    ((0.01039, 0.01043, 0.00804), 0, (0, 0, 2, 0)),
    ((0.00739, 0.00734, 0.00454), 1, (-1, 1, 0, 0)),
    ((-0.00514, -0.00515, -0.01183), 1, (1, 1, 0, 0)),
    ((0.00208, 0.00209, 0.00204), 2, (2, 0, 0, 0)),
    ((-0.00111, -0.00111, -0.00180), 0, (0, 1, -2, 0)),
    ((-0.00057, -0.00057, -0.00070), 0, (0, 1, 2, 0)),
    ((0.00056, 0.00056, 0.00027), 1, (1, 2, 0, 0)),
    ((-0.00042, -0.00042, -0.00040), 0, (0, 3, 0, 0)),
    ((0.00042, 0.00042, 0.00032), 1, (1, 0, 2, 0)),
    ((0.00038, 0.00038, 0.00032), 1, (1, 0, -2, 0)),
    ((-0.00024, -0.00024, -0.00034), 1, (-1, 2, 0, 0)),
    ((-0.00017, -0.00017, -0.00017), 0, (0, 0, 0, 1)),
    ((0.0, 0.0, -0.00028), 2, (2, 1, 0, 0)),
)
# amplitude in units of 1e-5 day, phase and rate in degrees, for the equinoxes and solstices
_SEASON_TERMS = (
    *((485, 324.96, 1934.136), (203, 337.23, 32964.467), (199, 342.08, 20.186)),
    *((182, 27.85, 445267.112), (156, 73.14, 45036.886), (136, 171.52, 22518.443)),
    *((77, 222.54, 65928.934), (74, 296.72, 3034.906), (70, 243.58, 9037.513)),
    *((58, 119.81, 33718.147), (52, 297.17, 150.678), (50, 21.02, 2281.226)),
    *((45, 247.54, 29929.562), (44, 325.15, 31555.956), (29, 60.93, 4443.417)),
    *((18, 155.12, 67555.328), (17, 288.79, 4562.452), (16, 198.04, 62894.029)),
    *((14, 199.76, 31436.921), (12, 95.39, 14577.848), (12, 287.11, 31931.756)),
    *((12, 320.81, 34777.259), (9, 227.73, 1222.114), (8, 15.45, 16859.074)),
)
_SEASONS = (
    ("March equinox", (2451623.80984, 365242.37404, 0.05169, -0.00411, -0.00057)),
    ("June solstice", (2451716.56767, 365241.62603, 0.00325, 0.00888, -0.00030)),
    ("September equinox", (2451810.21715, 365242.01767, -0.11575, 0.00337, 0.00078)),
    ("December solstice", (2451900.05952, 365242.74049, -0.06223, -0.00823, 0.00032)),
)
_FEASTS = (
    *((-47, "Shrove Tuesday"), (-46, "Ash Wednesday"), (-7, "Palm Sunday"), (-2, "Good Friday")),
    *((0, "Easter Sunday"), (1, "Easter Monday"), (39, "Ascension Day"), (49, "Whit Sunday")),
    *((50, "Whit Monday"), (60, "Corpus Christi")),
)


def from_julian_ephemeris_day(day: float) -> datetime:
    """Terrestrial Time as a Julian day → Universal Time, to the nearest minute."""
    seconds = (day - 2440587.5) * 86400 - _DELTA_T_SECONDS
    return datetime.fromtimestamp(math.floor(seconds / 60 + 0.5) * 60, UTC)


def moon_phase(quarters: int) -> datetime:
    """The phase `quarters` quarter lunations after the new moon of 6 January 2000."""
    k = quarters / 4
    t = k / 1236.85
    mean = 2451550.09766 + 29.530588861 * k + 0.00015437 * t * t
    e = 1 - 0.002516 * t - 0.0000074 * t * t
    sun = math.radians(2.5534 + 29.10535670 * k - 0.0000014 * t * t)
    moon = math.radians(201.5643 + 385.81693528 * k + 0.0107582 * t * t)
    latitude = math.radians(160.7108 + 390.67050284 * k - 0.0016118 * t * t)
    node = math.radians(124.7746 - 1.56375588 * k + 0.0020672 * t * t)
    phase = quarters % 4
    column = (0, 2, 1, 2)[phase]
    shift = 0.0
    for size, power, (of_sun, of_moon, of_latitude, of_node) in _MOON_TERMS:
        turn = of_sun * sun + of_moon * moon + of_latitude * latitude + of_node * node
        shift += size[column] * e**power * math.sin(turn)
    shift += 0.000325 * math.sin(math.radians(299.77 + 0.107408 * k))
    if column == 2:
        w = 0.00306 - 0.00038 * e * math.cos(sun) + 0.00026 * math.cos(moon)
        w += -0.00002 * math.cos(moon - sun) + 0.00002 * math.cos(moon + sun)
        w += 0.00002 * math.cos(2 * latitude)
        shift += w if phase == 1 else -w
    return from_julian_ephemeris_day(mean + shift)


def season(year: int, index: int) -> datetime:
    """March equinox (0), June solstice (1), September equinox (2), December solstice (3)."""
    y = (year - 2000) / 1000
    mean = sum(factor * y**power for power, factor in enumerate(_SEASONS[index][1]))
    t = (mean - 2451545.0) / 36525
    w = math.radians(35999.373 * t - 2.47)
    stretch = 1 + 0.0334 * math.cos(w) + 0.0007 * math.cos(2 * w)
    total = sum(size * math.cos(math.radians(at + rate * t)) for size, at, rate in _SEASON_TERMS)
    return from_julian_ephemeris_day(mean + 0.00001 * total / stretch)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar."""
    golden, century, rest = year % 19, year // 100, year % 100
    epact_shift = (century - (century + 8) // 25 + 1) // 3
    h = (19 * golden + century - century // 4 - epact_shift + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - h - rest % 4) % 7
    m = (golden + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def orthodox_easter(year: int) -> date:
    """Easter Sunday of the Julian reckoning as a Gregorian date; 1900 to 2099."""
    d = (19 * (year % 19) + 15) % 30
    e = (2 * (year % 4) + 4 * (year % 7) - d + 34) % 7
    month, day = divmod(d + e + 114, 31)
    return date(year, month, day + 1) + timedelta(days=13)


def moments() -> Iterator[tuple[datetime, str]]:
    """Phases of the moon and beginnings of the seasons, each with its name."""
    quarters = 4 * math.floor((FIRST_YEAR - 2000) * 12.3685) - 4
    while (moment := moon_phase(quarters)).year <= LAST_YEAR:
        if moment.year >= FIRST_YEAR:
            yield moment, _PHASES[quarters % 4]
        quarters += 1
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for index, (name, _) in enumerate(_SEASONS):
            yield season(year, index), name


def days() -> Iterator[tuple[date, str]]:
    """Days with a name that the calendar itself fixes."""
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for offset, name in _FEASTS:
            yield easter(year) + timedelta(days=offset), name
        yield orthodox_easter(year), "Orthodox Easter Sunday"
        christmas = date(year, 12, 25)
        yield christmas - timedelta(days=christmas.isoweekday() + 21), "First Sunday of Advent"
        for month in range(1, 13):
            if date(year, month, 13).isoweekday() == 5:
                yield date(year, month, 13), "Friday the thirteenth"
        for monday in range(1, 53):
            yield date.fromisocalendar(year, monday, 1), f"Week {monday}"
        if date(year, 12, 28).isocalendar().week == 53:
            yield date.fromisocalendar(year, 53, 1), "Week 53"


def _event(uid: str, when: str, name: str) -> list[str]:
    return [
        *("BEGIN:VEVENT", f"UID:{uid}@goods.veilmart.invalid", "DTSTAMP:20270101T000000Z"),
        *(when, f"SUMMARY:{name}", "TRANSP:TRANSPARENT", "END:VEVENT"),
    ]


def ten_year_calendar() -> bytes:
    """iCalendar (RFC 5545): CR LF line ends, lines within 75 bytes, events in order of time."""
    events = [
        (f"{moment:%Y%m%dT%H%M}", f"DTSTART:{moment:%Y%m%dT%H%M%S}Z", name)
        for moment, name in moments()
    ]
    events += [(f"{day:%Y%m%d}", f"DTSTART;VALUE=DATE:{day:%Y%m%d}", name) for day, name in days()]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//veilmart//goods//EN"]
    lines.append("CALSCALE:GREGORIAN")
    for key, when, name in sorted(events):
        lines += _event(f"{key}-{name.lower().replace(' ', '-')}", when, name)
    lines.append("END:VCALENDAR")
    return ("\r\n".join(lines) + "\r\n").encode()


RECIPES = (
    Recipe(
        Good(
            "calendar-2027-2036.ics",
            "Calendar of ten years with moon and seasons",
            "Phases of the moon to the minute, equinoxes and solstices, week numbers, Easter in "
            "both reckonings and the feasts that depend on it; for any calendar program.",
        ),
        ten_year_calendar,
    ),
)
