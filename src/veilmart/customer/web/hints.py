"""What to do next in the customer's face, where an error's own text names a command."""

from veilmart import errors
from veilmart.errors import VeilmartError
from veilmart.web.hints import COMMON

_DISPUTE = "Until then Dispute on the order's page gets it back: the merchant signed this."
_ORDERS = "See Orders."

HINTS: dict[type[VeilmartError], str] = COMMON | {
    errors.NotInitialised: "Paste the link of a shop on the start page first.",
    errors.AlreadyInitialised: "Nothing was changed.",
    errors.NoSuchProduct: "Open the shop again; its catalogue may have changed.",
    errors.NoSuchOrder: _ORDERS,
    errors.NoSuchMerchant: "See the page Merchants.",
    errors.TokenEndsEarly: (
        "One clock is wrong, or the operator has retired the key. Go on with it on the page "
        "Orders, within a week or until the key ends by this clock too."
    ),
    errors.NotLoggedIn: "Register or log in on the page Account.",
    errors.LoginRequired: "Log in on the page Account.",
    errors.AlreadyOwned: "The library fetches it again for nothing. Pay again to buy it once more.",
    errors.InvitationInvalid: (
        "Each invitation opens one account; ask the broker's operator for one."
    ),
    errors.NoSeed: "Make this wallet's words on the page Wallet and write them down.",
    errors.WalletLocked: "Type the passphrase of the wallet.",
    errors.WalletOutdated: "Restore it from its words on the page Wallet; nothing is lost.",
    errors.NotRestoredHere: "Restore it from its words on the page Wallet at this broker too.",
    errors.WalletReplaced: (
        "If that was you, go on there, or restore the wallet from its words on the page "
        "Wallet. The account's balance can be spent here."
    ),
    errors.SeedDiffers: "Nothing was changed. Start the face with another --home for that wallet.",
    errors.NoTokens: "Withdraw some on the page Tokens; better a day before you buy.",
    errors.SpendingTooSoon: "Wait a day after withdrawing, or tick that you do not mind.",
    errors.NothingToDispute: (
        "Go on with the order to finish it. For another complaint, turn to the merchant."
    ),
    errors.NoSuchProof: "See the page Trust.",
    errors.ProxyFailed: "Nothing was sent around it. Start it, or see the page Settings.",
    errors.PaddingInvalid: _DISPUTE,
    errors.PieceMismatch: _DISPUTE,
    errors.ContentKeyInvalid: _DISPUTE,
    errors.KeyNotSigned: (
        "Go on with the order later; if it stays, Dispute on its page has the broker judge by "
        "its own copy."
    ),
    errors.WrongOrderState: _ORDERS,
    errors.NotRefunded: _ORDERS,
    errors.CannotWrite: "Make the folder writable, then go on with the order on the page Orders.",
    errors.DiskFull: "Free some space, then go on with the order on the page Orders.",
    errors.SeedDamaged: "Move it away and restore the wallet from its words on the page Wallet.",
    errors.SegmentDamaged: "Going on with the order fetches it again.",
    errors.FingerprintChanged: (
        "Ask the other side over another channel. If it is right, accept it on the page Trust."
    ),
    errors.TokenKeysForked: (
        "Keys made for individual customers tell them apart. The proof is on the page Trust."
    ),
    errors.ViewsForked: "Nothing was spent. Both documents are kept as a proof on the page Trust.",
}
