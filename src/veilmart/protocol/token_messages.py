"""Withdrawing, spending and recovering tokens (docs/protocol/11-tokens.md, 11.4 and 11.5).

`Claim`, `Issue`, `ListIssues` and `Deposit` belong to a logged-in account, the others to a session
that nobody has logged in to.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from veilmart.limits import ISSUES_PER_ANSWER_MAX, TOKENS_PER_REQUEST_MAX
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.encoding import Bytes16, Bytes32, Bytes64, Message, Natural

SIGNATURE_BYTES = 256
TOKEN_BYTES = 354

Values = Annotated[
    bytes, Meta(min_length=SIGNATURE_BYTES, max_length=TOKENS_PER_REQUEST_MAX * SIGNATURE_BYTES)
]
OneValue = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Token = Annotated[bytes, Meta(min_length=TOKEN_BYTES, max_length=TOKEN_BYTES)]


# ---- the account ---------------------------------------------------------------------------------


class Claim(BrokerRequest, tag="claim", frozen=True):
    """From now on only the wallet with this random id withdraws from the account."""

    wallet: Bytes16


class Claimed(Message, tag="claimed", tag_field="kind", frozen=True):
    pass


class Issue(BrokerRequest, tag="issue", frozen=True):
    """Sign `blinded`, 256 bytes for each of 1 to 32 tokens, from counter `first` on.

    request: id of this withdrawal. key: token key id.
    """

    cells: ClassVar[int] = 9
    answer_cells: ClassVar[int] = 9
    moves_money: ClassVar[bool] = True
    request: Bytes16
    wallet: Bytes16
    key: Bytes32
    first: Natural
    blinded: Values


class Issued(Message, tag="issued", tag_field="kind", frozen=True):
    """signatures: 256 bytes for each, in order. balance: minor units, right after the debit."""

    signatures: Values
    balance: Natural


class ListIssues(BrokerRequest, tag="issues", frozen=True):
    """The account's own withdrawals under a key, from counter `start` on."""

    answer_cells: ClassVar[int] = 4
    key: Bytes32
    start: Natural


class IssueEntry(Message, frozen=True):
    request: Bytes16
    first: Natural
    count: Natural


class Issues(Message, tag="issues", tag_field="kind", frozen=True):
    entries: Annotated[list[IssueEntry], Meta(max_length=ISSUES_PER_ANSWER_MAX)]
    more: bool


class Deposit(BrokerRequest, tag="deposit", frozen=True):
    """Put an unspent token's value back on the account."""

    moves_money: ClassVar[bool] = True
    token: Token


class Deposited(Message, tag="deposited", tag_field="kind", frozen=True):
    """Minor units: what the token was worth, and the balance afterwards."""

    value: Natural
    balance: Natural


# ---- without an account ------------------------------------------------------------------------


class Spend(BrokerRequest, tag="spend", frozen=True):
    """Pay for an order with a token. operation: see `operation_id`, action "spend".

    refund_blinded: the blinded message (256) of the order's own refund token under `refund_key`.
    """

    answer_cells: ClassVar[int] = 2
    operation: Bytes16
    order: Bytes32
    amount: Natural
    token: Token
    refund_key: Bytes32
    refund_blinded: OneValue
    order_key: Bytes32
    signature: Bytes64


class Spent(Message, tag="spent", tag_field="kind", frozen=True):
    """Either a signed `PaymentReceipt`, or the blind signature (256) of the refund token."""

    receipt: Annotated[bytes, Meta(max_length=1024)]
    refund: Annotated[bytes, Meta(max_length=SIGNATURE_BYTES)]


class GetRefund(BrokerRequest, tag="refund", frozen=True):
    order: Bytes32
    signature: Bytes64


class RefundToken(Message, tag="refunded", tag_field="kind", frozen=True):
    """key: token key id. signature: the blind signature of the refund token."""

    key: Bytes32
    signature: OneValue


class Recover(BrokerRequest, tag="recover", frozen=True):
    """Asks for the state of the order of this key; signed with order 0^32, action "recover"."""

    answer_cells: ClassVar[int] = 2
    order_key: Bytes32
    signature: Bytes64


class Recovered(Message, tag="recovered", tag_field="kind", frozen=True):
    """state: of the broker's invoice table. amount: minor units. invoice: signed, or empty."""

    order: Bytes32
    state: Annotated[str, Meta(max_length=16)]
    amount: Natural
    invoice: Annotated[bytes, Meta(max_length=1024)]
