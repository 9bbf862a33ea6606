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
            "Take a product off its shelf. Sold orders are still delivered.",
        ),
        "edit": (
            "goods:edit",
            "Change a product's words, price, cover or sample, or whether it can be bought.",
        ),
        "list": ("goods:list_products", "List all products on sale, numbered as in the menu."),
        "report": (
            "shelves:report",
            "Show how well each shelf hides purchases, and what its padding costs.",
        ),
        "import": (
            "importing:import_shop",
            "Make the shop equal to a folder; only changed products are packed.",
        ),
        "codes": ("importing:codes_app", "Unique codes: licence keys, gift cards; one per sale."),
        "tidy": (
            "shelves:tidy",
            "Remove packed products that nothing names any more; what was sold stays.",
        ),
        "join": ("back_office:join", "Ask the broker's operator to admit this merchant."),
        "withdraw-request": (
            "back_office:withdraw_request",
            "Ask the broker's operator for a payout from the balance.",
        ),
        "refund": (
            "back_office:refund",
            "Refund an order's whole price: before settlement, or later if the balance covers it.",
        ),
        "export": (
            "back_office:export_table",
            "Write a table as CSV; amounts as 5.00, times in Unix seconds.",
        ),
        "backup": (
            "back_office:backup",
            "Back up identity, orders and products, also while the merchant runs. Keep the file secret.",
        ),
        "restore": (
            "back_office:restore_home",
            "Restore a backup while the merchant is stopped; the present home is moved aside.",
        ),
        "reconcile": (
            "reconcile:reconcile",
            (
                "Compare the merchant's books with the broker's signed statement, and store the statement.\n"
                "\n"
                "Exit code 5 if anything differs."
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
            "Run the shop in the browser. This machine serves the pages to one person.",
        ),
        "balance": (
            "serving:balance",
            "Show the merchant's balance, as the broker last reported it.",
        ),
        "sales": ("serving:sales", "Show the number of orders by product and state."),
        "link": (
            "serving:link",
            "Show the link for customers: the broker's address and both fingerprints.",
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
            "Make a shelf. Its price and size never change.",
        ),
        "propose": (
            "shelves:propose_shelves",
            "Propose the split of all products into shelves with the least padding; change nothing.",
        ),
        "apply": (
            "shelves:apply_shelves",
            "Move the products as proposed. Empty shelves are retired; sold orders are still delivered.",
        ),
    },
)
app.command(shelf_app)
