"""What to do next in the broker's face, where an error's own text names a command."""

from veilmart import errors
from veilmart.errors import VeilmartError
from veilmart.web.hints import COMMON

HINTS: dict[type[VeilmartError], str] = COMMON | {
    errors.NoSuchMerchant: "See the page Merchants.",
    errors.NoSuchAccount: "See the page People.",
    errors.NoSuchCode: "See the page Vouchers.",
    errors.NoSuchRequest: "See the pages Merchants and Payouts.",
    errors.NoSuchTokenKey: "See the page Fees and prices.",
    errors.CreditRepeated: (
        "The page People shows the balance. If the same amount was paid in twice, give a "
        "reference of its own."
    ),
    errors.LedgerViolated: "Run the audit.",
    errors.DiskFull: "Free some space, then try again.",
    errors.ClockInDoubt: (
        "Set the clock right. If it is right, run `veilmart broker clock confirm`."
    ),
}
