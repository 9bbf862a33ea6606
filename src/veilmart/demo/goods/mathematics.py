"""Printed mathematics: logarithms, roots and angles for the desk, and the first primes."""

import math

import numpy as np

from veilmart.demo.goods.good import Good, Recipe, as_text

PRIMES = 100_000
FACTORED = 80_000
_SIEVE_BELOW = 1_300_000


def logarithms() -> list[str]:
    """log10 of 1.000 to 9.999 to five places, ten to a line."""
    lines = ["COMMON LOGARITHMS  log10(x), mantissas to five places", ""]
    lines.append("   x  " + "".join(f"{digit:>7}" for digit in range(10)))
    for start in range(100, 1000):
        values = (math.log10((start * 10 + digit) / 1000) for digit in range(10))
        lines.append(f" {start / 100:.2f} " + "".join(f"  {v * 1e5:05.0f}" for v in values))
    return lines


def angles() -> list[str]:
    """Sine, cosine, tangent and radians from 0° to 90° in tenths of a degree."""
    lines = ["", "", "ANGLES  degrees, radians, sine, cosine, tangent", ""]
    lines.append(f"{'deg':>5}{'rad':>10}{'sin':>10}{'cos':>10}{'tan':>13}")
    for tenths in range(901):
        turn = math.radians(tenths / 10)
        tangent = "infinite" if tenths == 900 else f"{math.tan(turn):.6f}"
        cosine = 0.0 if tenths == 900 else math.cos(turn)
        row = f"{tenths / 10:5.1f}{turn:10.6f}{math.sin(turn):10.6f}{cosine:10.6f}{tangent:>13}"
        lines.append(row)
    return lines


def powers() -> list[str]:
    """Squares, cubes, roots, reciprocals and natural logarithms of 1 to 1000."""
    lines = ["", "", "POWERS, ROOTS, RECIPROCALS  of 1 to 1000", ""]
    titles = f"{'n':>5}{'n^2':>9}{'n^3':>12}{'sqrt(n)':>11}{'cbrt(n)':>11}{'1/n':>13}{'ln(n)':>11}"
    lines.append(titles)
    for n in range(1, 1001):
        roots = f"{math.sqrt(n):11.6f}{math.cbrt(n):11.6f}"
        lines.append(f"{n:5}{n**2:9}{n**3:12}{roots}{1 / n:13.9f}{math.log(n):11.6f}")
    return lines


def mathematical_tables() -> bytes:
    """Plain text."""
    return as_text(logarithms() + angles() + powers())


def first_primes(count: int = PRIMES) -> list[int]:
    """The sieve of Eratosthenes over the odd numbers; `count` at most 100,021."""
    odd = np.ones(_SIEVE_BELOW // 2, dtype=np.bool_)
    odd[0] = False
    for n in range(3, math.isqrt(_SIEVE_BELOW) + 1, 2):
        if odd[n // 2]:
            odd[n * n // 2 :: n] = False
    found: list[int] = (2 * np.flatnonzero(odd) + 1).tolist()
    return [2, *found][:count]


def prime_table() -> bytes:
    """CSV: the number of the prime, the prime, the gap to the one before it."""
    lines = ["n,prime,gap"]
    before = 0
    for n, prime in enumerate(first_primes(), start=1):
        lines.append(f"{n},{prime},{prime - before if before else ''}")
        before = prime
    return as_text(lines)


def powers_of_two() -> bytes:
    """Plain text: 2^0 to 2^1023 with all their digits."""
    return as_text(f"2^{exponent:<5}{2**exponent}" for exponent in range(1024))


def factors() -> bytes:
    """CSV: every number from 2 to FACTORED with its prime factors in order."""
    smallest = list(range(FACTORED + 1))
    for n in range(2, math.isqrt(FACTORED) + 1):
        if smallest[n] == n:
            for multiple in range(n * n, FACTORED + 1, n):
                smallest[multiple] = min(smallest[multiple], n)
    lines = ["n,factors"]
    for n in range(2, FACTORED + 1):
        parts, left = [], n
        while left > 1:
            parts.append(str(smallest[left]))
            left //= smallest[left]
        lines.append(f"{n},{' '.join(parts)}")
    return as_text(lines)


RECIPES = (
    Recipe(
        Good(
            "mathematical-tables.txt",
            "Logarithms, angles, powers and roots",
            "Five-figure logarithms, sines, cosines and tangents by tenths of a degree, and "
            "squares, cubes, roots and reciprocals of 1 to 1000, set for printing.",
        ),
        mathematical_tables,
    ),
    Recipe(
        Good(
            "first-100000-primes.csv",
            "The first 100,000 primes",
            "Every prime from 2 to 1,299,709 with its number and the gap before it.",
        ),
        prime_table,
    ),
    Recipe(
        Good(
            "powers-of-two.txt",
            "Powers of two, 2^0 to 2^1023",
            "All digits of every power of two up to the largest that a double holds.",
        ),
        powers_of_two,
    ),
    Recipe(
        Good(
            "prime-factors-to-80000.csv",
            "Prime factors of 2 to 80,000",
            "Every number with its prime factors in order, one a row.",
        ),
        factors,
    ),
)
