"""A peer broke the protocol (codes 21xx)."""

from veilmart.errors.families import PAID_AND_RELEASED, PeerFault


class OpenFailed(PeerFault):
    code = 2101
    summary = "A sealed message did not open: it was changed on the way or made with another key."
    hint = "Try again; if that fails, something between you and the other side alters messages."


class MalformedMessage(PeerFault):
    code = 2102
    summary = "A message does not have the form that the protocol gives it."
    hint = "The other side may run an incompatible version."


class MessageTooLarge(PeerFault):
    code = 2103
    summary = "A message is larger than the protocol allows."
    hint = "The other side may run an incompatible version."
    http_status = 413


class HandshakeFailed(PeerFault):
    code = 2104
    summary = "The handshake failed: the other side does not hold the expected key."
    hint = "Nothing secret was sent. If it happens again, somebody may intercept the connection."


class BadPublicValue(PeerFault):
    code = 2105
    summary = "A public key or Diffie-Hellman value is not one that the protocol allows."
    hint = "Nothing secret was sent. The other side is faulty or hostile."


class SignatureInvalid(PeerFault):
    code = 2106
    summary = "A signature does not verify."
    hint = "It was altered on the way or made with another key."


class UnknownSuite(PeerFault):
    code = 2107
    summary = "The other side does not offer that cipher suite."
    hint = "Choose another with --suite."


class PaddingInvalid(PeerFault):
    code = 2108
    crosses = False
    summary = "The padding is not what the protocol prescribes."
    money = "If you paid, the money goes to the merchant when the time to settle ends."
    hint = "Until then `veilmart customer dispute ORDER` gets it back: the merchant signed this."


class PieceMismatch(PeerFault):
    code = 2109
    crosses = False
    summary = "A delivered segment is not the piece that was promised."
    money = "You have paid; the money goes to the merchant when the time to settle ends."
    hint = "Until then `veilmart customer dispute ORDER` gets it back: the merchant signed this."


class OfferMismatch(PeerFault):
    code = 2110
    summary = "The merchant's offer is not for what was selected."
    hint = "Nothing was paid. Report the merchant to the broker's operator."


class OfferOver(OfferMismatch):
    code = 2118
    summary = "By this machine's clock the merchant's offer has already expired."
    hint = "Nothing was paid. Set the clock of this machine; if it is right, the merchant's is not."


class ClocksDiffer(PeerFault):
    code = 2119
    summary = "The clocks of two machines are too far apart."
    hint = "Set the clock that is wrong, then try again. Nobody is to blame, and nothing was paid."


class TokenEndsEarly(PeerFault):
    code = 2120
    crosses = False
    summary = "The broker says that the token's key has ended; by this machine's clock it has not."
    money = "No money is lost: the token stays with its order; it pays, or a fresh one comes back."
    hint = (
        "One clock is wrong, or the operator has retired the key. `veilmart customer sync` asks "
        "again, for a week or until the key ends by this clock too."
    )


class UnexpectedAnswer(PeerFault):
    code = 2111
    summary = "The other side's answer does not fit the question."
    hint = "The other side may run an incompatible version."


class ContentKeyInvalid(PeerFault):
    code = 2112
    crosses = False
    summary = "The key that was paid for does not open what was promised."
    money = "You have paid; the money goes to the merchant when the time to settle ends."
    hint = "Until then `veilmart customer dispute ORDER` gets it back: the merchant signed this."


class TooSlow(PeerFault):
    code = 2113
    summary = "The other side sends too slowly."
    hint = "Try again on a better connection."
    http_status = 408


class TokenKeyInvalid(PeerFault):
    code = 2114
    crosses = False
    summary = "A token key is unfit for making tokens."
    hint = "The broker publishes a key that is no valid RSA-2048 token key; tell its operator."


class StatementInvalid(PeerFault):
    code = 2116
    crosses = False
    summary = "The broker's statement does not fit the request."
    hint = "Try again. If that does not help, keep the statement and ask the broker's operator."


class KeyNotSigned(PeerFault):
    code = 2115
    crosses = False
    summary = "The broker hands out another key than the merchant signed for the order."
    money = PAID_AND_RELEASED
    hint = (
        "Run `veilmart customer sync` later; if it stays, `veilmart customer dispute ORDER` has "
        "the broker judge by its own copy."
    )
