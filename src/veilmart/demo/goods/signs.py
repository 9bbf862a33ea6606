"""Letters in other clothes: the radio spelling alphabet, Morse, Braille, ASCII and Greek."""

import unicodedata

from veilmart.demo.goods.good import Good, Recipe, as_text, letters

_MORSE_SIGNS = {
    **{".": ".-.-.-", ",": "--..--", ":": "---...", "?": "..--..", "'": ".----.", "-": "-....-"},
    **{"/": "-..-.", "(": "-.--.", ")": "-.--.-", '"': ".-..-.", "=": "-...-", "+": ".-.-."},
    "@": ".--.-.",
}


def morse_figure(figure: int) -> str:
    """0 to 9: up to five the dots come first, from six on the dashes."""
    if figure <= 5:
        return "." * figure + "-" * (5 - figure)
    return "-" * (figure - 5) + "." * (10 - figure)


def braille(dots: str) -> str:
    """Dot numbers such as `145` → the Unicode pattern: dot n sets bit n - 1 above U+2800."""
    return chr(0x2800 + sum(1 << (int(dot) - 1) for dot in dots))


def _greek() -> list[str]:
    lines = []
    for code in range(0x3B1, 0x3CA):
        # the final sigma has no capital of its own
        if code != 0x3C2:
            name = unicodedata.name(chr(code)).rpartition(" ")[2].lower().replace("lamda", "lambda")
            capital = code - 0x20
            lines.append(f"{chr(capital)} {chr(code)}  {name:12}U+{capital:04X}  U+{code:04X}")
    return lines


def signs() -> bytes:
    """Plain text: letters with spelling word, Morse, Braille and codes; figures; signs; Greek."""
    head = f"{'':4}{'spelling':12}{'Morse':9}{'Braille':9}{'ASCII':7}{'hex':6}binary"
    lines = ["SPELLING, MORSE, BRAILLE AND ASCII", "", head]
    for row in letters():
        code = ord(row["letter"])
        start = f"{row['letter']:4}{row['spelling']:12}{row['morse']:9}"
        pattern = braille(row["braille_dots"])
        lines.append(f"{start}{pattern:9}{code:<7}{code:<6X}{code:08b}")
    lines += ["", head]
    figures = {str(figure): morse_figure(figure) for figure in range(10)}
    for sign, morse in (figures | _MORSE_SIGNS).items():
        code = ord(sign)
        lines.append(f"{sign:16}{morse:18}{code:<7}{code:<6X}{code:08b}")
    return as_text([*lines, "", "Greek", "", *_greek()])


RECIPES = (
    Recipe(
        Good(
            "spelling-morse-braille.txt",
            "Spelling alphabet, Morse, Braille and ASCII",
            "Every letter with its radio spelling word, Morse code, Braille pattern and ASCII "
            "code; figures, signs and the Greek alphabet too.",
        ),
        signs,
    ),
)
