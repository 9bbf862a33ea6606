"""Customer → broker requests and their answers (docs/protocol/05-customer-broker.md).

Each request class states the number of 1 KiB cells of the request and of its answer (`cells`,
`answer_cells`). Requests about tokens and disputes are in separate files; `CustomerRequest` is all
of them.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from veilmart.limits import (
    HANDSHAKE_MAX_BYTES,
    MERCHANTS_PER_ANSWER_MAX,
    PASSWORD_MAX_BYTES,
    REQUEST_MAX_BYTES,
    SIGNED_DESCRIPTOR_MAX_BYTES,
    USERNAME_MAX_BYTES,
)
from veilmart.protocol import dispute_messages as disputes, statement, token_messages as tokens
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.encoding import Bytes16, Bytes32, Bytes64, Message, Natural
from veilmart.protocol.signed_requests import SIGNED_REQUEST_MAX_BYTES, WITHDRAWAL_MAX_BYTES

Username = Annotated[str, Meta(min_length=1, max_length=USERNAME_MAX_BYTES)]
Password = Annotated[str, Meta(max_length=PASSWORD_MAX_BYTES)]
Device = Annotated[bytes, Meta(max_length=32)]


Code = Annotated[str, Meta(max_length=64)]
SignedRequest = Annotated[bytes, Meta(max_length=SIGNED_REQUEST_MAX_BYTES)]


# ---- sessions and accounts -------------------------------------------------------------------


class Start(BrokerRequest, tag="start", frozen=True):
    """An anonymous session's first request."""


class Register(BrokerRequest, tag="register", frozen=True):
    username: Username
    password: Password


class Login(BrokerRequest, tag="login", frozen=True):
    """`device`: the 32-byte device key of an earlier login on this machine, or empty."""

    username: Username
    password: Password
    device: Device


class Resume(BrokerRequest, tag="resume", frozen=True):
    """Log in with a device key instead of a password."""

    username: Username
    device: Bytes32


class Welcome(Message, tag="welcome", tag_field="kind", frozen=True):
    """device: 32 bytes, new or as sent; empty in an anonymous session. balance: minor units."""

    request_number: Bytes16
    username: str
    device: Device
    balance: Natural


class ChangePassword(BrokerRequest, tag="passwd", frozen=True):
    """All device keys of the account end; the answer holds a new one."""

    old: Password
    new: Password


class GetAccount(BrokerRequest, tag="account", frozen=True):
    pass


class RegisterInvited(BrokerRequest, tag="invited", frozen=True):
    """Register where accounts are opened by invitation. invitation: a code (page 5, 5.7)."""

    username: Username
    password: Password
    invitation: Code


class Redeem(BrokerRequest, tag="redeem", frozen=True):
    """Add a voucher's value to the logged-in account. code: page 5, 5.7."""

    moves_money: ClassVar[bool] = True
    code: Code


class Redeemed(Message, tag="redeemed", tag_field="kind", frozen=True):
    """Minor units: what the voucher was worth, and the balance afterwards.

    again: the same account had redeemed it before; nothing was booked now.
    """

    value: Natural
    balance: Natural
    again: bool


class Account(Message, tag="account", tag_field="kind", frozen=True):
    username: str
    balance: Natural


# ---- merchants -------------------------------------------------------------------------------


class GetMerchants(BrokerRequest, tag="merchants", frozen=True):
    """after: the last fingerprint of the page before, or empty for the first page."""

    answer_cells: ClassVar[int] = 4
    after: Device


class MerchantEntry(Message, frozen=True):
    fingerprint: Bytes32
    name: Annotated[str, Meta(max_length=64)]


class Merchants(Message, tag="merchants", tag_field="kind", frozen=True):
    entries: Annotated[list[MerchantEntry], Meta(max_length=MERCHANTS_PER_ANSWER_MAX)]
    more: bool


class GetMerchant(BrokerRequest, tag="merchant", frozen=True):
    """serial: which descriptor, or 0 for the newest."""

    answer_cells: ClassVar[int] = 16
    fingerprint: Bytes32
    serial: Natural


class MerchantDescriptor(Message, tag="merchant", tag_field="kind", frozen=True):
    signed: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]


# ---- the tunnel to the merchant ---------------------------------------------------------------


class Open(BrokerRequest, tag="open", frozen=True):
    """Message 1 of the customer-merchant handshake. descriptor: hash of the merchant's."""

    cells: ClassVar[int] = 3
    answer_cells: ClassVar[int] = 3
    merchant: Bytes32
    request_number: Bytes16
    suite: Natural
    descriptor: Bytes32
    message: Annotated[bytes, Meta(max_length=HANDSHAKE_MAX_BYTES)]


class Opened(Message, tag="opened", tag_field="kind", frozen=True):
    """Message 2, and the request number for the customer's next tunnel."""

    message: Annotated[bytes, Meta(max_length=HANDSHAKE_MAX_BYTES)]
    next_request_number: Bytes16


class Relay(BrokerRequest, tag="relay", frozen=True):
    """A sealed record for the merchant; the answer is as long as the merchant's record."""

    cells: ClassVar[int] = 2
    answer_cells: ClassVar[int] = 2
    request_number: Bytes16
    record: Annotated[bytes, Meta(max_length=REQUEST_MAX_BYTES)]


class Payable(Message, frozen=True):
    """What the broker read in the merchant's invoice: "Pay to deliver". Amount: minor units."""

    order: Bytes32
    amount: Natural
    order_key: Bytes32
    pay_by: Natural
    deliver_within: Natural
    settle_within: Natural


class Relayed(Message, tag="relayed", tag_field="kind", frozen=True):
    record: bytes
    payable: Payable | None


# ---- paying -----------------------------------------------------------------------------------


class Pay(BrokerRequest, tag="pay", frozen=True):
    """From the logged-in account. operation: see `operation_id`."""

    answer_cells: ClassVar[int] = 2
    operation: Bytes16
    order: Bytes32
    amount: Natural


class Paid(Message, tag="paid", tag_field="kind", frozen=True):
    """receipt: signed `PaymentReceipt`. balance: minor units, right after this payment."""

    receipt: Annotated[bytes, Meta(max_length=1024)]
    balance: Natural


# ---- the order key speaks ------------------------------------------------------------------------


class GetSegment(BrokerRequest, tag="segment", frozen=True):
    """The answer's record is followed by `length` bytes: the signed segment."""

    order: Bytes32
    index: Natural
    signature: Bytes64


class SegmentFollows(Message, tag="segment", tag_field="kind", frozen=True):
    length: Natural


class Release(BrokerRequest, tag="release", frozen=True):
    answer_cells: ClassVar[int] = 2
    operation: Bytes16
    order: Bytes32
    signature: Bytes64


class Released(Message, tag="released", tag_field="kind", frozen=True):
    """The merchant's signed invoice, with the sealed key W in it."""

    invoice: Annotated[bytes, Meta(max_length=1024)]


class Acknowledge(BrokerRequest, tag="acknowledge", frozen=True):
    operation: Bytes16
    order: Bytes32
    signature: Bytes64


class Cancel(BrokerRequest, tag="cancel", frozen=True):
    operation: Bytes16
    order: Bytes32
    signature: Bytes64


class GetStatus(BrokerRequest, tag="status", frozen=True):
    order: Bytes32
    signature: Bytes64


class OrderStatus(Message, tag="status", tag_field="kind", frozen=True):
    """state: a state of the broker's invoice table. due: Unix seconds when it changes by itself."""

    state: Annotated[str, Meta(max_length=16)]
    due: Natural


# ---- a merchant asks the operator -------------------------------------------------------------


class AskToJoin(BrokerRequest, tag="join", frozen=True):
    """signed: a `JoinRequest` under the merchant's identity."""

    cells: ClassVar[int] = 17
    signed: SignedRequest


class AskToWithdraw(BrokerRequest, tag="withdraw", frozen=True):
    """signed: a `WithdrawalRequest` under the merchant's identity."""

    cells: ClassVar[int] = 2
    signed: Annotated[bytes, Meta(max_length=WITHDRAWAL_MAX_BYTES)]


class Noted(Message, tag="noted", tag_field="kind", frozen=True):
    """The request was recorded for the operator."""


CustomerRequest = (
    Start
    | Register
    | Login
    | Resume
    | ChangePassword
    | GetAccount
    | GetMerchants
    | GetMerchant
    | Open
    | Relay
    | Pay
    | GetSegment
    | Release
    | Acknowledge
    | Cancel
    | GetStatus
    | RegisterInvited
    | Redeem
    | AskToJoin
    | AskToWithdraw
    | tokens.Claim
    | tokens.Issue
    | tokens.ListIssues
    | tokens.Deposit
    | tokens.Spend
    | tokens.GetRefund
    | tokens.Recover
    | disputes.SendEvidence
    | disputes.Dispute
    | disputes.RefundOrder
    | statement.AskStatement
)
