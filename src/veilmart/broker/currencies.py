"""How many digits of an amount are minor, by currency.

ISO 4217, list one of its maintenance agency (SIX), state of 2025. Precious metals, units of
account and test codes have no minor unit there, so no books can be kept in them.
"""

from typing import Final

from veilmart.errors import BadArgument

DECIMALS_MAX: Final = 6
_BY_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
        "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
        "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK "
        "LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO "
        "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST "
        "XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def decimals_of(currency: str, chosen: int | None = None) -> int:
    """Of a currency of ISO 4217; of any other one as the operator has chosen.

    Raises BadArgument where nobody says, or `chosen` contradicts the standard.
    """
    if chosen is not None and not 0 <= chosen <= DECIMALS_MAX:
        raise BadArgument(f"An amount has 0 to {DECIMALS_MAX} decimals.")
    for decimals, codes in _BY_DECIMALS.items():
        if currency in codes.split():
            if chosen not in (None, decimals):
                raise BadArgument(f"{currency} has {decimals} decimals (ISO 4217).")
            return decimals
    if chosen is None:
        raise BadArgument(f"{currency[:8]!r} is not in ISO 4217: say --decimals.")
    return chosen
