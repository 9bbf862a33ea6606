"""Reading what a carried merchant asks of the broker under its identity (page 5, section 8)."""

from typing import TypeVar

from veilmart.broker.merchants import MerchantView
from veilmart.broker.state import BrokerState
from veilmart.protocol.dispute_messages import RefundRequest
from veilmart.protocol.signed_requests import (
    WithdrawalRequest,
    check_recent,
    read_request,
    verify_request,
)
from veilmart.protocol.statement import StatementRequest

M = TypeVar("M", RefundRequest, StatementRequest, WithdrawalRequest)


def read_carried(
    state: BrokerState, kind: type[M], label: str, signed: bytes, now: int
) -> tuple[M, MerchantView]:
    """The request in `signed`, which is recent and for us, and the merchant that signed it.

    Raises MalformedMessage, MerchantUnknown, SignatureInvalid, NotYourBroker.
    """
    request = read_request(kind, signed)
    merchant = state.merchants.known(request.merchant)
    verify_request(merchant.newest.descriptor.identity, label, signed)
    check_recent(request.at, request.broker, state.fingerprint, now)
    return request, merchant
