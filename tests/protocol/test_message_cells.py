"""Every message fits the cells that pages 5 to 7 give it, at its largest; what varies says so."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import inspect

from tests.protocol.protocol_samples import SUITE_IDS, SUITES, make_session, seeded
from veilmart.crypto.suite import Suite
from veilmart.errors import by_code
from veilmart.limits import CELL_BYTES, HASH_BYTES, PASSWORD_MAX_BYTES
from veilmart.protocol import (
    customer_messages as customer,
    dispute_messages as disputes,
    link_messages as link,
    merchant_messages as merchant,
    statement,
    token_messages as tokens,
)
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.parcel import piece_count
from veilmart.protocol.tunnel import PendingRequest, Refused, cells_for, refusal

UNBOUNDED_TEXT = 64
"""Characters of text that has no bound of its own: usernames that come back, account names."""

FIXED_REQUESTS: list[type[Any]] = [
    customer.Start,
    customer.Register,
    customer.Login,
    customer.Resume,
    customer.ChangePassword,
    customer.GetAccount,
    customer.GetMerchants,
    customer.GetMerchant,
    customer.Pay,
    customer.GetSegment,
    customer.Release,
    customer.Acknowledge,
    customer.Cancel,
    customer.GetStatus,
    link.LinkProof,
    link.FetchDescriptor,
    link.FetchSegment,
    link.Report,
    merchant.GetCatalogue,
    merchant.GetShowcase,
    merchant.Select,
    merchant.Again,
    merchant.GetPiece,
    customer.RegisterInvited,
    customer.Redeem,
    customer.AskToJoin,
    customer.AskToWithdraw,
    tokens.Claim,
    tokens.Issue,
    tokens.ListIssues,
    tokens.Deposit,
    tokens.Spend,
    tokens.GetRefund,
    tokens.Recover,
    disputes.SendEvidence,
    disputes.Dispute,
    disputes.RefundOrder,
    statement.AskStatement,
    merchant.Recall,
]

FIXED_ANSWERS: list[tuple[type[Any], type[Any]]] = [
    (customer.Start, customer.Welcome),
    (customer.Register, customer.Welcome),
    (customer.Login, customer.Welcome),
    (customer.Resume, customer.Welcome),
    (customer.ChangePassword, customer.Welcome),
    (customer.GetAccount, customer.Account),
    (customer.GetMerchants, customer.Merchants),
    (customer.GetMerchant, customer.MerchantDescriptor),
    (customer.Pay, customer.Paid),
    (customer.GetSegment, customer.SegmentFollows),
    (customer.Release, customer.Released),
    (customer.Acknowledge, customer.OrderStatus),
    (customer.Cancel, customer.OrderStatus),
    (customer.GetStatus, customer.OrderStatus),
    (link.LinkProof, link.LinkReady),
    (link.FetchDescriptor, link.LinkDescriptor),
    (link.FetchSegment, link.SegmentFollows),
    (link.Report, link.Reported),
    (customer.RegisterInvited, customer.Welcome),
    (customer.Redeem, customer.Redeemed),
    (customer.AskToJoin, customer.Noted),
    (tokens.Claim, tokens.Claimed),
    (tokens.Issue, tokens.Issued),
    (tokens.ListIssues, tokens.Issues),
    (tokens.Deposit, tokens.Deposited),
    (tokens.Spend, tokens.Spent),
    (tokens.GetRefund, tokens.RefundToken),
    (tokens.Recover, tokens.Recovered),
    (disputes.SendEvidence, customer.Noted),
    (disputes.Dispute, customer.OrderStatus),
    (disputes.RefundOrder, customer.Noted),
    (statement.AskStatement, statement.Statement),
    (merchant.Recall, merchant.Recalled),
]

VARIABLE_REQUESTS = {customer.Open, customer.Relay, link.TunnelOpen, link.TunnelRelay}
"""Handshake messages and records: checked below with real ones."""

ASCII_TEXT: dict[type[Any], str] = {
    customer.Register: "password",
    customer.RegisterInvited: "password",
    customer.Login: "password",
    customer.ChangePassword: "old new",
    customer.Merchants: "name",
}
"""Text that is bounded in bytes (passwords) or taken as ASCII (merchants' names)."""


def largest_value(kind: Any, character: str) -> Any:
    """A value of the type that encodes as long as any legal one."""
    match kind:
        case inspect.IntType():
            return kind.le
        case inspect.BytesType():
            return b"\xff" * (kind.max_length or 0)
        case inspect.StrType():
            return character * (kind.max_length or UNBOUNDED_TEXT)
        case inspect.BoolType():
            return True
        case inspect.LiteralType():
            return max(kind.values, key=lambda value: len(str(value)))
        case inspect.ListType():
            return [largest_value(kind.item_type, character)] * (kind.max_length or 0)
        case inspect.StructType():
            return largest(kind.cls, character)
    raise AssertionError(f"no largest value of {kind}")


def largest(kind: type[Any], character: str = "\U0001f512") -> Any:
    ascii_fields = ASCII_TEXT.get(kind, "").split()
    fields = inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return kind(
        **{
            field.name: largest_value(
                field.type,
                "x" if field.name in ascii_fields or kind is customer.Merchants else character,
            )
            for field in fields
        }
    )


def test_no_request_was_forgotten() -> None:
    listed = set(FIXED_REQUESTS) | VARIABLE_REQUESTS
    for family in (BrokerRequest, link.MerchantRequest, merchant.TunnelRequest):
        assert set(family.__subclasses__()) <= listed
    unions = (
        customer.CustomerRequest.__args__
        + link.LinkRequest.__args__
        + merchant.CustomerTunnelRequest.__args__
    )
    assert set(unions) == listed


@pytest.mark.parametrize("kind", FIXED_REQUESTS, ids=lambda kind: kind.__name__)
def test_the_largest_request_fits(kind: type[Any]) -> None:
    message = largest(kind)
    body = encode(message)
    assert decode(kind, body, len(body)) == message
    assert cells_for(len(body)) <= kind.cells


@pytest.mark.parametrize(
    ("request_kind", "answer_kind"), FIXED_ANSWERS, ids=lambda kind: kind.__name__
)
def test_the_largest_answer_fits(request_kind: type[Any], answer_kind: type[Any]) -> None:
    message = largest(answer_kind)
    body = encode(message)
    assert decode(answer_kind, body, len(body)) == message
    assert cells_for(len(body)) <= request_kind.answer_cells


@pytest.mark.parametrize("kind", by_code().values(), ids=lambda kind: kind.__name__)
def test_every_refusal_fits_into_one_cell(kind: type[Any]) -> None:
    assert cells_for(len(encode(refusal(kind("\U0001f512" * 1000))))) == 1


def strategy_of(kind: Any) -> st.SearchStrategy[Any]:
    """Legal values of a message field."""
    match kind:
        case inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case inspect.BytesType():
            return st.binary(
                min_size=kind.min_length or 0, max_size=min(kind.max_length or 0, 2000)
            )
        case inspect.StrType():
            longest = kind.max_length or UNBOUNDED_TEXT
            ascii_text = st.characters(max_codepoint=127)
            return st.text(ascii_text, min_size=kind.min_length or 0, max_size=longest)
        case inspect.BoolType():
            return st.booleans()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.ListType():
            return st.lists(strategy_of(kind.item_type), max_size=kind.max_length)
        case inspect.StructType():
            return messages(kind.cls)
    raise AssertionError(f"no strategy for {kind}")


def messages(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return st.builds(kind, **{field.name: strategy_of(field.type) for field in fields})


@given(st.data())
def test_any_request_fits_and_comes_out_as_it_went_in(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(FIXED_REQUESTS))
    message = data.draw(messages(kind))
    body = encode(message)
    assert cells_for(len(body)) <= kind.cells
    for union in (
        customer.CustomerRequest,
        link.LinkRequest,
        merchant.CustomerTunnelRequest,
    ):
        if kind in union.__args__:
            assert decode(union, body, 64 * 1024) == message  # type: ignore[arg-type]


@given(st.data())
def test_any_answer_fits(data: st.DataObject) -> None:
    request_kind, answer_kind = data.draw(st.sampled_from(FIXED_ANSWERS))
    body = encode(data.draw(messages(answer_kind)))
    assert cells_for(len(body)) <= request_kind.answer_cells
    decode(answer_kind | Refused, body, 64 * 1024)


@pytest.mark.parametrize("suite", SUITES, ids=SUITE_IDS)
def test_handshakes_fit_into_open(suite: Suite) -> None:
    ends = make_session(suite)
    requests: list[Any] = [
        customer.Open(
            merchant=bytes(32),
            request_number=bytes(16),
            suite=suite.id,
            descriptor=bytes(32),
            message=ends.message1,
        ),
        link.TunnelOpen(
            request_number=bytes(16),
            suite=suite.id,
            descriptor=bytes(32),
            message=ends.message1,
        ),
    ]
    for request in requests:
        assert cells_for(len(encode(request))) <= type(request).cells
    opened = customer.Opened(message=ends.message2, next_request_number=bytes(16))
    assert cells_for(len(encode(opened))) <= customer.Open.answer_cells
    tunnel = link.TunnelOpened(message=ends.message2, serial=2**53 - 1)
    assert cells_for(len(encode(tunnel))) <= link.TunnelOpen.answer_cells


@pytest.mark.parametrize("suite", SUITES, ids=SUITE_IDS)
@pytest.mark.parametrize(
    "kind",
    [
        merchant.GetCatalogue,
        merchant.GetShowcase,
        merchant.Select,
        merchant.Again,
        merchant.GetPiece,
    ],
)
def test_tunnel_requests_fit_into_relay(suite: Suite, kind: type[Any]) -> None:
    """The broker sees two cells, whatever the customer asks of the merchant."""
    keys = make_session(suite).initiator
    record = PendingRequest(keys, largest(kind), kind.cells, seeded(1)).record
    for relay in (customer.Relay, link.TunnelRelay):
        body = encode(relay(request_number=bytes(16), record=record))
        assert cells_for(len(body)) == relay.cells == 2


def test_a_long_message_1_takes_more_cells_instead_of_failing() -> None:
    """A customer may send junk as long as the broker accepts; to forward it is no bug."""
    keys = make_session(SUITES[0]).initiator
    junk = link.TunnelOpen(
        request_number=bytes(16), suite=1, descriptor=bytes(32), message=bytes(16 * 1024)
    )
    record = PendingRequest(keys, junk, link.TunnelOpen.cells, seeded(1)).record
    assert len(record) == 16 + 24 + cells_for(len(encode(junk))) * CELL_BYTES + 32


@pytest.mark.parametrize("size", [1024, 2**20, 2**20 + 1024, 64 * 2**20])
def test_an_offer_of_any_length_takes_the_shelfs_cells(size: int) -> None:
    """Offers vary by a few bytes; the answer's cells are computed for 1024 of them."""
    pieces = bytes(piece_count(size) * HASH_BYTES)
    wanted = cells_for(len(encode(merchant.Offered(offer=bytes(1024), pieces=pieces))))
    for offer_bytes in (65, 700, 1023):
        body = encode(merchant.Offered(offer=bytes(offer_bytes), pieces=pieces))
        assert cells_for(len(body)) <= wanted


def test_passwords_are_bounded_in_bytes_too() -> None:
    """Two of the longest passwords fit into one cell as long as they are bounded in bytes."""
    word = "x" * PASSWORD_MAX_BYTES
    assert cells_for(len(encode(customer.ChangePassword(old=word, new=word)))) == 1
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"old": word + "x", "new": word}, customer.ChangePassword)
