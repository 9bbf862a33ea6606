"""The person asked for something that cannot be done (codes 11xx)."""

from veilmart.errors.families import NO_MONEY, CannotDo


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
    money = NO_MONEY
    hint = "Write it like 5, or 5.00 where the currency has two decimals; nothing below zero."


class BadSourceFile(CannotDo):
    code = 1107
    summary = "That file cannot be sold."
    hint = "Give regular files with content and plain names. `import --skip-bad` sells the rest."


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
    money = NO_MONEY
    hint = "See `veilmart customer browse` or `veilmart merchant list`."


class NoSuchOrder(CannotDo):
    code = 1112
    summary = "There is no such order here."
    hint = "See `veilmart customer orders`, or `veilmart merchant export sales FILE`."


class NotAPricePoint(CannotDo):
    code = 1113
    summary = "The broker has no such price point."
    money = NO_MONEY
    hint = "Choose one of its price points."


class NotLoggedIn(CannotDo):
    code = 1114
    summary = "You are not logged in."
    hint = "Run `veilmart customer login` (or `register`)."


class NoSuchMerchant(CannotDo):
    code = 1115
    summary = "There is no such merchant."
    hint = "See `veilmart customer merchants`, or at the broker `veilmart broker merchant list`."


class Declined(CannotDo):
    code = 1116
    summary = "You declined."
    hint = "Nothing was changed, and nothing needs to be done."
    exit_code = 8


class Interrupted(CannotDo):
    code = 1117
    summary = "Interrupted."
    hint = "Run it again; completed steps are kept, and no step is half done."
    exit_code = 130


class NeedsConfirmation(CannotDo):
    code = 1118
    summary = "This needs your confirmation and there is no terminal to ask on."
    money = NO_MONEY
    hint = "Pass --yes if you are sure."


class InputEnded(NeedsConfirmation):
    code = 1131
    summary = "The input ended before everything was answered."
    hint = "Run it again, on a terminal or with the options that answer beforehand."


class AlreadyOwned(CannotDo):
    code = 1119
    summary = "You already own this."
    money = NO_MONEY
    hint = "See `veilmart customer library`; pass --again to buy it once more."


class PortInUse(CannotDo):
    code = 1120
    summary = "This program cannot listen on that address."
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
    hint = "It was altered, is truncated, or is not a veilmart receipt."


class WeakPassword(CannotDo):
    code = 1124
    summary = "That password cannot be used."
    hint = "Use 8 to 128 bytes."


class CodeMistyped(CannotDo):
    code = 1140
    summary = "That code is mistyped: its check characters do not fit."
    hint = "Compare it with the sheet; O is read as 0, and I and L as 1. Nothing was sent."


class NoSuchCode(CannotDo):
    code = 1141
    summary = "There is no such voucher or invitation to change."
    hint = "See `veilmart broker voucher list` and `veilmart broker invitation list`."


class NoSuchRequest(CannotDo):
    code = 1142
    summary = "No merchant has asked for that."
    hint = "See `veilmart broker merchant requests` and `veilmart broker withdrawals`."


class BackupInvalid(CannotDo):
    code = 1143
    summary = "That is not a complete backup of this role."
    hint = "It is truncated or altered, or of another role or identity. Nothing was changed."


class NoSuchBroker(CannotDo):
    code = 1197
    summary = "That does not identify one of the accepted brokers."
    hint = "Pass --broker with its address or the beginning of its fingerprint."


class ReferenceNeeded(CannotDo):
    code = 1194
    summary = "No merchant is waiting for exactly that payment, and it has no reference."
    hint = "See `veilmart broker withdrawals`, or pass --reference with a unique number."


class CreditRepeated(CannotDo):
    code = 1188
    summary = (
        "The same amount was put on that account less than ten minutes ago. Nothing was booked."
    )
    hint = (
        "`veilmart broker accounts` shows the balance. If the same amount was paid in twice, "
        "pass --reference with a number of its own."
    )


class ReferenceUsed(CannotDo):
    code = 1195
    summary = "That reference belongs to another payment."
    hint = "Give each payment its own reference; nothing was booked now."


class UnknownSinceBackup(CannotDo):
    code = 1196
    summary = "The broker was restored, and the payments since its backup have not been confirmed."
    hint = "`veilmart broker restored` lists what to check and how to confirm it."


class BackupOlder(CannotDo):
    code = 1144
    summary = "The data in this home is newer than the backup."
    hint = "Nothing was changed. --over-newer moves it aside, without deleting it, and replaces it."


class ProofInvalid(CannotDo):
    code = 1151
    summary = "That file proves nothing."
    hint = "It was altered, is truncated, or was not made by `veilmart customer proof`."


class NoSuchProof(CannotDo):
    code = 1152
    summary = "There is no such proof here."
    hint = "See `veilmart customer proof`."


class NoSuchTokenKey(CannotDo):
    code = 1145
    summary = "There is no such token key to retire."
    hint = "See `veilmart broker token list`."


class NoSeed(CannotDo):
    code = 1180
    summary = "This wallet has no words yet, and tokens come from them."
    hint = "Run `veilmart customer wallet create` and write the words down."


class SeedDiffers(CannotDo):
    code = 1181
    summary = "These are the words of another wallet."
    hint = "Nothing was changed. Restore that wallet into another home folder with --home."


class WrongPassphrase(CannotDo):
    code = 1182
    summary = "That is not this wallet's passphrase."
    hint = "Try again; without it the wallet can only be restored from its words."


class WalletLocked(CannotDo):
    code = 1183
    summary = "This needs the wallet's passphrase."
    hint = "Run it on a terminal, or with --passphrase-file."


class WalletOutdated(CannotDo):
    code = 1184
    summary = "This wallet was restored from a backup and may not know all tokens used since."
    hint = "Run `veilmart customer wallet restore` with its words; nothing is lost."


class NotRestoredHere(CannotDo):
    code = 1199
    summary = "This wallet came from its words, and does not know which orders it made here."
    money = NO_MONEY
    hint = "Run `veilmart customer wallet restore` with its words at this broker too."


class ChangedTooOften(CannotDo):
    code = 1198
    summary = "The shop was changed so often within 30 days that wallets would distrust it."
    hint = "Wait; many changes at once (`import`) count as one."


class NoTokens(CannotDo):
    code = 1185
    summary = "There is no unspent token of that price."
    money = NO_MONEY
    hint = "Run `veilmart customer tokens withdraw PRICE`; better a day before you buy."


class SpendingTooSoon(CannotDo):
    code = 1186
    summary = "Your tokens are so fresh that spending one would reveal who withdrew it."
    money = NO_MONEY
    hint = "Wait a day after withdrawing, or pass --now if you do not mind."


class HomeInUse(CannotDo):
    code = 1150
    summary = "Another veilmart process is using this home folder."
    hint = "Stop it first, or choose another folder with --home."


class WordCountWrong(CannotDo):
    code = 1170
    summary = "A wallet's words are 12 or 24."
    hint = "Type all of them in their order, with spaces between them."


class WordUnknown(CannotDo):
    code = 1171
    summary = "One of the words is not on the word list of wallets."
    hint = "Check its spelling; the words are English and written in full."


class WordsMistyped(CannotDo):
    code = 1172
    summary = "The words do not fit together: their checksum is wrong."
    hint = "One of them is wrong, or they are in another order."


class NothingToDispute(CannotDo):
    code = 1155
    summary = "Everything that the merchant signed for this order is right."
    hint = "`veilmart customer sync` finishes it. For another complaint, turn to the merchant."


class JudgementInvalid(CannotDo):
    code = 1156
    summary = "That file does not show a merchant's fault."
    hint = "It was altered, is truncated, or was not made by `veilmart customer dispute --save`."


class FormInvalid(CannotDo):
    code = 1191
    summary = "The page sent something that cannot be read."
    hint = "Go back, reload the page and try again."


class PageOutdated(CannotDo):
    code = 1192
    summary = "This page is no longer up to date."
    hint = "Begin again from the start page; nothing is done twice."
    http_status = 410


class NameNotConfirmed(CannotDo):
    code = 1193
    summary = "The name that you typed is not the name shown on the page."
    hint = "Type the name exactly as it is shown."


class NoSuchFinding(CannotDo):
    code = 1187
    summary = "The audit has no such finding."
    hint = "Copy the finding's name and row from `veilmart broker audit`."
