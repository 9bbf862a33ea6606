"""Amounts as people write them, and double entry (docs/protocol/09-purchase.md, 9.6)."""

import pytest
from hypothesis import given, strategies as st

from veilmart.errors import BadAmount, LedgerViolated
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.accounting import (
    Posting,
    check_transaction,
    format_amount,
    parse_amount,
    transfer,
)

amounts = st.integers(0, INTEGER_MAX)
decimals = st.integers(0, 6)


@pytest.mark.parametrize(
    ("text", "places", "amount"),
    [
        ("5", 2, 500),
        ("5.0", 2, 500),
        ("5.00", 2, 500),
        (" 5.25 ", 2, 525),
        ("0", 2, 0),
        ("0.01", 2, 1),
        ("007", 2, 700),
        ("5", 0, 5),
        ("0.000001", 6, 1),
        ("1.5", 6, 1_500_000),
        ("90071992547409.91", 2, INTEGER_MAX),
        ("9007199254740991", 0, INTEGER_MAX),
    ],
)
def test_amounts(text: str, places: int, amount: int) -> None:
    assert parse_amount(text, places) == amount


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "5.", ".5", "-5", "+5", "5,00", "5.001", "5.0.0", "1e3", "0x10", "1_000",
        "1 000", "five", "EUR 5", "5 EUR", "NaN", "inf", "٥", "５", "²", "5\n6", "5\0",  # noqa: RUF001
        "90071992547409.92", "9" * 15, "9" * 100_000, "0." + "0" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_amount(text, 2)


def test_the_error_does_not_repeat_a_flood() -> None:
    with pytest.raises(BadAmount) as caught:
        parse_amount("x" * 10_000, 2)
    assert len(caught.value.detail) < 100


def test_a_currency_without_minor_units() -> None:
    for text in ("5.0", "5.", "9007199254740992"):
        with pytest.raises(BadAmount):
            parse_amount(text, 0)


@given(amounts, decimals)
def test_what_is_written_is_read_back(amount: int, places: int) -> None:
    assert parse_amount(format_amount(amount, places), places) == amount


@given(st.text(max_size=20), decimals)
def test_any_text_is_an_amount_or_is_refused(text: str, places: int) -> None:
    try:
        amount = parse_amount(text, places)
    except BadAmount:
        return
    assert 0 <= amount <= INTEGER_MAX


@given(st.text("0123456789.", max_size=19), decimals)
def test_digits_mean_what_a_decimal_means(text: str, places: int) -> None:
    from decimal import Decimal

    try:
        amount = parse_amount(text, places)
    except BadAmount:
        return
    assert Decimal(text).scaleb(places) == amount


@pytest.mark.parametrize(
    ("amount", "places", "text"),
    [(500, 2, "5.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (-500, 0, "-500"), (0, 3, "0.000")],
)
def test_formatting(amount: int, places: int, text: str) -> None:
    assert format_amount(amount, places) == text


@given(st.integers(1, 9), st.integers(10, 19), st.integers(1, INTEGER_MAX))
def test_a_transfer_sums_to_zero(source: int, target: int, amount: int) -> None:
    postings = transfer(source, target, amount)
    assert postings == (Posting(source, -amount), Posting(target, amount))
    check_transaction(postings)


@pytest.mark.parametrize(
    ("source", "target", "amount"),
    [(1, 2, 0), (1, 2, -1), (1, 2, INTEGER_MAX + 1), (1, 1, 5)],
    ids=["nothing", "negative", "2-to-the-53", "to-itself"],
)
def test_a_transfer_that_is_none(source: int, target: int, amount: int) -> None:
    with pytest.raises(LedgerViolated):
        transfer(source, target, amount)


@given(st.lists(st.builds(Posting, st.integers(1, 5), st.integers(-1000, 1000)), max_size=6))
def test_only_what_sums_to_zero_is_a_transaction(postings: list[Posting]) -> None:
    if postings and sum(posting.amount for posting in postings) == 0:
        check_transaction(tuple(postings))
    else:
        with pytest.raises(LedgerViolated):
            check_transaction(tuple(postings))
