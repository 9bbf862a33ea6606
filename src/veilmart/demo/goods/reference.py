"""Small tables to keep at hand: the chemical elements and the constants of physics."""

from decimal import Decimal, localcontext

from veilmart.demo.goods.good import Good, Recipe, as_csv, as_text, constants, elements

_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
# subshells in the order in which they fill: principal number, letter, capacity
_FILLING = (
    *((1, "s", 2), (2, "s", 2), (2, "p", 6), (3, "s", 2), (3, "p", 6), (4, "s", 2), (3, "d", 10)),
    *((4, "p", 6), (5, "s", 2), (4, "d", 10), (5, "p", 6), (6, "s", 2), (4, "f", 14)),
    *((5, "d", 10), (6, "p", 6), (7, "s", 2), (5, "f", 14), (6, "d", 10), (7, "p", 6)),
)

_PI = Decimal("3.14159265358979323846264338327950288")


def place(atomic_number: int) -> tuple[int | None, int, str]:
    """(group, period, block) of an element; f-block elements have no group.

    Follows the table with lutetium and lawrencium in group 3, as the filling of shells has it.
    """
    period = next(i for i, last in enumerate(_NOBLE) if atomic_number <= last)
    position = atomic_number - _NOBLE[period - 1]
    length = _NOBLE[period] - _NOBLE[period - 1]
    if position <= 2:
        group = 18 if atomic_number == 2 else position
        return group, period, "s"
    if position > length - 6:
        return 18 - (length - position), period, "p"
    if position > length - 16:
        return 18 - (length - position), period, "d"
    return None, period, "f"


def filling(atomic_number: int) -> str:
    """The configuration that the n + l rule gives, such as `1s2 2s2 2p4` for oxygen."""
    parts = []
    left = atomic_number
    for principal, letter, capacity in _FILLING:
        here = min(left, capacity)
        if here:
            parts.append(f"{principal}{letter}{here}")
        left -= here
    return " ".join(parts)


def periodic_table() -> bytes:
    """CSV, one row per element."""
    rows = []
    for number, element in enumerate(elements(), start=1):
        group, period, block = place(number)
        radioactive = element["mass"].startswith("[")
        mass = element["mass"].strip("[]")
        kind = "mass number" if radioactive else "standard"
        shown = "" if group is None else group
        names = (number, element["symbol"], element["name"])
        rows.append((*names, mass, kind, shown, period, block, filling(number)))
    header = ("atomic_number", "symbol", "name", "mass", "mass_kind", "group", "period")
    return as_csv((*header, "block", "subshells_by_n_plus_l_rule"), rows)


def exact_constants() -> list[tuple[str, str, Decimal, str]]:
    """(quantity, symbol, value, unit): the SI's defining constants and what follows from them."""
    with localcontext() as context:
        context.prec = 34
        c, h = Decimal(299792458), Decimal("6.62607015E-34")
        e, k = Decimal("1.602176634E-19"), Decimal("1.380649E-23")
        avogadro = Decimal("6.02214076E+23")
        stefan = 2 * _PI**5 * k**4 / (15 * h**3 * c**2)
        # 4.965... solves x = 5 (1 - exp(-x)), where Planck's curve has its top
        top = Decimal("4.965114231744276303698759131322893944")
        return [
            ("caesium hyperfine frequency", "Delta nu_Cs", Decimal(9192631770), "Hz"),
            ("speed of light in vacuum", "c", c, "m s^-1"),
            ("Planck constant", "h", h, "J s"),
            ("elementary charge", "e", e, "C"),
            ("Boltzmann constant", "k", k, "J K^-1"),
            ("Avogadro constant", "N_A", avogadro, "mol^-1"),
            ("luminous efficacy at 540 THz", "K_cd", Decimal(683), "lm W^-1"),
            ("reduced Planck constant", "h-bar", h / (2 * _PI), "J s"),
            ("molar gas constant", "R", avogadro * k, "J mol^-1 K^-1"),
            ("Faraday constant", "F", avogadro * e, "C mol^-1"),
            ("Stefan-Boltzmann constant", "sigma", stefan, "W m^-2 K^-4"),
            ("Wien displacement constant", "b", h * c / (k * top), "m K"),
            ("first radiation constant", "c_1", 2 * _PI * h * c**2, "W m^2"),
            ("second radiation constant", "c_2", h * c / k, "m K"),
            ("Josephson constant", "K_J", 2 * e / h, "Hz V^-1"),
            ("von Klitzing constant", "R_K", h / e**2, "ohm"),
            ("conductance quantum", "G_0", 2 * e**2 / h, "S"),
            ("magnetic flux quantum", "Phi_0", h / (2 * e), "Wb"),
            ("electron volt", "eV", e, "J"),
            ("standard gravity", "g_n", Decimal("9.80665"), "m s^-2"),
            ("standard atmosphere", "atm", Decimal(101325), "Pa"),
            ("astronomical unit", "au", Decimal(149597870700), "m"),
            ("parsec", "pc", 648000 / _PI * 149597870700, "m"),
            ("light year", "ly", c * 31557600, "m"),
            ("inch", "in", Decimal("0.0254"), "m"),
            ("nautical mile", "nmi", Decimal(1852), "m"),
            ("pound", "lb", Decimal("0.45359237"), "kg"),
            ("calorie, thermochemical", "cal", Decimal("4.184"), "J"),
            ("horsepower, metric", "PS", Decimal("735.49875"), "W"),
        ]


def _digits(value: Decimal) -> str:
    """All digits of a short value; twelve and an ellipsis of one that goes on."""
    if len(value.normalize().as_tuple().digits) <= 15:
        plain = f"{value:f}"
        return plain if len(plain) <= 15 else str(value.normalize())
    mantissa, _, exponent = f"{value:.13E}".partition("E")
    # cut, not rounded: the ellipsis promises that the digits shown are the true ones
    return f"{mantissa[:-1]}...E{exponent}"


def physical_constants() -> bytes:
    """Plain text in four columns."""
    ruler = "-" * 92
    lines = ["PHYSICAL CONSTANTS", "", "Exact in the International System of Units", ruler]
    for quantity, symbol, value, unit in exact_constants():
        lines.append(f"{quantity:36}{symbol:14}{_digits(value):28}{unit}")
    lines += ["", "Measured (CODATA 2022; in brackets the standard uncertainty of the last digits)"]
    lines.append(ruler)
    for row in constants():
        value_shown = row["value"].replace("e", "E")
        lines.append(f"{row['quantity']:36}{row['symbol']:14}{value_shown:28}{row['unit']}")
    return as_text(lines)


RECIPES = (
    Recipe(
        Good(
            "periodic-table.csv",
            "Periodic table of the 118 elements",
            "Atomic number, symbol, name, standard atomic weight, group, period, block and shell "
            "filling, one element a row, ready for a spreadsheet.",
        ),
        periodic_table,
    ),
    Recipe(
        Good(
            "physical-constants.txt",
            "Physical constants, CODATA 2022",
            "The exact constants of the SI with what follows from them, and the measured ones with "
            "their uncertainties, on one page of plain text.",
        ),
        physical_constants,
    ),
)
