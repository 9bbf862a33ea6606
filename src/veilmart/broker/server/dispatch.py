"""Which rule answers which request."""

from collections.abc import Callable
from typing import Any

from veilmart.broker.accounts import login_rules, redeem_rules
from veilmart.broker.disputes import dispute_rules, merchant_refund_rules
from veilmart.broker.effects import Answer
from veilmart.broker.escrow import (
    payment_rules,
    release_rules,
    segment_rules,
    token_payment_rules,
)
from veilmart.broker.operator import merchant_requests, statements
from veilmart.broker.relay import descriptor_rules, tunnel_rules
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.broker.tokens import withdrawal_rules
from veilmart.errors import MalformedMessage
from veilmart.protocol import (
    customer_messages as messages,
    dispute_messages,
    token_messages as tokens,
)
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.effects import Rule
from veilmart.protocol.statement import AskStatement

# Any: a mapping's type cannot say that each rule takes the request of its own key.
RequestRule = Callable[[BrokerState, Session, Any], Rule[Answer]]

RULES: dict[type[BrokerRequest], RequestRule] = {
    messages.Start: login_rules.start,
    messages.Register: login_rules.register,
    messages.Login: login_rules.login,
    messages.Resume: login_rules.resume,
    messages.ChangePassword: login_rules.change_password,
    messages.GetAccount: login_rules.get_account,
    messages.GetMerchants: descriptor_rules.get_merchants,
    messages.GetMerchant: descriptor_rules.get_merchant,
    messages.Open: tunnel_rules.open_tunnel,
    messages.Relay: tunnel_rules.relay,
    messages.Pay: payment_rules.pay,
    messages.GetSegment: segment_rules.get_segment,
    messages.Release: release_rules.release,
    messages.Acknowledge: release_rules.acknowledge,
    messages.Cancel: release_rules.cancel,
    messages.GetStatus: release_rules.get_status,
    messages.RegisterInvited: login_rules.register_invited,
    messages.Redeem: redeem_rules.redeem,
    messages.AskToJoin: merchant_requests.join,
    messages.AskToWithdraw: merchant_requests.withdraw,
    dispute_messages.SendEvidence: dispute_rules.send_evidence,
    dispute_messages.Dispute: dispute_rules.dispute,
    dispute_messages.RefundOrder: merchant_refund_rules.refund_order,
    AskStatement: statements.statement,
    tokens.Claim: withdrawal_rules.claim,
    tokens.Issue: withdrawal_rules.issue,
    tokens.ListIssues: withdrawal_rules.list_issues,
    tokens.Deposit: withdrawal_rules.deposit,
    tokens.Spend: token_payment_rules.spend,
    tokens.GetRefund: token_payment_rules.get_refund,
    tokens.Recover: token_payment_rules.recover,
}


def answer_request(state: BrokerState, session: Session, request: BrokerRequest) -> Rule[Answer]:
    """The rule for a request that has been opened and parsed. Raises MalformedMessage."""
    rule = RULES.get(type(request))
    if rule is None:
        raise MalformedMessage("This broker does not answer that.")
    return rule(state, session, request)
