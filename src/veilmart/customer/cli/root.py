"""The command tree of `veilmart customer`. A command's file is imported when it is run."""

from cyclopts import App

from veilmart.terminal.lazy_commands import mount

app = App(name="customer", help="Browse, buy and keep digital goods, without the merchant knowing.")
mount(
    app,
    "veilmart.customer.cli",
    {
        "join": ("account:join", "Pin a broker (and a merchant) from a veilmart:// link or a URL."),
        "register": ("account:register", "Open an account with the broker."),
        "login": ("account:login", "Log in; this machine stays logged in."),
        "passwd": ("account:passwd", "Change the password; all other machines are logged out."),
        "balance": ("account:balance", "Show the account's balance."),
        "trust": (
            "account:trust",
            "Accept a changed fingerprint or an older descriptor, after you have verified it.",
        ),
        "browse": (
            "shop:browse",
            (
                "Show a merchant's products.\n"
                "\n"
                "The search runs on this machine, so nobody sees what you look for."
            ),
        ),
        "buy": ("shop:buy", "Buy one product. A link needs no preparation."),
        "shop": (
            "shop:shop",
            "Log in, look at the menu without the account, buy from it, step by step.",
        ),
        "look": (
            "look:look",
            (
                "Look at one product.\n"
                "\n"
                "Covers are fetched for a whole shelf, so nobody sees which one you look at."
            ),
        ),
        "orders": (
            "orders:orders",
            "List every purchase, newest first: its money, its goods, what to do and by when.",
        ),
        "library": ("orders:library", "List what you own and where its files were saved."),
        "sync": (
            "sync:sync",
            (
                "Do the due work of one account or one order: finish it, ask about refunds, refill tokens.\n"
                "\n"
                "Run it often from a timer: each run serves one identity, and each order paid by a token waits\n"
                "for its own random time within hours. Refilling needs the passphrase."
            ),
        ),
        "cancel": (
            "sync:cancel",
            "Cancel a purchase whose key is not released yet; the whole amount comes back.",
        ),
        "receipt": ("receipts:receipt_app", "Export or verify a receipt."),
        "dispute": (
            "disputes:dispute",
            (
                "Get the money back for goods that are not what the merchant signed.\n"
                "\n"
                "The command finds the fault by itself, and first says what the broker will see of this order."
            ),
        ),
        "judge": (
            "disputes:judge_proof",
            "Verify a proof of a merchant's fault, offline. Exit code 2 if it proves none.",
        ),
        "fetch": (
            "library:fetch",
            "Download a product that you own again, without paying and without a login.",
        ),
        "redeem": (
            "library:redeem",
            "Add a voucher's amount to the account; the code is asked for or read from standard input.",
        ),
        "export": ("library:export_orders", "Write every purchase as CSV, newest first."),
        "backup": (
            "library:backup",
            "Back up the wallet: pins, login, purchases with keys. Keep the file as safe as money.",
        ),
        "restore": ("library:restore_home", "Restore a backup; the present home is moved aside."),
        "proxy": (
            "network:proxy",
            "Route every connection of this wallet through a SOCKS proxy, such as Tor's.",
        ),
        "proof": (
            "network:proof_app",
            "Proofs that a broker or merchant signed contradicting documents.",
        ),
        "wallet": ("wallet:wallet_app", "The words from which tokens and order keys are derived."),
        "restore-order": (
            "restore_order:restore_order",
            "Ask the broker about an order of a restored wallet and recover it or its token.",
        ),
        "tokens": ("tokens:tokens_app", "Tokens pay without an account: one token, one purchase."),
        "solvency": (
            "solvency:solvency",
            "Check that the broker accounts for every token: each is spent, returned or still open.",
        ),
        "restore-orders": (
            "restore_order:restore_orders",
            (
                "Ask the broker about every order of a restored wallet, each on a separate connection.\n"
                "\n"
                "The broker can tell that orders asked about within minutes belong together."
            ),
        ),
        "web": (
            "web:web",
            "Shop in the browser. This machine serves the pages to one person.",
        ),
        "merchants": (
            "web:merchants",
            "List the merchants that the broker carries: name, description, link.",
        ),
    },
)
