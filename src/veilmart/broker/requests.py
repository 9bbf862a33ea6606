"""Which rule answers which request."""

from collections.abc import Callable
from typing import Any

from veilmart.broker import (
    accounts_rules,
    dispute_rules,
    merchant_refunds,
    merchant_requests,
    merchants_rules,
    payment_rules,
    relay_rules,
    spend_rules,
    statements,
    token_rules,
    voucher_rules,
)
from veilmart.broker.answer import Answer
from veilmart.broker.sessions import Session
from veilmart.broker.state import BrokerState
from veilmart.errors import MalformedMessage
from veilmart.protocol import (
    customer_messages as messages,
    dispute_messages,
    token_messages as tokens,
)
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.effects import Rule
from veilmart.protocol.statement import AskStatement

RequestRule = Callable[[BrokerState, Session, Any], Rule[Answer]]

RULES: dict[type[BrokerRequest], RequestRule] = {
    messages.Start: accounts_rules.start,
    messages.Register: accounts_rules.register,
    messages.Login: accounts_rules.login,
    messages.Resume: accounts_rules.resume,
    messages.ChangePassword: accounts_rules.change_password,
    messages.GetAccount: accounts_rules.get_account,
    messages.GetMerchants: merchants_rules.get_merchants,
    messages.GetMerchant: merchants_rules.get_merchant,
    messages.Open: relay_rules.open_tunnel,
    messages.Relay: relay_rules.relay,
    messages.Pay: payment_rules.pay,
    messages.GetSegment: payment_rules.get_segment,
    messages.Release: payment_rules.release,
    messages.Acknowledge: payment_rules.acknowledge,
    messages.Cancel: payment_rules.cancel,
    messages.GetStatus: payment_rules.get_status,
    messages.RegisterInvited: accounts_rules.register_invited,
    messages.Redeem: voucher_rules.redeem,
    messages.AskToJoin: merchant_requests.join,
    messages.AskToWithdraw: merchant_requests.withdraw,
    dispute_messages.SendEvidence: dispute_rules.send_evidence,
    dispute_messages.Dispute: dispute_rules.dispute,
    dispute_messages.RefundOrder: merchant_refunds.refund_order,
    AskStatement: statements.statement,
    tokens.Claim: token_rules.claim,
    tokens.Issue: token_rules.issue,
    tokens.ListIssues: token_rules.list_issues,
    tokens.Deposit: token_rules.deposit,
    tokens.Spend: spend_rules.spend,
    tokens.GetRefund: spend_rules.get_refund,
    tokens.Recover: spend_rules.recover,
}


def answer_request(state: BrokerState, session: Session, request: BrokerRequest) -> Rule[Answer]:
    """The rule for a request that has been opened and parsed. Raises MalformedMessage."""
    rule = RULES.get(type(request))
    if rule is None:
        raise MalformedMessage("This broker does not answer that.")
    return rule(state, session, request)
