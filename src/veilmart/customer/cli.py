"""`veilmart customer ...`: the command tree; the commands are in the cli_*.py files."""

from cyclopts import App

from veilmart.customer.cli_account import register_account
from veilmart.customer.cli_disputes import register_disputes
from veilmart.customer.cli_library import register_library
from veilmart.customer.cli_look import register_look
from veilmart.customer.cli_lost import register_lost
from veilmart.customer.cli_network import register_network
from veilmart.customer.cli_orders import register_orders
from veilmart.customer.cli_shop import register_shop
from veilmart.customer.cli_tokens import register_tokens
from veilmart.customer.cli_wallet import register_wallet

app = App(name="customer", help="Browse, buy and keep digital goods, without the merchant knowing.")
register_account(app)
register_shop(app)
register_look(app)
register_orders(app)
register_disputes(app)
register_library(app)
register_network(app)
register_wallet(app)
register_lost(app)
register_tokens(app)
