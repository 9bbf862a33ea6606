"""The command tree of `veilmart broker`. A command's file is imported when it is run."""

from cyclopts import App

from veilmart.terminal.lazy_commands import mount

app = App(name="broker", help="Carry sealed messages and money, without learning what is bought.")
mount(
    app,
    "veilmart.broker.cli",
    {
        "merchant": ("merchants:merchant_app", "The merchants that this broker carries."),
        "payout": ("merchants:payout", "Book a payout that a merchant received in cash."),
        "withdrawals": (
            "merchants:withdrawals",
            "List payouts that merchants ask for; `payout` of the same amount answers one.",
        ),
        "user": ("accounts:user_app", "Customers' accounts."),
        "reverse-credit": (
            "accounts:reverse_credit",
            "Take back a mistyped credit; both bookings stay in the books.",
        ),
        "credit": (
            "accounts:credit",
            (
                "Book cash that a customer paid in to their account.\n"
                "\n"
                "Without --reference, the same amount for the same account is refused for ten minutes, as the\n"
                "command may have been given twice. With the same --reference it is booked once."
            ),
        ),
        "accounts": ("accounts:accounts", "List accounts with their balances."),
        "price-points": ("settings:points_app", "The amounts that products may cost."),
        "fee": (
            "settings:fee",
            "Set the broker's share of a sale, for sales invoiced from now on.",
        ),
        "registration": ("settings:registration", "Set who may open an account."),
        "audit": (
            "audit:audit_books",
            (
                "Recompute everything from postings and signed records, while the broker runs.\n"
                "\n"
                "Exit code 7 if there is a finding that was not signed off."
            ),
        ),
        "voucher": ("vouchers:voucher_app", "Vouchers that customers redeem."),
        "invitation": ("vouchers:invitation_app", "Invitations to open an account."),
        "token": ("tokens:token_app", "The keys under which this broker signs tokens."),
        "export": (
            "backup:export_table",
            "Write a table as CSV; amounts as 5.00, times in Unix seconds.",
        ),
        "backup": (
            "backup:backup",
            "Back up identity and books, also while the broker runs. Keep the file secret.",
        ),
        "restore": (
            "backup:restore_home",
            "Restore a backup while the broker is stopped; the present home is moved aside.",
        ),
        "web": (
            "web:web",
            "Operate the broker in the browser. This machine serves the pages to one person.",
        ),
        "disputes": (
            "disputes:disputes",
            "List decided disputes, newest first. They need no action.",
        ),
        "sign-off": (
            "audit:sign_off_finding",
            "Sign off a finding of the audit after looking at it, so that months are folded again.",
        ),
        "status": (
            "audit:status",
            "Show when the broker last did its duties, and which of them fail.",
        ),
        "clock": ("audit:clock_app", "Confirm the machine's clock after a jump."),
        "restored": (
            "backup:restored",
            "After a restore: list what must be confirmed because the backup cannot know it.",
        ),
        "init": ("serving:init", "Make this broker's identity, price points and empty books."),
        "run": (
            "serving:run_server",
            "Serve until Ctrl-C; set the broker up first if needed (not with --home).",
        ),
        "descriptor": (
            "serving:descriptor",
            "Show this broker's fingerprint, descriptor serial and link.",
        ),
    },
)
