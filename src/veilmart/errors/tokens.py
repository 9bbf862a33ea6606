"""Rules on tokens, refunds and disputes that said no (codes 4150 to 4169), and what they prove."""

from veilmart.errors.families import Refusal, TrustFailure


class TokenKeyUnknown(Refusal):
    code = 4150
    summary = "The broker does not know that token key."
    hint = "Fetch its descriptor again; a token of another broker is worth nothing here."


class WalletReplaced(Refusal):
    code = 4151
    summary = "Another machine has taken over this account's tokens."
    hint = "If that was you, go on there; to move back here, restore the wallet from its words."


class TokenSpent(Refusal):
    code = 4152
    summary = "The token was spent or returned before."
    hint = "A token is good once. Restore the wallet if another machine uses the same words."


class TokenKeyEnded(Refusal):
    code = 4153
    summary = "The token key's time is over, or it was retired."
    hint = "Its tokens are not taken any more. Withdraw new ones."


class TokenInvalid(Refusal):
    code = 4154
    summary = "That is not a token of this broker: its signature does not verify."
    hint = "Restore the wallet from its words; tokens are signed anew with the stored answers."


class RefundKeyUnfit(Refusal):
    code = 4155
    summary = "The refund token was asked for under a key that does not issue now."
    hint = "Fetch the broker's descriptor again, then try again."


class DeadlinesTooLong(Refusal):
    code = 4156
    summary = "This shelf's deadlines are too long for a token."
    hint = "Pay from an account."


class NotRefunded(Refusal):
    code = 4157
    summary = "The order was not refunded, so there is no refund token."
    hint = "See `veilmart customer orders`."


class EvidenceInvalid(Refusal):
    code = 4160
    summary = "The evidence does not show that the merchant is at fault."
    hint = "Nothing was changed; the order stays as it is and can be disputed again."


class TooLateToRefund(Refusal):
    code = 4161
    summary = "It is too late for that refund: who paid is not known any more."
    hint = "Give the money back outside of the market."


class TokenKeysForked(TrustFailure):
    code = 6106
    summary = "The broker lists two token keys for one price and epoch."
    hint = "Keys made for single people tell them apart. See `veilmart customer proof`."


class ViewsForked(TrustFailure):
    code = 6107
    summary = "The account and the anonymous connection were shown different things."
    hint = "Nothing was spent. What was shown is kept: see `veilmart customer proof`."
