"""The one tree of errors: codes, sentences, exit codes, and what may cross the wire."""

import pytest

from veilmart import errors
from veilmart.errors import (
    DETAIL_MAX_CHARACTERS,
    NO_MONEY,
    CannotDo,
    Misuse,
    NetworkFailure,
    PeerFault,
    Refusal,
    StorageFailure,
    TrustFailure,
    UnexpectedAnswer,
    VeilmartError,
    by_code,
    from_unsigned,
    from_wire,
    walk,
)

FAMILIES: dict[type[VeilmartError], tuple[range, int]] = {
    CannotDo: (range(1100, 1200), 2),
    PeerFault: (range(2100, 2200), 5),
    NetworkFailure: (range(3100, 3200), 4),
    Refusal: (range(4100, 4200), 3),
    StorageFailure: (range(5100, 5200), 7),
    TrustFailure: (range(6100, 6200), 6),
}
OWN_EXIT_CODES = {"Declined": 8, "Interrupted": 130}
CROSSING = (PeerFault, NetworkFailure, Refusal)
# A peer that could name these could make a wallet say what only signed bytes may make it say.
PROVED_LOCALLY = {
    errors.TokenEndsEarly,
    errors.PaddingInvalid,
    errors.PieceMismatch,
    errors.ContentKeyInvalid,
    errors.KeyNotSigned,
    errors.TokenKeyInvalid,
    errors.StatementInvalid,
    errors.BrokerUnreachable,
    errors.ProxyFailed,
    errors.UnsignedAnswer,
}
# Page 4.6: what is believed of an answer that nobody signed.
UNSIGNED_CODES = {2101, 2102, 2103, 2104, 2105, 2107, 2113, 3103, 3104, 3105, 4116, 4119}

CONCRETE = [kind for kind in walk() if kind not in FAMILIES]
names = pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)


def family(kind: type[VeilmartError]) -> type[VeilmartError]:
    return next(candidate for candidate in FAMILIES if issubclass(kind, candidate))


def test_every_class_is_in_the_tree() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert defined == {VeilmartError, *FAMILIES, *CONCRETE}


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in CONCRETE]
    assert len(codes) == len(set(codes))
    assert {by_code()[kind.code] for kind in CONCRETE} == set(CONCRETE)


@names
def test_has_a_code_of_its_own_in_its_familys_range(kind: type[VeilmartError]) -> None:
    assert "code" in vars(kind)
    if kind is Misuse:
        assert kind.code == 1000
    else:
        assert kind.code in FAMILIES[family(kind)][0]
        assert len([candidate for candidate in FAMILIES if issubclass(kind, candidate)]) == 1


@names
def test_says_what_happened_and_what_to_do_next(kind: type[VeilmartError]) -> None:
    assert "summary" in vars(kind)
    assert "hint" in vars(kind)
    for sentence in (kind.summary, kind.hint):
        assert len(sentence) > 10
        assert sentence[0].isupper() or sentence[0] == "`"
        assert sentence[-1] in ".?"
        assert "\n" not in sentence


@names
def test_says_whether_money_moved(kind: type[VeilmartError]) -> None:
    error = kind(7) if kind is errors.SegmentDamaged else kind("What happened here.")
    lines = error.explain().splitlines()
    assert lines[0].startswith(f"{kind.summary} {error.detail}")
    assert "7" in error.detail or error.detail == "What happened here."
    assert f"(error {kind.code})" in lines[0]
    assert lines[-1] == kind.hint
    if kind.money:
        assert "money" in kind.money.lower()
        assert lines[1] == kind.money
    else:
        assert "money" not in kind.summary.lower()


@names
def test_exit_codes_tell_the_families_apart(kind: type[VeilmartError]) -> None:
    if kind is Misuse:
        assert kind.exit_code == 70
    else:
        expected = OWN_EXIT_CODES.get(kind.__name__, FAMILIES[family(kind)][1])
        assert kind.exit_code == expected


def test_no_two_families_share_an_exit_code() -> None:
    codes = [exit_code for _, exit_code in FAMILIES.values()]
    codes += [Misuse.exit_code, *OWN_EXIT_CODES.values()]
    assert len(codes) == len(set(codes))
    assert all(0 < code < 256 for code in codes)


@names
def test_http_status_is_an_error_status(kind: type[VeilmartError]) -> None:
    assert 400 <= kind.http_status < 600


@names
def test_what_crosses_the_wire(kind: type[VeilmartError]) -> None:
    arrived = from_wire(kind.code, "What it says.")
    if issubclass(kind, CROSSING) and kind not in PROVED_LOCALLY:
        assert type(arrived) is kind
        assert arrived.detail == "What it says."
    else:
        assert type(arrived) is UnexpectedAnswer
        assert "What it says." not in arrived.explain()


@names
def test_unsigned_only_codes_about_transport_are_believed(kind: type[VeilmartError]) -> None:
    """Money, evidence and refusals need a signature or a seal (page 4.6)."""
    arrived = from_unsigned(kind.code)
    if kind.code in UNSIGNED_CODES:
        assert type(arrived) is kind
        assert arrived.money_now == NO_MONEY
    else:
        assert type(arrived) is errors.UnsignedAnswer
    assert "merchant" not in arrived.explain() or kind.code == 4119
    assert "You have paid" not in arrived.explain()


def test_the_unsigned_codes_are_those_of_the_page() -> None:
    believed = {code for code in by_code() if type(from_unsigned(code)) is by_code()[code]}
    assert believed - {errors.UnsignedAnswer.code} == UNSIGNED_CODES


@pytest.mark.parametrize("code", [0, -1, 1, 999, 4000, 4199, 2**53 - 1])
def test_unknown_codes_do_not_cross(code: int) -> None:
    assert type(from_wire(code, "")) is UnexpectedAnswer


def test_a_strangers_words_cannot_draw_on_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07\r\n\u202eNo money moved.\0"
    detail = from_wire(4109, hostile).detail
    assert detail.isprintable()
    assert "No money moved." in detail


def test_a_strangers_words_are_cut() -> None:
    assert len(from_wire(4109, "x" * 1_000_000).detail) == DETAIL_MAX_CHARACTERS


def test_errors_know_what_they_were_about() -> None:
    assert str(errors.NoSuchOrder()) == errors.NoSuchOrder.summary
    assert str(errors.NoSuchOrder("Order 7.")) == "Order 7."
    assert errors.NoSuchProduct().money_now == errors.NO_MONEY
    assert errors.DiskFull().money_now == errors.MONEY_SAFE
    told = errors.WrongOrderState(money="5.00 are held.")
    assert told.explain().splitlines()[1] == "5.00 are held."
