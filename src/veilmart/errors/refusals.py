"""The rules of the other side said no (codes 41xx)."""

from veilmart.errors.families import Refusal


class AuthenticationFailed(Refusal):
    code = 4101
    summary = "Authentication failed. Closing connection."
    money = ""
    hint = "Check username and password."
    http_status = 401


class TooManyAttempts(Refusal):
    code = 4102
    summary = "Too many failed attempts for this name."
    money = ""
    hint = "Wait half a minute at most, then try again."
    http_status = 429


class NameTaken(Refusal):
    code = 4103
    summary = "That username cannot be registered."
    money = ""
    hint = "Choose another."


class LoginRequired(Refusal):
    code = 4104
    summary = "This needs a login."
    money = ""
    hint = "Run `veilmart customer login`."
    http_status = 401


class UnknownRequestNumber(Refusal):
    code = 4105
    summary = "The request number is unknown or has expired."
    hint = "Start the order again."


class ProductGone(Refusal):
    code = 4106
    summary = "The product is no longer sold as the catalogue showed it."
    hint = "Browse again."


class ProductOut(Refusal):
    code = 4107
    summary = "The product is not available at the moment."
    hint = "Try again later."


class InsufficientBalance(Refusal):
    code = 4108
    summary = "The balance does not cover that amount."
    hint = "Top up your account with the broker."
    http_status = 402


class OrderUnknown(Refusal):
    code = 4109
    summary = "The order is not known."
    hint = "It was never invoiced, or its offer has expired."


class OfferExpired(Refusal):
    code = 4110
    summary = "The offer has expired."
    hint = "Order again."


class WrongOrderState(Refusal):
    code = 4111
    summary = "That is no longer possible with this order."
    money = ""
    hint = "See `veilmart customer orders`."


class OperationConflict(Refusal):
    code = 4112
    summary = "That operation id was used for something else."
    hint = "Nothing was done a second time."


class OrderKeyInvalid(Refusal):
    code = 4113
    summary = "The order's own key did not sign this."
    hint = "Only the wallet that made the order can do that."


class MerchantUnknown(Refusal):
    code = 4114
    summary = "The broker does not carry that merchant."
    hint = "Check the link."


class MerchantSuspended(Refusal):
    code = 4115
    summary = "The merchant is suspended."
    hint = "Ask the broker's operator."


class DescriptorUnknown(Refusal):
    code = 4116
    summary = "The descriptor is not current."
    hint = "Trying again fetches the current one."


class SegmentUnknown(Refusal):
    code = 4117
    summary = "The order has no such segment."
    hint = "The other side may run an incompatible version."


class PaymentOutstanding(Refusal):
    code = 4118
    summary = "The order has not been paid."
    hint = "Confirm the payment first."


class NotYourBroker(Refusal):
    code = 4119
    summary = "The merchant does not accept that broker."
    hint = "The merchant names its brokers at `veilmart merchant init`."


class TooManyOpen(Refusal):
    code = 4120
    summary = "Too many unpaid orders are open at once."
    hint = "Pay or wait for them to expire."
    http_status = 429


class AmountDiffers(Refusal):
    code = 4121
    summary = "The amount that was confirmed is not the invoice's."
    hint = "Order again, and compare the price."


class AccountDisabled(Refusal):
    code = 4140
    summary = "The account has been disabled."
    money = ""
    hint = "Ask the broker's operator."


class RegistrationClosed(Refusal):
    code = 4141
    summary = "The broker takes no new accounts at the moment."
    money = ""
    hint = "Ask the broker's operator."


class InvitationInvalid(Refusal):
    code = 4142
    summary = "Accounts are opened by invitation here, and that invitation is not valid."
    money = ""
    hint = "Pass --invitation with a code from the broker's operator; each opens one account."


class VoucherUnknown(Refusal):
    code = 4143
    summary = "The broker knows no such voucher."
    hint = "Compare it with the sheet. After three wrong ones there is a pause between tries."


class VoucherSpent(Refusal):
    code = 4144
    summary = "The voucher has already been redeemed or was cancelled."
    hint = "Each is valid once. Ask the person who gave it to you."


class VoucherUnconfirmed(Refusal):
    code = 4146
    summary = "The broker was restored from a backup and has not confirmed that voucher since."
    hint = "Nothing is lost: try again later, or ask the broker's operator."


class NotSettled(Refusal):
    code = 4145
    summary = "The merchant has not heard from the broker that the order is settled."
    hint = "Try again later; a refunded order is not delivered again."


class TokenKeyUnknown(Refusal):
    code = 4150
    summary = "The broker does not know that token key."
    hint = "Fetch its descriptor again; a token of another broker is worth nothing here."


class WalletReplaced(Refusal):
    code = 4151
    summary = "Another machine has taken over this account's tokens."
    hint = (
        "If that was you, go on there, or restore the wallet from its words here. The account's "
        "balance can be spent here with `customer buy --account`."
    )


class TokenSpent(Refusal):
    code = 4152
    summary = "The token was spent or returned before."
    hint = "A token is valid once. Restore the wallet if another machine uses the same words."


class TokenKeyEnded(Refusal):
    code = 4153
    summary = "The token key has ended or was retired."
    hint = "Its tokens are no longer accepted. Withdraw new ones."


class TokenInvalid(Refusal):
    code = 4154
    summary = "That is not a token of this broker: its signature does not verify."
    hint = "Restore the wallet from its words; tokens are signed anew with the stored answers."


class RefundKeyUnfit(Refusal):
    code = 4155
    summary = "The refund token was requested under a key that does not issue now."
    hint = "Fetch the broker's descriptor again, then try again."


class DeadlinesTooLong(Refusal):
    code = 4156
    summary = "This shelf's deadlines are too long for a token."
    hint = "Pay from an account."


class PriceGone(Refusal):
    code = 4162
    summary = "The broker no longer takes payments of this product's price."
    hint = "Nothing was paid. Later the merchant may sell it at another price; nobody cheated."


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
    summary = "It is too late for that refund: the record of who paid is gone."
    hint = "Return the money outside the market."
