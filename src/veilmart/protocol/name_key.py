"""Usernames that people would confuse are one name (docs/protocol/05, section 1).

The key of a name is its compatibility form, folded by case, with letters of other scripts that look
like Latin ones replaced by those. No two accounts of a broker have the same key.
"""
# ruff: noqa: RUF001

from veilmart.protocol.unicode_forms import fold_case, normalize

# From Unicode's confusables.txt (UTS 39), letters that are folded already, one form for each.
_LOOKALIKES = {
    "a": "ɑαаᎪ",
    "b": "ƅβвьᏏᏴꞵ",
    "c": "σсᏟᴄⲥ",
    "d": "ԁᎠᏧ",
    "e": "εеҽᎬꬲ",
    "f": "ϝքẝꞙꬵ",
    "g": "ƍɡԍցᏀᏳᶃ",
    "h": "ηнһհᎻᏂⲏ",
    "i": "ıɩɪιіᎥꙇ",
    "j": "ʝϳјᎫ",
    "k": "κкᏦⲕ",
    "l": "ǀӏᏞⲓⳑ",
    "m": "μϻмᎷⲙ",
    "n": "νոռⲛ",
    "o": "οоօᴏᴑⲟꬽ",
    "p": "ρрᏢⲣ",
    "q": "ԛգզ",
    "r": "ʀгᎡᎱᏒᴦⲅꭇꭈ",
    "s": "ƽѕտᏕᏚꜱ",
    "t": "τтᎢⲧ",
    "u": "ʋυսᴜꞟꭎꭒ",
    "v": "ѵᏙᴠ",
    "w": "ɯѡԝաᎳᏔᴡ",
    "x": "χхⲭꭓ",
    "y": "ɣʏγуүყᎩᎽᶌỿⲩꭚ",
    "z": "ζᏃᴢ",
}
_AS_LATIN = {ord(form): latin for latin, forms in _LOOKALIKES.items() for form in forms}


def name_key(username: str) -> str:
    """The same for all names that look the same; any text has one."""
    folded = fold_case(normalize("NFKC", username))
    return fold_case(normalize("NFKC", folded)).translate(_AS_LATIN)
