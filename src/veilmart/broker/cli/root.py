"""The command tree of `veilmart broker`. A command's file is imported when it is run."""

from cyclopts import App

from veilmart.terminal.lazy_commands import mount

app = App(name="broker", help="Carry sealed messages and money, without learning what is bought.")
mount(
    app,
    "veilmart.broker.cli",
    {
        "merchant": ("merchants:merchant_app", "The merchants that this broker carries."),
        "payout": ("merchants:payout", "A merchant was paid out in cash: take it off its account."),
        "withdrawals": (
            "merchants:withdrawals",
            "What merchants ask to be paid out; payout of the same amount answers one.",
        ),
        "user": ("accounts:user_app", "Customers' accounts."),
        "credit": ("accounts:credit", "Somebody paid cash in: put it on their account."),
        "accounts": ("accounts:accounts", "Every account with its balance."),
        "price-points": ("settings:points_app", "The amounts that products may cost."),
        "fee": (
            "settings:fee",
            "The broker's share of a sale, for sales that are invoiced from now on.",
        ),
        "registration": ("settings:registration", "Who may open an account."),
        "audit": (
            "audit:audit_books",
            (
                "Recompute everything from postings and signed records, while the broker goes on.\n"
                "\n"
                "Exit code 7 when something is not as it has to be and was not signed off."
            ),
        ),
        "voucher": ("vouchers:voucher_app", "Vouchers that customers redeem."),
        "invitation": ("vouchers:invitation_app", "Invitations to open an account."),
        "token": ("tokens:token_app", "The keys under which this broker signs tokens."),
        "export": (
            "backup:export_table",
            "Write a table as CSV; amounts in minor units, times in Unix seconds.",
        ),
        "backup": (
            "backup:backup",
            "Back up identity and books, safely while the broker runs. Keep it like a key.",
        ),
        "restore": (
            "backup:restore_home",
            "Put a backup in place while the broker is stopped; what was there is put aside.",
        ),
        "web": (
            "web:web",
            "Operate the broker in the browser. The pages are served on this machine, to one person.",
        ),
        "disputes": (
            "disputes:disputes",
            "How disputes were decided, newest first; nobody has to do anything about them.",
        ),
        "sign-off": (
            "audit:sign_off_finding",
            "Say that you have looked at a finding of the audit, so that months are folded again.",
        ),
        "status": (
            "audit:status",
            "Show when the broker last did what it does by itself, and what fails.",
        ),
        "clock": ("audit:clock_app", "What the broker believes of the machine's clock."),
        "restored": (
            "backup:restored",
            "After a restore: what the backup cannot know, and waits until it is confirmed.",
        ),
        "init": ("serving:init", "Make this broker's identity, price points and empty books."),
        "run": (
            "serving:run_server",
            "Serve until Ctrl-C; sets the broker up first if that was not done.",
        ),
        "descriptor": (
            "serving:descriptor",
            "Show this broker's fingerprint, descriptor serial and link.",
        ),
    },
)
