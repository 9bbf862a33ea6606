"""What a wallet says about disputes (docs/protocol/12-disputes.md)."""

from veilmart.errors.families import CannotDo, PeerFault, TrustFailure

PAID_AND_RELEASED = "You have paid; the money goes to the merchant when the time to settle ends."


class NothingToDispute(CannotDo):
    code = 1155
    summary = "Nothing that the merchant signed for this order is wrong."
    hint = "`veilmart customer sync` finishes it. For another complaint, turn to the merchant."


class JudgementInvalid(CannotDo):
    code = 1156
    summary = "That file does not show a merchant's fault."
    hint = "It was changed, cut off, or is not a proof of `veilmart customer dispute --save`."


class KeyNotSigned(PeerFault):
    code = 2115
    crosses = False
    summary = "What the broker hands out as the key is not what the merchant signed for the order."
    money = PAID_AND_RELEASED
    hint = (
        "Run `veilmart customer sync` later; if it stays, `veilmart customer dispute ORDER` has "
        "the broker judge by its own copy."
    )


class JudgedWrongly(TrustFailure):
    code = 6110
    summary = "The broker refused a dispute that its own rules decide against the merchant."
    money = PAID_AND_RELEASED
    hint = "Keep the proof: `veilmart customer dispute ORDER --save FILE`; anybody can verify it."
