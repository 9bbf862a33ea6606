"""One tree of errors, one code each.

The families answer the question whose fault it was: ours (`Misuse`), the person's request
(`CannotDo`), a peer that broke the protocol (`PeerFault`), a peer that was not to be reached
(`NetworkFailure`), a peer's rule that said no (`Refusal`, the family made to cross the
wire), a trust decision (`TrustFailure`) or the machine's disk and database (`StorageFailure`).

Every concrete error has a `code` (unique, never reused; a test asserts it), a sentence on what
happened, one on whether money moved, and one on what to do next.
"""

from collections.abc import Iterator
from functools import cache
from typing import ClassVar

DETAIL_MAX_CHARACTERS = 300
NO_MONEY = "No money moved."
MONEY_SAFE = "Your money is safe: the purchase finishes or is refunded in full."


class VeilmartError(Exception):
    """Root of every error that veilmart raises on purpose."""

    code: ClassVar[int] = 0
    summary: ClassVar[str] = "Something went wrong."
    money: ClassVar[str] = NO_MONEY
    hint: ClassVar[str] = ""
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str = "", *, money: str | None = None) -> None:
        """`detail` says what this one occurrence was about; it must hold no secret."""
        super().__init__(detail or self.summary)
        self.detail = detail
        self.money_now = self.money if money is None else money

    def explain(self) -> str:
        """What happened, whether money moved, what to do next: one line each."""
        what = self.summary if not self.detail else f"{self.summary} {self.detail}"
        lines = [f"{what} (error {self.code})", self.money_now, self.hint]
        return "\n".join(line for line in lines if line)


class Misuse(VeilmartError):
    """Our own code called something in the wrong order or with wrong lengths."""

    code = 1000
    summary = "An internal rule of veilmart was broken; this is a bug."
    hint = "Please report it together with the error code."
    exit_code = 70


class CannotDo(VeilmartError):
    """What the person asked for cannot be done as asked."""

    http_status = 400
    exit_code = 2


class PeerFault(VeilmartError):
    """The other side sent something the protocol does not allow."""

    http_status = 400
    exit_code = 5


class NetworkFailure(VeilmartError):
    """The other side was not reached or did not answer."""

    http_status = 502
    exit_code = 4


class Refusal(VeilmartError):
    """A rule of the other side said no. Crosses the wire as {code, detail}, as peer's faults and

    network failures do that the other side noticed.
    """

    http_status = 403
    exit_code = 3


class TrustFailure(VeilmartError):
    """Something that must never change has changed."""

    http_status = 403
    exit_code = 6


class StorageFailure(VeilmartError):
    """The disk or the database said no."""

    exit_code = 7


# ---- 11xx: what the person asked for ---------------------------------------------------------


class NotInitialised(CannotDo):
    code = 1101
    summary = "This home folder has not been set up yet."
    hint = "Run the init command first (customers: `veilmart customer join LINK`)."


class AlreadyInitialised(CannotDo):
    code = 1102
    summary = "This home folder is set up already."
    hint = "Nothing was changed. Choose another folder with --home to start afresh."


class BadArgument(CannotDo):
    code = 1103
    summary = "That value cannot be used here."
    hint = "See --help for what is expected."


class BadLink(CannotDo):
    code = 1104
    summary = "That is not a veilmart link."
    hint = "It looks like veilmart://host:port/BROKER-FINGERPRINT/MERCHANT-FINGERPRINT#product."


class BadName(CannotDo):
    code = 1105
    summary = "That name cannot be used."
    hint = "Use 1 to 200 bytes of printable text without slashes or leading dots."


class BadAmount(CannotDo):
    code = 1106
    summary = "That is not an amount."
    hint = "Write it like 5 or 5.00; nothing below zero, two decimals at most."


class BadSourceFile(CannotDo):
    code = 1107
    summary = "That file cannot be sold."
    hint = "Give a regular file that can be read; links, devices and empty files are refused."


class ShelfTooSmall(CannotDo):
    code = 1108
    summary = "The product does not fit on that shelf."
    hint = "Create a larger shelf with `veilmart merchant shelf create`."


class AloneOnShelf(CannotDo):
    code = 1109
    summary = "A product alone on its shelf tells the broker what was bought."
    hint = "Add at least two products at once, or pass --alone if you accept that."


class NoSuchShelf(CannotDo):
    code = 1110
    summary = "There is no such shelf."
    hint = "See `veilmart merchant shelf list`."


class NoSuchProduct(CannotDo):
    code = 1111
    summary = "There is no such product."
    hint = "See `veilmart customer browse` or `veilmart merchant list`."


class NoSuchOrder(CannotDo):
    code = 1112
    summary = "There is no such order here."
    hint = "See `veilmart customer orders`."


class NotAPricePoint(CannotDo):
    code = 1113
    summary = "The broker has no such price point."
    hint = "Choose one of its price points."


class NotLoggedIn(CannotDo):
    code = 1114
    summary = "You are not logged in."
    hint = "Run `veilmart customer login` (or `register`)."


class NoSuchMerchant(CannotDo):
    code = 1115
    summary = "There is no such merchant."
    hint = "See `veilmart broker merchant list`."


class Declined(CannotDo):
    code = 1116
    summary = "You declined; the order was dropped."
    hint = "Nothing needs to be done."
    exit_code = 8


class Interrupted(CannotDo):
    code = 1117
    summary = "Interrupted."
    hint = "Run `veilmart customer sync` to finish what was under way."
    exit_code = 130


class NeedsConfirmation(CannotDo):
    code = 1118
    summary = "This needs your confirmation and there is no terminal to ask on."
    hint = "Pass --yes if you are sure."


class AlreadyOwned(CannotDo):
    code = 1119
    summary = "You own this already."
    hint = "See `veilmart customer library`; pass --again to buy it once more."


class PortInUse(CannotDo):
    code = 1120
    summary = "That address cannot be listened on."
    hint = "Another program may hold the port; choose another with --port."


class SourceChanged(CannotDo):
    code = 1121
    summary = "The file changed while it was being read."
    hint = "Add it again once nothing writes to it."


class NoSuchAccount(CannotDo):
    code = 1122
    summary = "There is no such account."
    hint = "See `veilmart broker accounts`."


class ReceiptInvalid(CannotDo):
    code = 1123
    summary = "The receipt does not verify."
    hint = "It was changed, cut off, or is not a veilmart receipt."


class WeakPassword(CannotDo):
    code = 1124
    summary = "That password cannot be used."
    hint = "Use 8 to 128 bytes."


class CodeMistyped(CannotDo):
    code = 1140
    summary = "That code is mistyped: its check characters do not fit."
    hint = "Compare it with the sheet; O is read as 0, and I and L as 1. Nobody was asked."


class NoSuchCode(CannotDo):
    code = 1141
    summary = "There is no such voucher or invitation that could be changed."
    hint = "See `veilmart broker voucher list` and `veilmart broker invitation list`."


class NoSuchRequest(CannotDo):
    code = 1142
    summary = "No merchant has asked for that."
    hint = "See `veilmart broker merchant requests` and `veilmart broker withdrawals`."


class BackupInvalid(CannotDo):
    code = 1143
    summary = "That is not a whole backup of this role."
    hint = "It was cut off, changed, or belongs to another role or identity. Nothing was changed."


class BackupOlder(CannotDo):
    code = 1144
    summary = "What is in this home is newer than the backup."
    hint = "Nothing was changed. With --over-newer it is put aside, not deleted, and replaced."


class HomeInUse(CannotDo):
    code = 1150
    summary = "Another veilmart process is using this home folder."
    hint = "Stop it first, or choose another folder with --home."


# ---- 21xx: a peer broke the protocol --------------------------------------------------------


class OpenFailed(PeerFault):
    code = 2101
    summary = "A sealed message did not open: it was changed on the way or made with another key."
    hint = "Try again; if it stays, somebody between you and the other side changes messages."


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
    hint = "Nothing secret was sent. If it stays, somebody may be in the middle."


class BadPublicValue(PeerFault):
    code = 2105
    summary = "A Diffie-Hellman or KEM value is out of range."
    hint = "Nothing secret was sent. The other side is faulty or hostile."


class SignatureInvalid(PeerFault):
    code = 2106
    summary = "A signature does not verify."
    hint = "It was changed on the way or made by somebody else."


class UnknownSuite(PeerFault):
    code = 2107
    summary = "The other side does not offer that cipher suite."
    hint = "Choose another with --suite."


class PaddingInvalid(PeerFault):
    code = 2108
    summary = "The padding is not what the protocol prescribes."
    money = "If you paid, the money goes to the merchant when the time to settle ends."
    hint = "The product was packed wrongly; do not trust the file."


class PieceMismatch(PeerFault):
    code = 2109
    summary = "A delivered segment is not the piece that was promised."
    money = "You have paid; the money goes to the merchant when the time to settle ends."
    hint = "Keep the order: the merchant signed it. Turn to the broker's operator before that time."


class OfferMismatch(PeerFault):
    code = 2110
    summary = "The merchant's offer is not what was selected."
    hint = "Nothing was paid. Report the merchant to the broker's operator."


class UnexpectedAnswer(PeerFault):
    code = 2111
    summary = "The other side answered something that was not asked."
    hint = "The other side may run an incompatible version."


class ContentKeyInvalid(PeerFault):
    code = 2112
    summary = "The key that was paid for does not open what was promised."
    money = "You have paid; the money goes to the merchant when the time to settle ends."
    hint = "Keep the order: the merchant signed it. Turn to the broker's operator before that time."


class TooSlow(PeerFault):
    code = 2113
    summary = "The other side sends too slowly."
    hint = "Try again on a better connection."
    http_status = 408


# ---- 31xx: the network ----------------------------------------------------------------------


class BrokerUnreachable(NetworkFailure):
    code = 3101
    summary = "The broker cannot be reached."
    hint = "Check the address and your connection, then try again."


class MerchantUnreachable(NetworkFailure):
    code = 3102
    summary = "The merchant cannot be reached by the broker."
    hint = "Try again later."


class SessionUnknown(NetworkFailure):
    code = 3103
    summary = "The session has ended."
    hint = "A new one is made by trying again."
    http_status = 410


class ServerBusy(NetworkFailure):
    code = 3104
    summary = "The other side has too much to do."
    hint = "Try again in a moment."
    http_status = 503


class ServerFault(NetworkFailure):
    code = 3105
    summary = "The other side failed on its own fault."
    hint = "Try again; tell its operator the error code if it stays."
    http_status = 500


# ---- 41xx: the other side's rules -----------------------------------------------------------


class AuthenticationFailed(Refusal):
    code = 4101
    summary = "Authentication failed. Closing connection."
    hint = "Check username and password."
    http_status = 401


class TooManyAttempts(Refusal):
    code = 4102
    summary = "Too many failed attempts for this name."
    hint = "Wait half a minute at most, then try again."
    http_status = 429


class NameTaken(Refusal):
    code = 4103
    summary = "That username cannot be registered."
    hint = "Choose another."


class LoginRequired(Refusal):
    code = 4104
    summary = "This needs a login."
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
    summary = "Your balance does not cover the price."
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
    summary = "That cannot be done with the order any more."
    money = ""
    hint = "See `veilmart customer orders`."


class OperationConflict(Refusal):
    code = 4112
    summary = "That operation id was used for something else."
    hint = "Nothing was done a second time."


class OrderKeyInvalid(Refusal):
    code = 4113
    summary = "The order's own key did not sign this."
    hint = "Only the wallet that ordered can do that."


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
    hint = "It is fetched again by trying again."


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
    hint = "Ask the broker's operator."


class RegistrationClosed(Refusal):
    code = 4141
    summary = "The broker takes no new accounts at the moment."
    hint = "Ask the broker's operator."


class InvitationInvalid(Refusal):
    code = 4142
    summary = "Accounts are opened by invitation here, and that is not a good one."
    hint = "Pass --invitation with a code from the broker's operator; each is good for one account."


class VoucherUnknown(Refusal):
    code = 4143
    summary = "The broker knows no such voucher."
    hint = "Compare it with the sheet. After three wrong ones there is a pause between tries."


class VoucherSpent(Refusal):
    code = 4144
    summary = "The voucher has been redeemed already, or was taken back."
    hint = "Each is good once. Ask whoever gave it to you."


class NotSettled(Refusal):
    code = 4145
    summary = "The merchant has not heard from the broker that the order is settled."
    hint = "Try again later; a refunded order is not delivered again."


# ---- 51xx: disk and database -----------------------------------------------------------------


class DiskFull(StorageFailure):
    code = 5101
    summary = "There is no room left on the disk."
    money = MONEY_SAFE
    hint = "Make room, then run `veilmart customer sync`."


class CannotWrite(StorageFailure):
    code = 5102
    summary = "A file or folder cannot be written."
    hint = "Check permissions of the home and output folders."


class DatabaseFailure(StorageFailure):
    code = 5103
    summary = "The database did not carry out what was asked."
    hint = "Nothing was half done. Try again."


class StoreDamaged(StorageFailure):
    code = 5104
    summary = "A stored file is missing or damaged."
    hint = "Restore it from the backup."


class LedgerViolated(StorageFailure):
    code = 5105
    summary = "A booking would have broken the ledger's rules and was not made."
    hint = "Run `veilmart broker audit`."


class SegmentDamaged(StorageFailure):
    code = 5106
    summary = "A stored segment is missing or damaged."
    money = MONEY_SAFE
    hint = "It is fetched again by `veilmart customer sync`."

    def __init__(self, index: int) -> None:
        super().__init__(f"Segment {index}.")
        self.index = index


class DatabaseAway(DatabaseFailure):
    code = 5110
    summary = "The database server cannot be reached."
    money = MONEY_SAFE
    hint = "It is tried again by itself; look whether PostgreSQL runs."


class StoreAway(StorageFailure):
    code = 5111
    summary = "The object store cannot be reached or does not let us in."
    hint = "Look at its address, the bucket and the AWS_* variables; then try again."


# ---- 61xx: trust -----------------------------------------------------------------------------


class FingerprintChanged(TrustFailure):
    code = 6101
    summary = "The other side shows another identity than the one you pinned."
    hint = "Ask the other side on another way. If it is right: `veilmart customer trust`."


class SerialLower(TrustFailure):
    code = 6102
    summary = "The descriptor is older than one seen before."
    hint = "Somebody replays an old one, or the other side restored a backup."


class DescriptorExpired(TrustFailure):
    code = 6103
    summary = "The descriptor has expired."
    hint = "Check your clock; else the other side has to be started to renew it."


class DescriptorForked(TrustFailure):
    code = 6104
    summary = "Two different descriptors of one serial were shown."
    hint = "Keep both: they prove that the other side shows different people different things."


class NotPinned(TrustFailure):
    code = 6105
    summary = "The other side's fingerprint has not been confirmed."
    hint = "Compare it with what its operator tells you, then confirm it or use a link."


def walk(family: type[VeilmartError] = VeilmartError) -> Iterator[type[VeilmartError]]:
    """Every error class below `family`, depth first."""
    for child in family.__subclasses__():
        yield child
        yield from walk(child)


@cache
def by_code() -> dict[int, type[VeilmartError]]:
    """Code → class, for every class that has a code of its own."""
    return {kind.code: kind for kind in walk() if kind.code}


def from_wire(code: int, detail: str) -> VeilmartError:
    """The error a peer named. Refusals, network failures and faults of ours may cross the wire."""
    kind = by_code().get(code)
    if kind is None or not issubclass(kind, Refusal | NetworkFailure | PeerFault):
        return UnexpectedAnswer(f"It named the unknown error {code}.")
    # A stranger wrote the detail: no control characters for a terminal, and no flood of text.
    return kind("".join(c if c.isprintable() else " " for c in detail[:DETAIL_MAX_CHARACTERS]))
