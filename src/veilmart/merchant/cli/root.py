"""The command tree of `veilmart merchant`. A command's file is imported when it is run."""

from cyclopts import App

from veilmart.terminal.lazy_commands import mount

app = App(name="merchant", help="Sell files through a broker, without learning who buys.")
shelf_app = App(name="shelf", help="Shelves: one price and one padded size each.")
mount(
    app,
    "veilmart.merchant.cli",
    {
        "add": (
            "goods:add",
            "Put files on sale. The same file name on the same shelf becomes a new version.",
        ),
        "remove": (
            "goods:remove",
            "Take a product off its shelf. What was sold is still delivered.",
        ),
        "edit": (
            "goods:edit",
            "Change what customers read about a product, or whether it can be bought.",
        ),
        "list": ("goods:list_products", "Everything on sale, numbered as in the menu."),
        "report": (
            "shelves:report",
            "How well each shelf hides what was bought, and what its padding costs.",
        ),
        "import": (
            "importing:import_shop",
            "Make the shop what a folder says; only what changed is packed and sent on.",
        ),
        "codes": ("importing:codes_app", "Unique codes: licence keys, gift cards; one per sale."),
        "tidy": (
            "shelves:tidy",
            "Remove packed products that nothing names any more; what was sold stays.",
        ),
        "join": ("back_office:join", "Ask the broker's operator to carry this merchant."),
        "withdraw-request": (
            "back_office:withdraw_request",
            "Ask the broker's operator to pay out some of the balance.",
        ),
        "refund": (
            "back_office:refund",
            "Give an order's whole price back: until settlement, and after it while the balance covers.",
        ),
        "export": (
            "back_office:export_table",
            "Write a table as CSV; amounts in minor units, times in Unix seconds.",
        ),
        "backup": (
            "back_office:backup",
            "Back up identity, orders and products, safely while the merchant runs. Keep it like a key.",
        ),
        "restore": (
            "back_office:restore_home",
            "Put a backup in place while the merchant is stopped; what was there is put aside.",
        ),
        "reconcile": (
            "reconcile:reconcile",
            (
                "Compare our books with the broker's signed statement, which is kept in the home folder.\n"
                "\n"
                "Exit code 5 when anything differs."
            ),
        ),
        "init": (
            "serving:init",
            "Make this merchant's identity and pin the broker it sells through.",
        ),
        "run": (
            "serving:run_server",
            "Serve until Ctrl-C. Changes by other commands take effect within a second.",
        ),
        "about": (
            "about_line:about",
            "Show or set the line about the shop that brokers list beside its name.",
        ),
        "web": (
            "web:web",
            "Run the shop in the browser. The pages are served on this machine, to one person.",
        ),
        "balance": ("serving:balance", "The merchant's account, as the broker last reported it."),
        "sales": ("serving:sales", "Orders by product and state."),
        "link": (
            "serving:link",
            "The link that customers need: where the broker is and who both are.",
        ),
    },
)
mount(
    shelf_app,
    "veilmart.merchant.cli",
    {
        "list": (
            "goods:list_shelves",
            "All shelves with price, padded size and number of products.",
        ),
        "create": (
            "goods:create",
            "Make a shelf. Its price and size stay as they are for its whole life.",
        ),
        "propose": (
            "shelves:propose_shelves",
            "The split of what is on sale into shelves with the least padding; changes nothing.",
        ),
        "apply": (
            "shelves:apply_shelves",
            "Move the products as proposed. Empty shelves go out of use; what was sold is delivered.",
        ),
    },
)
app.command(shelf_app)
