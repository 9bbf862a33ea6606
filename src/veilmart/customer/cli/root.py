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
        "balance": ("account:balance", "Show what is on the account."),
        "trust": (
            "account:trust",
            "Accept a changed fingerprint or an older descriptor, after you have verified it.",
        ),
        "browse": (
            "shop:browse",
            "Show a merchant's products. The search happens here: nobody sees what you look for.",
        ),
        "buy": ("shop:buy", "Buy one product; a link works with nothing prepared."),
        "shop": (
            "shop:shop",
            "Log in, look at the menu, buy, step by step: all of it as the account.",
        ),
        "look": (
            "look:look",
            "Look at one product. Covers come for a whole shelf: nobody sees which one you look at.",
        ),
        "orders": (
            "orders:orders",
            "Where every purchase stands, newest first: money, goods, what to do, by when.",
        ),
        "library": ("orders:library", "What you own, and where its files were saved."),
        "sync": (
            "sync:sync",
            (
                "Do what is due for one account, or one order: finish it, ask about refunds, refill tokens.\n"
                "\n"
                "Fit for a timer that runs often: each run serves one identity, and what a token paid waits for\n"
                "a time of its own within hours. Refilling needs the passphrase."
            ),
        ),
        "cancel": (
            "sync:cancel",
            "Give up a purchase whose key is not out yet; the whole amount comes back.",
        ),
        "receipt": ("receipts:receipt_app", "Export or verify what proves a purchase."),
        "dispute": (
            "disputes:dispute",
            (
                "Get the money back for goods that are not what the merchant signed.\n"
                "\n"
                "What is wrong is found by itself. Says first what the broker will then see of this order."
            ),
        ),
        "judge": (
            "disputes:judge_proof",
            "Verify a proof of a merchant's fault, offline. Exit code 2 when it shows none.",
        ),
        "fetch": (
            "library:fetch",
            "Fetch again what you own, without paying and without being logged in.",
        ),
        "redeem": (
            "library:redeem",
            "Put a voucher on the account; the code is asked for or read from standard input.",
        ),
        "export": ("library:export_orders", "Write every purchase as CSV, newest first."),
        "backup": (
            "library:backup",
            "Back up the wallet: pins, login, purchases with their keys. Keep it like money.",
        ),
        "restore": ("library:restore_home", "Put a backup in place; what was there is put aside."),
        "proxy": (
            "network:proxy",
            "Let every connection of this wallet go through a SOCKS proxy, such as Tor's.",
        ),
        "proof": ("network:proof_app", "What broker or merchant showed that contradicts itself."),
        "wallet": ("wallet:wallet_app", "The words from which tokens and order keys come."),
        "restore-order": (
            "restore_order:restore_order",
            "Ask what became of an order of a restored wallet, and bring it or its token back.",
        ),
        "tokens": ("tokens:tokens_app", "What pays without an account: one token, one purchase."),
        "solvency": (
            "solvency:solvency",
            "Whether the broker accounts for every token: what was given out is spent, back or open.",
        ),
        "restore-orders": (
            "restore_order:restore_orders",
            (
                "Ask what became of every order of a restored wallet, each on a connection of its own.\n"
                "\n"
                "The broker can tell that orders asked about within minutes belong together."
            ),
        ),
        "web": (
            "web:web",
            "Shop in the browser. The pages are served on this machine, to one person.",
        ),
        "merchants": (
            "web:merchants",
            "The merchants that the broker carries: name, a line about itself, link.",
        ),
    },
)
