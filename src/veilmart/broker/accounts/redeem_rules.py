"""Redeeming a voucher (docs/protocol/05-customer-broker.md, section 7)."""

from veilmart.broker.accounts import vouchers
from veilmart.broker.effects import Answer
from veilmart.broker.events import VoucherRedeemed
from veilmart.broker.sessions.session import Session, require_login
from veilmart.broker.state import BrokerState
from veilmart.errors import CodeMistyped, VoucherSpent, VoucherUnconfirmed, VoucherUnknown
from veilmart.protocol.code import code_hash, parse_code
from veilmart.protocol.customer_messages import Redeem, Redeemed
from veilmart.protocol.effects import Rule, transact


def redeem(state: BrokerState, session: Session, request: Redeem) -> Rule[Answer]:
    """Raises LoginRequired, VoucherUnknown, VoucherSpent, VoucherUnconfirmed, TooManyAttempts."""
    who = require_login(session)
    try:
        hashed = code_hash(parse_code(request.code))
    except CodeMistyped:
        # A wallet finds that out by itself; anyone who asks all the same is counted as guessing.
        hashed = b""
    found = yield from transact(
        vouchers.redeem, state.settings.guess_secret, who.account, hashed, state.clock()
    )
    if found.outcome == "unknown":
        raise VoucherUnknown
    if found.outcome == "spent":
        raise VoucherSpent
    if found.outcome == "unconfirmed":
        raise VoucherUnconfirmed
    again = found.outcome == "again"
    if not again:
        state.observe(VoucherRedeemed())
    return Answer(Redeemed(value=found.value, balance=found.balance, again=again))
