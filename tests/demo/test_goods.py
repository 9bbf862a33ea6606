"""The demo's goods hold true facts, keep to their sizes and come out the same every time."""

import csv
import io
import math
import wave
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilmart.demo.goods import make_goods, recipes
from veilmart.demo.goods.good import cities, constants, stars
from veilmart.demo.goods.places import angle, easter, great_circle
from veilmart.demo.goods.reference import exact_constants, filling, place
from veilmart.errors import CannotWrite
from veilmart.limits import DESCRIPTION_MAX_BYTES, NAME_MAX_BYTES, TITLE_MAX_BYTES

SMALL, MEDIUM, LARGE = 16 * 1024, 256 * 1024, 2 * 1024 * 1024


@pytest.fixture(scope="module")
def goods() -> dict[str, bytes]:
    return {recipe.good.file_name: recipe.make() for recipe in recipes()}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def city(name: str):
    return next(row for row in cities() if row["name"] == name)


def test_three_shelves_of_at_least_four(goods):
    shelves: Counter[str] = Counter()
    for name, content in goods.items():
        size = len(content)
        assert 1024 <= size <= LARGE, name
        if size <= SMALL - 1024:
            shelves["small"] += 1
        elif SMALL < size <= MEDIUM - 1024:
            shelves["medium"] += 1
        else:
            assert 1_000_000 <= size <= LARGE - 1024, name
            shelves["large"] += 1
    assert len(goods) == 12
    assert min(shelves["small"], shelves["medium"], shelves["large"]) >= 4


def test_make_goods_writes_what_it_names(tmp_path: Path, goods):
    made = make_goods(tmp_path / "new" / "folder")
    assert len({good.title for good in made}) == len(made)
    for good in made:
        assert (tmp_path / "new" / "folder" / good.file_name).read_bytes() == goods[good.file_name]
        assert good.file_name.isascii() and "/" not in good.file_name
        assert len(good.file_name.encode()) <= NAME_MAX_BYTES
        assert 0 < len(good.title.encode()) <= TITLE_MAX_BYTES
        assert 0 < len(good.description.encode()) <= DESCRIPTION_MAX_BYTES
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {good.file_name for good in made}


def test_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(CannotWrite):
        make_goods(tmp_path / "taken")


def test_periodic_table(goods):
    table = rows(goods["periodic-table.csv"])
    assert [int(row["atomic_number"]) for row in table] == list(range(1, 119))
    assert len({row["symbol"] for row in table}) == 118
    assert Counter(row["block"] for row in table) == {"s": 14, "p": 36, "d": 40, "f": 28}
    by_symbol = {row["symbol"]: row for row in table}
    assert by_symbol["Au"]["atomic_number"] == "79"
    assert by_symbol["Fe"]["mass"] == "55.845"
    assert by_symbol["Tc"]["mass_kind"] == "mass number"
    assert place(1) == (1, 1, "s")
    assert place(2) == (18, 1, "s")
    assert place(26) == (8, 4, "d")
    assert place(57) == (None, 6, "f")
    assert place(71) == (3, 6, "d")
    assert place(82) == (14, 6, "p")
    assert place(118) == (18, 7, "p")
    assert filling(8) == "1s2 2s2 2p4"
    # weights grow with the number, but for the pairs known since Mendeleev
    standard = [row for row in table if row["mass_kind"] == "standard"]
    swapped = {
        (one["symbol"], two["symbol"])
        for one, two in pairwise(standard)
        if float(one["mass"]) > float(two["mass"])
    }
    assert swapped == {("Ar", "K"), ("Co", "Ni"), ("Te", "I"), ("Th", "Pa")}


def test_constants_agree_with_one_another(goods):
    exact = {symbol: float(value) for _, symbol, value, _ in exact_constants()}
    measured = {}
    for row in constants():
        head, _, tail = row["value"].partition("(")
        measured[row["symbol"]] = float(head + tail.partition(")")[2])
    c, h, e = exact["c"], exact["h"], exact["e"]
    alpha = measured["alpha"]
    assert measured["mu_0"] * measured["epsilon_0"] * c**2 == pytest.approx(1, abs=1e-11)
    assert e**2 / (2 * measured["epsilon_0"] * h * c) == pytest.approx(alpha, rel=1e-9)
    assert alpha * measured["1/alpha"] == pytest.approx(1, abs=1e-10)
    assert measured["m_p"] / measured["m_e"] == pytest.approx(measured["m_p/m_e"], rel=1e-9)
    rydberg = alpha**2 * measured["m_e"] * c / (2 * h)
    assert rydberg == pytest.approx(measured["R_inf"], rel=1e-9)
    assert measured["l_P"] / measured["t_P"] == pytest.approx(c, rel=1e-5)
    assert exact["sigma"] == pytest.approx(5.670374419e-8, rel=1e-10)
    assert exact["b"] == pytest.approx(2.897771955e-3, rel=1e-9)
    assert b"8.31446261815324 " in goods["physical-constants.txt"]
    assert b"6.67430(15)E-11" in goods["physical-constants.txt"]


def test_signs(goods):
    lines = goods["spelling-morse-braille.txt"].decode().splitlines()
    first_words = {line[0]: line.split() for line in lines if line[1:3] == "  " and line[0] != " "}
    assert first_words["S"][1:3] == ["Sierra", "..."]
    assert first_words["7"][1] == "--..."
    assert first_words["Q"][3:] == ["⠟", "81", "51", "01010001"]
    codes = [words[2] for letter, words in first_words.items() if letter.isalpha()]
    assert len(codes) == len(set(codes)) == 26
    assert sum(line.endswith(("U+03C3", "U+03C9", "U+03B1")) for line in lines) == 3


def test_stars(goods):
    table = rows(goods["bright-stars.csv"])
    magnitudes = [float(row["v_magnitude"]) for row in table]
    assert magnitudes == sorted(magnitudes)
    assert table[0]["name"] == "Sirius"
    assert float(table[0]["distance_ly"]) == pytest.approx(8.6, abs=0.05)
    assert len({row["name"] for row in table}) == len(table) == len(stars()) >= 60
    for row in table:
        assert 0 <= float(row["ra_deg"]) < 360
        assert -90 <= float(row["dec_deg"]) <= 90
    polaris = next(row for row in table if row["name"] == "Polaris")
    assert float(polaris["dec_deg"]) > 89
    assert angle("-00 17 57") == pytest.approx(-0.29917, abs=1e-5)


def test_easter() -> None:
    known = {2024: (3, 31), 2025: (4, 20), 2027: (3, 28), 2030: (4, 21), 2035: (3, 25)}
    known |= {1818: (3, 22), 2038: (4, 25)}
    for year, (month, day) in known.items():
        assert easter(year) == date(year, month, day)
    assert all(easter(year).isoweekday() == 7 for year in range(1900, 2100))


def test_calendar(goods):
    table = rows(goods["calendar-2027-2036.csv"])
    assert len(table) == 3653
    first, last = table[0], table[-1]
    assert (first["date"], first["weekday"], first["iso_week"]) == (
        "2027-01-01",
        "Friday",
        "2026-W53",
    )
    assert (last["date"], last["day"], last["days_left"]) == ("2036-12-31", "366", "0")
    easters = [row["date"] for row in table if row["days_to_easter"] == "0"]
    assert easters[0] == "2027-03-28" and len(easters) == 10


def test_mathematical_tables(goods):
    text = goods["mathematical-tables.txt"].decode()
    line = next(line for line in text.splitlines() if line.startswith(" 2.00 "))
    assert line.split()[1] == "30103"
    assert " 30.0  0.523599  0.500000  0.866025     0.577350" in text
    assert "1000  1000000  1000000000  31.622777  10.000000  0.001000000   6.907755" in text


def test_primes(goods):
    table = rows(goods["first-100000-primes.csv"])
    primes = [int(row["prime"]) for row in table]
    assert len(primes) == 100_000
    assert (primes[:5], primes[-1]) == ([2, 3, 5, 7, 11], 1_299_709)
    assert sum(prime < 1_000_000 for prime in primes) == 78_498
    assert table[4]["gap"] == "4"
    assert int(table[-1]["n"]) == 100_000


def test_powers_of_two(goods):
    lines = goods["powers-of-two.txt"].decode().splitlines()
    assert len(lines) == 1024
    assert lines[10].split() == ["2^10", "1024"]
    assert int(lines[-1].split()[1]) == 2**1023


def test_factors(goods):
    table = rows(goods["prime-factors-to-80000.csv"])
    assert len(table) == 79_999
    for row in table:
        factors = [int(part) for part in row["factors"].split()]
        assert math.prod(factors) == int(row["n"]) and factors == sorted(factors)
    assert sum(" " not in row["factors"] for row in table) == 7837


def test_distances(goods):
    kilometres, bearing = great_circle(city("London"), city("New York"))
    assert kilometres == pytest.approx(5570, abs=10)
    assert bearing == pytest.approx(288, abs=1)
    table = rows(goods["city-distances.csv"])
    assert len(table) == math.comb(len(cities()), 2)
    assert max(int(row["km"]) for row in table) < 20016


def test_tone(goods):
    with wave.open(io.BytesIO(goods["tuning-tone-a440.wav"])) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 44100)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(float)
    assert np.abs(samples).max() < 32767

    def strongest(start_seconds: float, seconds: float) -> float:
        piece = samples[round(start_seconds * 44100) :][: round(seconds * 44100)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(piece.size)))
        return float(np.argmax(spectrum)) * 44100 / piece.size

    assert strongest(0.5, 4.0) == pytest.approx(440.0, abs=0.25)
    for semitone in range(13):
        expected = 440 * 2 ** (semitone / 12)
        assert strongest(5 + 0.75 * semitone + 0.05, 0.65) == pytest.approx(expected, abs=1.6)


def test_poster_decodes(goods):
    with Image.open(io.BytesIO(goods["mandelbrot-poster.png"])) as poster:
        image = np.asarray(poster.convert("RGB"))
    height, width, _ = image.shape
    assert np.array_equal(image, image[::-1])

    def shade(real: float) -> int:
        x = round((real + 2.25) / 3.2 * width)
        return int(image[height // 2 - 1, x].sum())

    assert shade(0.0) == shade(-1.0) == shade(-0.5) == 0
    assert shade(0.5) > 0 and shade(-2.2) > 0


def test_every_run_makes_the_same(goods):
    again = {recipe.good.file_name: recipe.make() for recipe in recipes()}
    assert again == goods
